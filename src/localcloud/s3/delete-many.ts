import { Refusal } from '../answer.ts';

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
const maxKeys = 1_000;

const malformed = (): Refusal =>
  new Refusal(
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  );

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const unescapeXml = (text: string): string =>
  text.replace(/&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|([a-z]{2,4}));/g, (whole, hex, decimal, name) => {
    if (name !== undefined) return entities[name] ?? whole;
    const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    if (point > 0x10ffff) throw malformed();
    return String.fromCodePoint(point);
  });

/** What a DeleteObjects request asks for. */
export interface Deletion {
  readonly keys: readonly string[];
  /** Only failures are to be told. */
  readonly quiet: boolean;
}

/** Reads the `Delete` document. Throws MalformedXML, or NotImplemented for versions and conditions. */
export const readDeletion = (document: string): Deletion => {
  const content = /<Delete(?:\s[^>]*)?>([\s\S]*)<\/Delete>\s*$/.exec(document)?.[1];
  if (content === undefined) throw malformed();
  const objects = [...content.matchAll(/<Object>([\s\S]*?)<\/Object>/g)].map(([, object = '']) => object);
  if (objects.length === 0 || objects.length > maxKeys) throw malformed();
  const keys = objects.map((object) => {
    const other = /<(VersionId|ETag|LastModifiedTime|Size)>/.exec(object)?.[1];
    if (other !== undefined)
      throw new Refusal('NotImplemented', `The local cloud does not have ${other} in DeleteObjects.`, 501);
    const key = /<Key>([\s\S]*?)<\/Key>/.exec(object)?.[1];
    if (key === undefined || key === '') throw malformed();
    return unescapeXml(key);
  });
  return { keys, quiet: /<Quiet>\s*true\s*<\/Quiet>/.test(content) };
};
