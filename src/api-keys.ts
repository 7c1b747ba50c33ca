import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { usageError } from './errors.ts';

/** What a client sends to show that it may use the web tier. Only the name may be shown. */
export interface ApiKey {
  readonly name: string;
  readonly key: string;
}

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A key that nobody named is called by the start of its digest, which tells nothing of it. */
const nameFor = (key: string): string => `key-${digestOf(key).toString('hex').slice(0, 8)}`;

/** `name:key` or a key; a key is RFC 6750's b68token, so that it fits into a header as it is, and long enough not to be guessed. */
const line = /^(?:([\w.@-]{1,64}):)?([A-Za-z0-9._~+/-]{16,256}=*)$/;

/**
 * The keys in a text that has one a line; empty lines and those that start with `#` say nothing.
 * @param source what the text is of, for the message
 * @throws ImgrecError (exit 64) naming the line that is no key, never its content, or when there is none
 */
export const parseApiKeys = (text: string, source: string): readonly [ApiKey, ...ApiKey[]] => {
  const form = 'one key a line, as "name:key" or alone, of 16 to 256 letters, digits and -._~+/';
  const keys = text.split(/\r?\n/).flatMap((raw, index): readonly ApiKey[] => {
    const content = raw.trim();
    if (content === '' || content.startsWith('#')) return [];
    const [, name, key] = line.exec(content) ?? [];
    if (key === undefined) throw usageError(`line ${index + 1} of ${source} is no API key`, form);
    return [{ name: name ?? nameFor(key), key }];
  });
  const [first, ...others] = keys;
  if (first === undefined) throw usageError(`${source} holds no API key`, form);
  return [first, ...others];
};

/** The text that `parseApiKeys` reads. */
export const renderApiKeys = (keys: readonly ApiKey[]): string =>
  keys.map(({ name, key }) => `${name}:${key}`).join('\n');

/** A key of 256 random bits. */
export const newApiKey = (): ApiKey => {
  const key = randomBytes(32).toString('base64url');
  return { name: nameFor(key), key };
};

/** How many keys hold at once: the newest, and the one before it for as long as clients still have that. */
const held = 2;

/** The keys once `fresh` has come: the one before it still holds, and older ones do not. Pure. */
export const rotated = (keys: readonly ApiKey[], fresh: ApiKey): readonly ApiKey[] =>
  [fresh, ...keys].slice(0, held);

/**
 * Tells whose key it is that a client sent; undefined when it is nobody's. Digests are compared, all of them and each in full, so
 * that the time it takes says nothing of a key.
 */
export const keyCheck = (keys: readonly ApiKey[]): ((presented: string) => string | undefined) => {
  const known = keys.map(({ name, key }) => ({ name, digest: digestOf(key) }));
  return (presented) => {
    const digest = digestOf(presented);
    return known.filter((each) => timingSafeEqual(each.digest, digest))[0]?.name;
  };
};
