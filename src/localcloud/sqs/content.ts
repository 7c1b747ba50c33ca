import { Refusal } from '../answer.ts';
import { digestOf } from '../digest.ts';
import { type Input, optionalObject, optionalText } from '../input.ts';
import { invalidParameter, missingParameter } from './errors.ts';
import type { MessageAttribute, MessageAttributes } from './message.ts';

export const md5Hex = (data: string | Buffer): string => digestOf('md5', data, 'hex');

/** Biome and TypeScript know no \p class for it: https://www.w3.org/TR/REC-xml/#charsets, as SendMessage documents. */
const forbidden = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

const lengthPrefixed = (text: string | Buffer): Buffer[] => {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
};

/**
 * The MD5 of message attributes; undefined when there are none.
 * Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
 */
export const attributesMd5 = (attributes: MessageAttributes | undefined): string | undefined => {
  const names = Object.keys(attributes ?? {}).sort();
  if (!attributes || names.length === 0) return undefined;
  const parts: Buffer[] = [];
  for (const name of names) {
    const attribute = attributes[name];
    if (!attribute) continue;
    const binary = attribute.BinaryValue !== undefined;
    parts.push(...lengthPrefixed(name), ...lengthPrefixed(attribute.DataType), Buffer.of(binary ? 2 : 1));
    parts.push(
      ...lengthPrefixed(
        binary ? Buffer.from(attribute.BinaryValue ?? '', 'base64') : (attribute.StringValue ?? ''),
      ),
    );
  }
  return md5Hex(Buffer.concat(parts));
};

const attributeName = /^(?!(?:aws|amazon)\.)(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)$/i;

const readAttribute = (name: string, input: Input): MessageAttribute => {
  if (!attributeName.test(name)) throw invalidParameter(`Message attribute name '${name}' is invalid.`);
  const dataType = optionalText(input, 'DataType');
  if (!dataType)
    throw invalidParameter(
      `The message attribute '${name}' must contain a non-empty message attribute type.`,
    );
  const kind = dataType.split('.', 1)[0];
  if (kind === 'Binary') {
    const value = optionalText(input, 'BinaryValue');
    if (!value)
      throw invalidParameter(`The message attribute '${name}' must contain a non-empty binary value.`);
    return { DataType: dataType, BinaryValue: value };
  }
  if (kind !== 'String' && kind !== 'Number')
    throw invalidParameter(
      `The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`,
    );
  const value = optionalText(input, 'StringValue');
  if (!value)
    throw invalidParameter(`The message attribute '${name}' must contain a non-empty string value.`);
  if (forbidden.test(value))
    throw new Refusal(
      'InvalidMessageContents',
      `Message attribute '${name}' has characters that are not allowed.`,
    );
  if (kind === 'Number' && !Number.isFinite(Number(value)))
    throw invalidParameter(`Can't cast the value of message attribute '${name}' to a number.`);
  return { DataType: dataType, StringValue: value };
};

export interface OutgoingMessage {
  readonly body: string;
  readonly attributes?: MessageAttributes;
  /** Body and attributes (name, type, value), as AWS counts them. */
  readonly bytes: number;
}

/** Body and attributes of one SendMessage (or batch entry), checked. */
export const readOutgoing = (input: Input): OutgoingMessage => {
  const body = optionalText(input, 'MessageBody');
  if (body === undefined || body === '') throw missingParameter('MessageBody');
  if (forbidden.test(body))
    throw new Refusal(
      'InvalidMessageContents',
      'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.',
    );
  if (Object.keys(optionalObject(input, 'MessageSystemAttributes') ?? {}).length > 0)
    throw new Refusal('UnsupportedOperation', 'This local cloud knows no message system attributes to send.');
  let bytes = Buffer.byteLength(body);
  const given = optionalObject(input, 'MessageAttributes') ?? {};
  const names = Object.keys(given);
  if (names.length === 0) return { body, bytes };
  if (names.length > 10)
    throw invalidParameter('Number of message attributes [11+] exceeds the allowed maximum [10].');
  const attributes: Record<string, MessageAttribute> = Object.create(null);
  for (const name of names) {
    const attribute = readAttribute(name, optionalObject(given, name) ?? {});
    attributes[name] = attribute;
    bytes += Buffer.byteLength(name) + Buffer.byteLength(attribute.DataType);
    bytes +=
      attribute.BinaryValue === undefined
        ? Buffer.byteLength(attribute.StringValue ?? '')
        : Buffer.from(attribute.BinaryValue, 'base64').length;
  }
  return { body, attributes, bytes };
};

/** The attributes a receiver asked for: names, `All`, `.*` and `prefix.*`. */
export const selectAttributes = (
  attributes: MessageAttributes | undefined,
  wanted: readonly string[],
): MessageAttributes | undefined => {
  if (!attributes || wanted.length === 0) return undefined;
  if (wanted.includes('All') || wanted.includes('.*')) return attributes;
  const chosen = Object.entries(attributes).filter(([name]) =>
    wanted.some((want) => (want.endsWith('.*') ? name.startsWith(want.slice(0, -1)) : want === name)),
  );
  return chosen.length === 0 ? undefined : Object.fromEntries(chosen);
};
