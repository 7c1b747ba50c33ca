import { randomBytes } from 'node:crypto';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** RFC 4648 base32, lower case, without padding: 16 bytes become 26 characters. */
const base32 = (bytes: Uint8Array): string => {
  let text = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(buffer >>> (bits - 5)) & 31];
    buffer &= (1 << bits) - 1;
  }
  return bits > 0 ? text + alphabet[(buffer << (5 - bits)) & 31] : text;
};

/** A job's id: 128 random bits. Knowing one is what entitles to its result, so it is never derived from anything. */
export const newJobId = (): string => base32(randomBytes(16));

/** A web process's id, random at each start: 40 bits are enough to be unique among those that run. */
export const newWebId = (): string => base32(randomBytes(5));

export const jobIdPattern = /^[a-z2-7]{26}$/;

export const isJobId = (text: string): boolean => jobIdPattern.test(text);
