import { type Answer, Refusal } from './answer.ts';
import { parseQuery } from './sigv4.ts';
import { type XmlElement, xmlDocument } from './xml.ts';

/** The parameters of a Query-protocol request (`Action=…&Filter.1.Name=…`), names as sent. */
export type Parameters = ReadonlyMap<string, string>;

export const readParameters = (body: Buffer): Parameters => new Map(parseQuery(body.toString('utf8')));

/** The members of a list parameter: values of `prefix.1`, `prefix.2`, … in order. */
export const listOf = (parameters: Parameters, prefix: string): readonly string[] =>
  indexesOf(parameters, prefix)
    .map((index) => parameters.get(`${prefix}.${index}`))
    .filter((value) => value !== undefined);

/** The numbers in use under `prefix.N` or `prefix.N.…`, ascending. */
export const indexesOf = (parameters: Parameters, prefix: string): readonly number[] => {
  const found = new Set<number>();
  for (const name of parameters.keys()) {
    if (!name.startsWith(`${prefix}.`)) continue;
    const index = Number(name.slice(prefix.length + 1).split('.', 1)[0]);
    if (Number.isInteger(index) && index > 0) found.add(index);
  }
  return [...found].sort((a, b) => a - b);
};

export const integerOf = (parameters: Parameters, name: string): number | undefined => {
  const text = parameters.get(name);
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text))
    throw new Refusal('InvalidParameterValue', `Invalid value '${text}' for ${name}.`);
  return Number(text);
};

export const xmlAnswer = (status: number, root: string, content: XmlElement, namespace?: string): Answer => ({
  status,
  headers: { 'content-type': 'text/xml;charset=UTF-8' },
  body: xmlDocument(root, content, namespace),
});

export const unknownAction = (action: string | undefined): Refusal =>
  new Refusal('InvalidAction', `The action ${action ?? '(none)'} is not valid for this local cloud.`);
