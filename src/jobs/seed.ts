import path from 'node:path';
import { type FailureReason, failureReasons } from './contract.ts';
import { type Literal, readLiteral } from './literal.ts';

/**
 * The course project's messages: file name and base64 image in one request, `(name, label)` in one reply. Its teams wrote them
 * in many forms, so all that can be understood is read; what is written is exactly one of three forms.
 */
export const seedForms = ['plain', 'tuple', 'json'] as const;
/** `plain`: `name,base64` and `(name, label)`; `tuple`: Python's `('name', '...')`; `json`: `{"name": ..., "image" or "label": ...}`. */
export type SeedForm = (typeof seedForms)[number];

/** The message attribute that tells replies apart, where the other side gives it back. */
export const seedIdAttribute = 'imgrec-id';

export type Attributes = Readonly<Record<string, string>>;

export interface SeedRequest {
  readonly name: string;
  readonly image: Buffer;
}

export interface SeedReply {
  readonly name: string;
  readonly label: string;
}

export type SeedDecoded =
  | { readonly kind: 'ok'; readonly value: SeedRequest }
  | { readonly kind: 'malformed'; readonly reason: string };

const wordsOf = (text: string): readonly string[] => text.split(' ');

/**
 * Names of fields, of letters only: `image_name`, `imageName` and `ImageName` are one. The first that a message has is taken, and
 * `file` comes last: beside an image it is a name, beside a name an image.
 */
const nameFields = wordsOf('name filename imagename imgname key imagekey file');
const imageFields = wordsOf(
  'image imagedata imagebase imagestring imageb imagebytes img imgdata ' +
    'encodedimage encodedimg encodedstring encoded base data content body file',
);
const labelFields = wordsOf(
  'label result prediction predictedlabel predictedresult class classname ' +
    'classification classificationresult classificationresults output value',
);

const lettersOf = (field: string): string => field.toLowerCase().replace(/[^a-z]/g, '');

const isRecord = (value: Literal | undefined): value is { readonly [key: string]: Literal } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const fieldOf = (record: Readonly<Record<string, Literal>>, names: readonly string[]): string | undefined => {
  const texts = Object.entries(record).flatMap(([field, value]) =>
    typeof value === 'string' ? [{ field: lettersOf(field), value }] : [],
  );
  return names.flatMap((name) => texts.find(({ field }) => field === name) ?? [])[0]?.value;
};

const firstTwo = (value: Literal | undefined): readonly [string, string] | undefined => {
  if (!Array.isArray(value)) return undefined;
  const [first, second] = value as readonly Literal[];
  return typeof first === 'string' && typeof second === 'string' ? [first, second] : undefined;
};

/** Text in quotes without them; other text as it is. */
const unquoted = (text: string): string => {
  const trimmed = text.trim();
  if (!/^b?['"]/.test(trimmed)) return trimmed;
  const literal = readLiteral(trimmed);
  return typeof literal === 'string' ? literal : trimmed;
};

const withoutBrackets = (text: string): string => {
  const trimmed = text.trim();
  return /^\(.*\)$/s.test(trimmed) || /^\[.*\]$/s.test(trimmed) ? trimmed.slice(1, -1) : trimmed;
};

/** Every way to cut unquoted text in two at a comma, or at a colon where there is none, the first one first. */
const cuts = (text: string): readonly (readonly [string, string])[] => {
  const bare = withoutBrackets(text);
  const separator = bare.includes(',') ? ',' : ':';
  const pairs: (readonly [string, string])[] = [];
  for (let at = bare.indexOf(separator); at !== -1; at = bare.indexOf(separator, at + 1))
    pairs.push([unquoted(bare.slice(0, at)), unquoted(bare.slice(at + 1))]);
  return pairs.filter(([left, right]) => left !== '' && right !== '');
};

const base64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

const decodeImage = (text: string): Buffer | undefined => {
  const bare = text.replace(/^data:[^,]{0,100},/, '').replace(/\s+/g, '');
  return base64.test(bare) ? Buffer.from(bare, 'base64') : undefined;
};

const longestName = 1_024;

/** Reads a request in any form: JSON, Python's literals, `name,base64`, or base64 alone with the name as an attribute. */
export const decodeSeedRequest = (body: string, attributes: Attributes = {}): SeedDecoded => {
  const literal = readLiteral(body);
  const record = isRecord(literal) ? literal : undefined;
  // Base64 has no comma, a name may.
  const pair = record ? undefined : (firstTwo(literal) ?? cuts(body).at(-1));
  const name = (record ? fieldOf(record, nameFields) : pair?.[0]) ?? fieldOf(attributes, nameFields);
  const text = record ? fieldOf(record, imageFields) : (pair?.[1] ?? body);
  if (name === undefined || name === '' || name.length > longestName)
    return { kind: 'malformed', reason: 'there is no file name' };
  const image = text === undefined ? undefined : decodeImage(text);
  return image === undefined || image.length === 0
    ? { kind: 'malformed', reason: 'there is no image in base64' }
    : { kind: 'ok', value: { name, image } };
};

/** Reads a reply in any form: what it may say, likeliest first. A label may have commas and so may a name: who waits decides. */
export const readSeedReply = (body: string): readonly SeedReply[] => {
  const literal = readLiteral(body);
  if (isRecord(literal)) {
    const name = fieldOf(literal, nameFields);
    const label = fieldOf(literal, labelFields);
    if (name !== undefined && label !== undefined) return [{ name, label }];
    return Object.entries(literal).flatMap(([key, value]) =>
      typeof value === 'string' ? [{ name: key, label: value }] : [],
    );
  }
  const pair = firstTwo(literal);
  return (pair ? [pair] : cuts(body)).map(([name, label]) => ({ name, label }));
};

const pythonString = (text: string): string =>
  `'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`;

const encodePair = (form: SeedForm, name: string, field: 'image' | 'label', value: string): string => {
  if (form === 'json') return JSON.stringify({ name, [field]: value });
  if (form === 'tuple') return `(${pythonString(name)}, ${pythonString(value)})`;
  return field === 'image' ? `${name},${value}` : `(${name}, ${value})`;
};

export const encodeSeedRequest = (form: SeedForm, { name, image }: SeedRequest): string =>
  encodePair(form, name, 'image', image.toString('base64'));

export const encodeSeedReply = (form: SeedForm, { name, label }: SeedReply): string =>
  encodePair(form, name, 'label', label);

const longestWireName = 200;

/** A file name that every form and every reader takes, and that may be an object's key: no path, quotes, separators or controls. */
export const wireName = (name: string): string =>
  (name.split(/[/\\]/).at(-1) ?? '').replace(/[\p{C}"'`,;:]/gu, '_').slice(-longestWireName);

/** `test_0` of `test_0.JPEG`: the key of its label in the output bucket. */
export const stemOf = (name: string): string => path.parse(name).name;

const failurePrefix = 'error: ';

/** The wire has no failures, so one is a label that says so. */
export const failureLabel = (reason: string): string => failurePrefix + reason;

/** The reason in a label that a failure was written as; undefined of any other label. */
export const failureOf = (label: string): FailureReason | 'not-classified' | undefined => {
  if (!label.startsWith(failurePrefix)) return undefined;
  const reason = label.slice(failurePrefix.length);
  return failureReasons.find((known) => known === reason) ?? 'not-classified';
};
