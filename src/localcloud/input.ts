import { Refusal } from './answer.ts';

/** A parsed JSON object whose members are not yet known to have the right types. */
export type Input = Readonly<Record<string, unknown>>;

const serialization = (message: string): Refusal => new Refusal('SerializationException', message);

const isObject = (value: unknown): value is Input =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The request body as an object; anything else is a SerializationException. */
export const parseInput = (body: Buffer): Input => {
  if (body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw serialization('The request body is not valid JSON.');
  }
  if (!isObject(value)) throw serialization('The request body is not a JSON object.');
  return value;
};

const member = (input: Input, name: string): unknown =>
  Object.hasOwn(input, name) ? (input[name] ?? undefined) : undefined;

export const optionalText = (input: Input, name: string): string | undefined => {
  const value = member(input, name);
  if (value === undefined || typeof value === 'string') return value;
  throw serialization(`${name} must be a string.`);
};

export const optionalInteger = (input: Input, name: string): number | undefined => {
  const value = member(input, name);
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  throw serialization(`${name} must be an integer.`);
};

export const optionalFlag = (input: Input, name: string): boolean => {
  const value = member(input, name);
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw serialization(`${name} must be a boolean.`);
};

export const optionalList = (input: Input, name: string): readonly unknown[] | undefined => {
  const value = member(input, name);
  if (value === undefined || Array.isArray(value)) return value as readonly unknown[] | undefined;
  throw serialization(`${name} must be a list.`);
};

export const texts = (input: Input, name: string): readonly string[] =>
  (optionalList(input, name) ?? []).map((value) => {
    if (typeof value === 'string') return value;
    throw serialization(`${name} must hold strings.`);
  });

export const objects = (input: Input, name: string): readonly Input[] =>
  (optionalList(input, name) ?? []).map((value) => {
    if (isObject(value)) return value;
    throw serialization(`${name} must hold objects.`);
  });

export const optionalObject = (input: Input, name: string): Input | undefined => {
  const value = member(input, name);
  if (value === undefined || isObject(value)) return value;
  throw serialization(`${name} must be an object.`);
};

/** A map of strings, without a prototype, so that no name in it can be mistaken for a method. */
export const textMap = (input: Input, name: string): Readonly<Record<string, string>> => {
  const map: Record<string, string> = Object.create(null);
  for (const [key, value] of Object.entries(optionalObject(input, name) ?? {})) {
    if (typeof value !== 'string') throw serialization(`${name}.${key} must be a string.`);
    map[key] = value;
  }
  return map;
};
