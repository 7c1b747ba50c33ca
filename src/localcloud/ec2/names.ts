import { randomBytes } from 'node:crypto';

/** A new id of EC2's long form: `hexId('i')` is i- and 17 hexadecimal digits. */
export const hexId = (prefix: string): string => `${prefix}-${randomBytes(9).toString('hex').slice(0, 17)}`;

/** Whether a text has the form of an id with this prefix, old (8 digits) or new (17). */
export const isId = (prefix: string, text: string): boolean =>
  text.startsWith(`${prefix}-`) && /^[0-9a-f]{8}([0-9a-f]{9})?$/.test(text.slice(prefix.length + 1));
