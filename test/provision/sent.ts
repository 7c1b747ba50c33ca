import { formOf, inputOf, type Sent } from './recorder.ts';

/** Numbers and booleans as text, and text that holds JSON as what it holds: how they are written differs from protocol to protocol. */
export const plain = (value: unknown): unknown => {
  if (typeof value === 'string' && /^\s*[{[]/.test(value)) return plain(JSON.parse(value));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]): [string, unknown] => [key, plain(inner)])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
};

/** `{Key, Value}` pairs, in whatever order they were given, as a record. */
export const pairs = (list: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (list as readonly { readonly Key: string; readonly Value: string }[]).map(({ Key, Value }) => [
      Key,
      Value,
    ]),
  );

/** Parameters of the Query protocol (`A.B.1.C`) as the object they stand for: whole numbers make lists. */
export const nested = (form: ReadonlyMap<string, string>): Readonly<Record<string, unknown>> => {
  const root: Record<string, unknown> = {};
  for (const [name, value] of form) {
    const parts = name.split('.').filter((part) => part !== 'member');
    let place = root;
    for (const part of parts.slice(0, -1)) {
      place[part] ??= {};
      place = place[part] as Record<string, unknown>;
    }
    place[parts.at(-1) ?? ''] = value;
  }
  const listed = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value);
    return entries.length > 0 && entries.every(([key]) => /^\d+$/.test(key))
      ? entries.map(([, inner]) => listed(inner))
      : Object.fromEntries(entries.map(([key, inner]) => [key, listed(inner)]));
  };
  return listed(root) as Record<string, unknown>;
};

/** CloudFormation's lists (`SecurityGroupIds`) by the names that the Query protocol has for them (`SecurityGroupId`). */
export const singular = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(singular);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      Array.isArray(inner) ? key.replace(/s$/, '') : key,
      singular(inner),
    ]),
  );
};

/** The text of an element of an S3 document, every time it occurs. */
export const elements = (xml: string, name: string): readonly string[] =>
  [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) => text);

/** The calls of an operation, by what `keyOf` says they are about. */
export const sentBy = <T>(
  sent: readonly Sent[],
  operation: string,
  read: (call: Sent) => readonly [key: string, value: T],
): ReadonlyMap<string, T> => new Map(sent.filter((call) => call.operation === operation).map(read));

export const byName = (name: string) => (call: Sent) => {
  const input = inputOf(call);
  return [String(input[name]), input] as const;
};

export const byParameter = (name: string) => (call: Sent) => {
  const form = nested(formOf(call));
  return [String(form[name]), form] as const;
};

/** Of a call about a bucket. */
export const byBucket = (call: Sent) => [call.path.split('/')[1] ?? '', call.body] as const;
