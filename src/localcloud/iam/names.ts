import { randomBytes } from 'node:crypto';
import { Refusal } from '../answer.ts';
import { integerOf, type Parameters } from '../query.ts';
import type { XmlElement } from '../xml.ts';

export const noSuchEntity = (what: string): Refusal =>
  new Refusal('NoSuchEntity', `${what} cannot be found.`, 404);
export const alreadyExists = (what: string): Refusal =>
  new Refusal('EntityAlreadyExists', `${what} already exists.`, 409);
export const deleteConflict = (first: string): Refusal =>
  new Refusal('DeleteConflict', `Cannot delete entity, must ${first} first.`, 409);

export const validation = (message: string): Refusal => new Refusal('ValidationError', message);

/** The value of a parameter that must be there. */
export const required = (parameters: Parameters, name: string): string => {
  const value = parameters.get(name);
  if (value === undefined || value === '') throw validation(`The parameter ${name} must have a value.`);
  return value;
};

/** The name of a role, a profile or a policy. */
export const nameOf = (parameters: Parameters, parameter: string, maxLength: number): string => {
  const name = required(parameters, parameter);
  if (name.length > maxLength || !/^[\w+=,.@-]+$/.test(name))
    throw validation(`The name '${name}' is not valid: up to ${maxLength} letters, digits and +=,.@-_`);
  return name;
};

export const pathOf = (parameters: Parameters): string => {
  const path = parameters.get('Path') ?? '/';
  if (path.length > 512 || !/^\/([!-~]+\/)?$/.test(path))
    throw validation(`The path '${path}' must begin and end with a slash.`);
  return path;
};

/** A new id: AROA… for roles, AIPA… for profiles, ANPA… for policies. */
export const uniqueId = (prefix: string): string =>
  prefix + randomBytes(9).toString('hex').toUpperCase().slice(0, 17);

/** Whether something is under the path that a list asks for. */
export const isListed = (parameters: Parameters): ((one: { readonly path: string }) => boolean) => {
  const prefix = parameters.get('PathPrefix') ?? '/';
  return ({ path }) => path.startsWith(prefix);
};

/** One page by `MaxItems` and `Marker`, which is the name of the last one shown. */
export const pageOf = <T>(
  parameters: Parameters,
  all: readonly T[],
  keyOf: (one: T) => string,
): { readonly page: readonly T[]; readonly truncation: XmlElement } => {
  const max = integerOf(parameters, 'MaxItems') ?? 100;
  const marker = parameters.get('Marker');
  const sorted = all.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const rest = marker === undefined ? sorted : sorted.filter((one) => keyOf(one) > marker);
  const page = rest.slice(0, max);
  const last = page.at(-1);
  const isTruncated = page.length < rest.length;
  return {
    page,
    truncation: {
      IsTruncated: isTruncated,
      ...(isTruncated && last !== undefined && { Marker: keyOf(last) }),
    },
  };
};
