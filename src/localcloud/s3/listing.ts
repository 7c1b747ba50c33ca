import { Refusal } from '../answer.ts';
import { uriEncode } from '../sigv4.ts';
import type { XmlElement } from '../xml.ts';
import type { Bucket } from './buckets.ts';
import { compareUtf8 } from './order.ts';

/** Query parameters of ListObjectsV2 that are understood; anything else is refused by the caller. */
export const listingParameters: ReadonlySet<string> = new Set([
  'list-type',
  'prefix',
  'delimiter',
  'max-keys',
  'continuation-token',
  'start-after',
  'encoding-type',
  'fetch-owner',
]);

/** Those of ListObjects, the first version. */
export const v1Parameters: ReadonlySet<string> = new Set([
  'prefix',
  'delimiter',
  'max-keys',
  'marker',
  'encoding-type',
]);

const invalid = (message: string): Refusal => new Refusal('InvalidArgument', message);

/** The index of the first key after `after`, in O(log n). */
const firstAfter = (keys: readonly string[], after: string): number => {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareUtf8(keys[middle] ?? '', after) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
};

const readToken = (token: string): string => {
  const text = Buffer.from(token, 'base64url').toString('utf8');
  if (!text.startsWith('k:')) throw invalid('The continuation token provided is incorrect');
  return text.slice(2);
};

interface Page {
  readonly contents: readonly XmlElement[];
  readonly prefixes: readonly string[];
  readonly truncated: boolean;
  /** The last key that the page covers, in a group or alone. */
  readonly last: string | undefined;
}

interface Selection {
  readonly prefix: string;
  readonly delimiter: string;
  readonly max: number;
  /** Only keys behind this one. */
  readonly after: string | undefined;
  /** Whether `after` was given by an earlier page, whose last group is then not told again. */
  readonly goesOn: boolean;
  readonly encode: (text: string) => string;
  readonly ownerId: string | undefined;
}

const selectPage = (bucket: Bucket, selection: Selection): Page => {
  const { prefix, delimiter, max, after, goesOn, encode, ownerId } = selection;
  const keys = bucket.objects.keys();
  const contents: XmlElement[] = [];
  const prefixes: string[] = [];
  let index = after === undefined ? 0 : firstAfter(keys, after);
  // The keys that begin with a prefix stand together, the first of them at or after the prefix itself.
  if (prefix !== '' && compareUtf8(keys[index] ?? prefix, prefix) < 0) {
    index = firstAfter(keys, prefix);
    if (keys[index - 1] === prefix) index--;
  }
  let last: string | undefined;
  let truncated = false;
  for (; index < keys.length; index++) {
    const key = keys[index] ?? '';
    if (!key.startsWith(prefix)) break;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const group = cut < 0 ? undefined : key.slice(0, cut + delimiter.length);
    if (group !== undefined && (group === prefixes.at(-1) || (goesOn && after?.startsWith(group)))) {
      last = key;
      continue;
    }
    if (contents.length + prefixes.length >= max) {
      truncated = max > 0;
      break;
    }
    last = key;
    if (group !== undefined) {
      prefixes.push(group);
      continue;
    }
    const info = bucket.objects.get(key);
    if (!info) continue;
    contents.push({
      Key: encode(key),
      LastModified: new Date(info.modifiedMs).toISOString(),
      ETag: `"${info.etag}"`,
      Size: info.bytes,
      ...(ownerId !== undefined && { Owner: { ID: ownerId } }),
      StorageClass: 'STANDARD',
    });
  }
  return { contents, prefixes, truncated, last };
};

/** What both versions of the call have in common. Throws InvalidArgument. */
const readCommon = (query: ReadonlyMap<string, string>) => {
  const encoding = query.get('encoding-type');
  const maxText = query.get('max-keys') ?? '1000';
  if (!/^\d{1,9}$/.test(maxText)) throw invalid('max-keys must be a number from 0');
  if (encoding !== undefined && encoding !== 'url')
    throw invalid('Invalid Encoding Method specified in Request');
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    max: Math.min(1000, Number(maxText)),
    encoding,
    encode:
      encoding === 'url' ? (text: string) => uriEncode(text).replaceAll('%2F', '/') : (text: string) => text,
  };
};

/** One page of ListObjectsV2 as the content of `ListBucketResult`. */
export const listObjects = (
  bucket: Bucket,
  query: ReadonlyMap<string, string>,
  ownerId: string,
): XmlElement => {
  const { prefix, delimiter, max, encoding, encode } = readCommon(query);
  const startAfter = query.get('start-after');
  const token = query.get('continuation-token');
  const { contents, prefixes, truncated, last } = selectPage(bucket, {
    prefix,
    delimiter,
    max,
    after: token === undefined ? startAfter : readToken(token),
    goesOn: token !== undefined,
    encode,
    ownerId: query.get('fetch-owner') === 'true' ? ownerId : undefined,
  });
  return {
    Name: bucket.name,
    Prefix: encode(prefix),
    ...(delimiter !== '' && { Delimiter: encode(delimiter) }),
    ...(startAfter !== undefined && { StartAfter: encode(startAfter) }),
    ...(token !== undefined && { ContinuationToken: token }),
    ...(truncated &&
      last !== undefined && {
        NextContinuationToken: Buffer.from(`k:${last}`, 'utf8').toString('base64url'),
      }),
    KeyCount: contents.length + prefixes.length,
    MaxKeys: max,
    ...(encoding !== undefined && { EncodingType: encoding }),
    IsTruncated: truncated,
    Contents: contents,
    CommonPrefixes: prefixes.map((group) => ({ Prefix: encode(group) })),
  };
};

/** One page of ListObjects, the first version, which goes on by `marker` and names the next one only where keys are grouped. */
export const listObjectsV1 = (
  bucket: Bucket,
  query: ReadonlyMap<string, string>,
  ownerId: string,
): XmlElement => {
  const { prefix, delimiter, max, encoding, encode } = readCommon(query);
  const marker = query.get('marker') ?? '';
  const { contents, prefixes, truncated, last } = selectPage(bucket, {
    prefix,
    delimiter,
    max,
    after: marker === '' ? undefined : marker,
    goesOn: true,
    encode,
    ownerId,
  });
  return {
    Name: bucket.name,
    Prefix: encode(prefix),
    Marker: encode(marker),
    ...(truncated && delimiter !== '' && last !== undefined && { NextMarker: encode(last) }),
    MaxKeys: max,
    ...(delimiter !== '' && { Delimiter: encode(delimiter) }),
    ...(encoding !== undefined && { EncodingType: encoding }),
    IsTruncated: truncated,
    Contents: contents,
    CommonPrefixes: prefixes.map((group) => ({ Prefix: encode(group) })),
  };
};
