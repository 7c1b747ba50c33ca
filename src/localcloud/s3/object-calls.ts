import type { Clock } from '../../clock.ts';
import { type Answer, type Call, headerOf, Refusal } from '../answer.ts';
import { bytesOf, sliced } from '../chunks.ts';
import { xmlDocument } from '../xml.ts';
import { checkBody } from './body.ts';
import type { Bucket } from './buckets.ts';
import { checkWriteConditions, isNotModified, matchesEtag, preconditionFailed } from './conditions.ts';
import type { ObjectInfo } from './objects.ts';
import { readRange } from './range.ts';
import { notImplemented, readStoredHeaders } from './stored-headers.ts';

const empty = (status: number, headers: Answer['headers'] = {}): Answer => ({ status, headers, body: '' });

export interface ObjectCallOptions {
  readonly clock: Clock;
  /** Throws NoSuchBucket. */
  readonly bucketNamed: (name: string) => Bucket;
  /** Whether the caller may list the bucket: to others a missing key is AccessDenied. */
  readonly mayList: (bucket: Bucket) => boolean;
}

/** S3 shows whole seconds in headers; kept so that HEAD, GET and lists agree. */
const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;

const infoHeaders = (info: ObjectInfo, withChecksums: boolean): Record<string, string | number> => {
  const headers: Record<string, string | number> = {};
  for (const name in info.headers)
    if (withChecksums || !name.startsWith('x-amz-checksum-')) headers[name] = info.headers[name] ?? '';
  headers['etag'] = `"${info.etag}"`;
  headers['last-modified'] = new Date(info.modifiedMs).toUTCString();
  headers['accept-ranges'] = 'bytes';
  headers['x-amz-server-side-encryption'] = 'AES256';
  return headers;
};

/** Bucket and key of an `x-amz-copy-source` header: `[/]bucket/key`, percent-encoded. */
const readCopySource = (header: string): { readonly bucket: string; readonly key: string } => {
  if (/[?]versionId=/.test(header)) throw notImplemented('versions');
  let path: string;
  try {
    path = decodeURIComponent(header.replace(/^\//, ''));
  } catch {
    throw new Refusal('InvalidArgument', 'Invalid copy source encoding.');
  }
  const slash = path.indexOf('/');
  if (slash < 1 || slash === path.length - 1)
    throw new Refusal('InvalidArgument', 'Invalid copy source object key');
  return { bucket: path.slice(0, slash), key: path.slice(slash + 1) };
};

/** PutObject, CopyObject, GetObject and HeadObject of one bucket and key. */
export const createObjectCalls = ({ clock, bucketNamed, mayList }: ObjectCallOptions) => {
  const find = (bucket: Bucket, key: string): ObjectInfo => {
    const info = bucket.objects.get(key);
    if (info) return info;
    if (!mayList(bucket)) throw new Refusal('AccessDenied', 'Access Denied', 403);
    throw new Refusal('NoSuchKey', 'The specified key does not exist.', 404);
  };

  const put = (bucket: Bucket, key: string, call: Call): Answer => {
    const headers = readStoredHeaders(call);
    const { body, md5: etag, checksums } = checkBody(call.headers, call.chunks);
    // From here to the end nothing waits: of two simultaneous conditional puts exactly one finds the key free.
    checkWriteConditions(call.headers, bucket.objects.get(key));
    bucket.objects.put(
      {
        key,
        bytes: bytesOf(body),
        etag,
        modifiedMs: wholeSeconds(clock.wallMs()),
        headers: { ...headers, ...checksums },
      },
      body,
    );
    return empty(200, { etag: `"${etag}"`, 'x-amz-server-side-encryption': 'AES256', ...checksums });
  };

  const copy = (bucket: Bucket, key: string, source: string, call: Call): Answer => {
    const own = readStoredHeaders(call);
    const from = readCopySource(source);
    const sourceBucket = bucketNamed(from.bucket);
    const info = find(sourceBucket, from.key);
    const match = headerOf(call.headers, 'x-amz-copy-source-if-match');
    const noneMatch = headerOf(call.headers, 'x-amz-copy-source-if-none-match');
    for (const name of ['x-amz-copy-source-if-modified-since', 'x-amz-copy-source-if-unmodified-since'])
      if (call.headers[name] !== undefined) throw notImplemented(`the header ${name}`);
    if (match !== undefined && !matchesEtag(match, info.etag)) throw preconditionFailed();
    if (noneMatch !== undefined && matchesEtag(noneMatch, info.etag)) throw preconditionFailed();
    const directive = headerOf(call.headers, 'x-amz-metadata-directive') ?? 'COPY';
    if (directive !== 'COPY' && directive !== 'REPLACE')
      throw new Refusal('InvalidArgument', 'Unknown metadata directive.');
    if (directive === 'COPY' && sourceBucket === bucket && from.key === key)
      throw new Refusal(
        'InvalidRequest',
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
      );
    checkWriteConditions(call.headers, bucket.objects.get(key));
    const checksums = Object.entries(info.headers).filter(([name]) => name.startsWith('x-amz-checksum-'));
    const modifiedMs = wholeSeconds(clock.wallMs());
    const headers = directive === 'COPY' ? info.headers : { ...own, ...Object.fromEntries(checksums) };
    const body = sourceBucket.objects.read(from.key) ?? [];
    bucket.objects.put({ key, bytes: info.bytes, etag: info.etag, modifiedMs, headers }, body);
    return {
      status: 200,
      headers: { 'content-type': 'application/xml' },
      body: xmlDocument('CopyObjectResult', {
        ETag: `"${info.etag}"`,
        LastModified: new Date(modifiedMs).toISOString(),
      }),
    };
  };

  const get = (bucket: Bucket, key: string, call: Call): Answer => {
    const info = find(bucket, key);
    for (const header of ['if-modified-since', 'if-unmodified-since', 'if-range'])
      if (call.headers[header] !== undefined) throw notImplemented(`the header ${header} on ${call.method}`);
    if (isNotModified(call.headers, info)) return empty(304, { etag: `"${info.etag}"` });
    const range = readRange(headerOf(call.headers, 'range'), info.bytes);
    // The checksum is of the whole object, and a client would hold it against the part.
    const withChecksums = range === undefined && call.headers['x-amz-checksum-mode'] !== undefined;
    const headers = infoHeaders(info, withChecksums);
    if (range) headers['content-range'] = `bytes ${range.first}-${range.last}/${info.bytes}`;
    const status = range ? 206 : 200;
    const bytes = range ? range.last + 1 - range.first : info.bytes;
    if (call.method === 'HEAD') return { status, headers: { ...headers, 'content-length': bytes }, body: '' };
    const body = bucket.objects.read(key) ?? [];
    return { status, headers, body: range ? sliced(body, range.first, range.last + 1) : body };
  };

  return {
    put: (bucket: Bucket, key: string, call: Call): Answer => {
      const source = headerOf(call.headers, 'x-amz-copy-source');
      return source === undefined ? put(bucket, key, call) : copy(bucket, key, source, call);
    },
    get,
  };
};
