import { createHmac, randomBytes } from 'node:crypto';

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

const idBytes = 16;

/** A job's id: 128 random bits. Knowing one is what entitles to its result, so it is derived from nothing but a client's own key. */
export const newJobId = (): string => base32(randomBytes(idBytes));

/**
 * The id of a job that its client may send again: the same for the same key in one installation.
 * @param secret of the installation, so that who knows no more than a key that is easy to guess does not know the id
 */
export const jobIdOfKey = (idempotencyKey: string, secret: string): string =>
  base32(createHmac('sha256', secret).update(idempotencyKey).digest().subarray(0, idBytes));

/** A web process's id, random at each start: 40 bits are enough to be unique among those that run. */
export const newWebId = (): string => base32(randomBytes(5));

export const jobIdPattern = /^[a-z2-7]{26}$/;

export const isJobId = (text: string): boolean => jobIdPattern.test(text);
