import { type Input, optionalInteger, optionalText } from '../input.ts';
import { invalidParameter, missingParameter } from './errors.ts';

/** An integer that may be absent. Throws InvalidParameterValue outside of `min` to `max`. */
export const ranged = (input: Input, name: string, min: number, max: number): number | undefined => {
  const value = optionalInteger(input, name);
  if (value !== undefined && (value < min || value > max))
    throw invalidParameter(
      `Value ${value} for parameter ${name} is invalid. Reason: Must be between ${min} and ${max}, if provided.`,
    );
  return value;
};

/** Throws MissingParameter when it is absent or empty. */
export const needed = (input: Input, name: string): string => {
  const value = optionalText(input, name);
  if (value === undefined || value === '') throw missingParameter(name);
  return value;
};

/** One page of names in order, and the token of the next one; without `MaxResults` there is no next one. */
export const pageOf = (input: Input, names: readonly string[]) => {
  const max = ranged(input, 'MaxResults', 1, 1000);
  const after = Buffer.from(optionalText(input, 'NextToken') ?? '', 'base64').toString('utf8');
  const left = names.filter((name) => name > after);
  const page = left.slice(0, max ?? 1000);
  const last = page.at(-1);
  const more = max !== undefined && page.length < left.length && last !== undefined;
  return { page, ...(more && { NextToken: Buffer.from(last, 'utf8').toString('base64') }) };
};
