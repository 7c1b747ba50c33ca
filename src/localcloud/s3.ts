import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type Answer, type Call, headerOf, Refusal, type Service } from './answer.ts';
import { checkBody } from './s3/body.ts';
import type { Bucket, Buckets } from './s3/buckets.ts';
import { checkWriteConditions, isNotModified } from './s3/conditions.ts';
import { documentKinds } from './s3/documents.ts';
import { listingParameters, listObjects } from './s3/listing.ts';
import type { ObjectInfo } from './s3/objects.ts';
import { parseQuery } from './sigv4.ts';
import { type XmlElement, xmlDocument } from './xml.ts';

export interface S3Options {
  readonly buckets: Buckets;
  readonly clock: Clock;
  readonly account: string;
  readonly region: string;
}

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
const maxKeyBytes = 1024;

const notImplemented = (what: string): Refusal =>
  new Refusal('NotImplemented', `The local cloud does not have ${what}.`, 501);

const empty = (status: number, headers: Answer['headers'] = {}): Answer => ({ status, headers, body: '' });

const xml = (root: string, content: XmlElement, status = 200): Answer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: xmlDocument(root, content, namespace),
});

/** Headers of an object that come back as they were sent. */
const keptHeaders = new Set([
  'content-type',
  'content-disposition',
  'content-language',
  'cache-control',
  'expires',
]);

/** Headers that would change what a PutObject means; ignoring one would be a silent success. */
const refusedHeaders =
  /^x-amz-(copy-source|server-side-encryption-customer|object-lock|website-redirect|tagging|grant-|write-offset)/;

/** Values that say what happens anyway. */
const acceptedValues: Readonly<Record<string, ReadonlySet<string>>> = {
  'x-amz-acl': new Set(['private', 'bucket-owner-full-control']),
  'x-amz-server-side-encryption': new Set(['AES256']),
  'x-amz-storage-class': new Set(['STANDARD']),
};

const readHeaders = (call: Call): Record<string, string> => {
  const kept: Record<string, string> = {};
  for (const name in call.headers) {
    if (refusedHeaders.test(name)) throw notImplemented(`the header ${name}`);
    const accepted = Object.hasOwn(acceptedValues, name) ? acceptedValues[name] : undefined;
    if (accepted && !accepted.has(headerOf(call.headers, name) ?? ''))
      throw notImplemented(`${name}: ${headerOf(call.headers, name)}`);
    if (!keptHeaders.has(name) && !name.startsWith('x-amz-meta-')) continue;
    const value = headerOf(call.headers, name);
    if (value !== undefined) kept[name] = value;
  }
  const encodings = (headerOf(call.headers, 'content-encoding') ?? '')
    .split(',')
    .map((encoding) => encoding.trim())
    .filter((encoding) => encoding !== '' && encoding !== 'aws-chunked');
  if (encodings.length > 0) kept['content-encoding'] = encodings.join(',');
  kept['content-type'] ??= 'binary/octet-stream';
  return kept;
};

const infoHeaders = (info: ObjectInfo): Record<string, string | number> => ({
  ...info.headers,
  etag: `"${info.etag}"`,
  'last-modified': new Date(info.modifiedMs).toUTCString(),
  'accept-ranges': 'bytes',
});

/** The protocol front of S3, path style. */
export const createS3 = ({ buckets, clock, account, region }: S3Options): Service => {
  const listBuckets = (): Answer =>
    xml('ListAllMyBucketsResult', {
      Owner: { ID: account, DisplayName: 'local' },
      Buckets: {
        Bucket: buckets.list().map((bucket) => ({
          Name: bucket.name,
          CreationDate: new Date(bucket.createdMs).toISOString(),
        })),
      },
    });

  const createBucket = (name: string, call: Call): Answer => {
    const { body } = checkBody(call.headers, call.body);
    const text = body.toString('utf8');
    const wanted = /<LocationConstraint>([^<]*)<\/LocationConstraint>/.exec(text)?.[1];
    if (wanted !== undefined && wanted !== region)
      throw new Refusal(
        'IllegalLocationConstraintException',
        `This local cloud is in ${region}, not in ${wanted}.`,
      );
    if (/<(Tags|Bucket|Location)>/.test(text))
      throw notImplemented('tags or directory buckets in CreateBucket');
    for (const header in call.headers)
      if (/^x-amz-(bucket-object-lock|grant-|acl$|object-ownership)/.test(header))
        throw notImplemented(`the header ${header}`);
    buckets.create(name);
    return empty(200, { location: `/${name}` });
  };

  const documentCall = (bucket: Bucket, kind: string, call: Call): Answer => {
    const { absentCode, putStatus, mediaType, check } = documentKinds[kind] ?? {};
    if (absentCode === undefined) throw notImplemented(`${call.method} ?${kind}`);
    switch (call.method) {
      case 'GET': {
        const document = bucket.documents.get(kind);
        if (document === undefined) throw new Refusal(absentCode, `The bucket has no ${kind}.`, 404);
        return { status: 200, headers: { 'content-type': mediaType ?? 'application/xml' }, body: document };
      }
      case 'PUT': {
        const text = checkBody(call.headers, call.body).body.toString('utf8');
        check?.(text);
        buckets.setDocument(bucket, kind, text);
        return empty(putStatus ?? 200);
      }
      case 'DELETE':
        if (bucket.documents.has(kind)) buckets.setDocument(bucket, kind, undefined);
        return empty(204);
      default:
        throw notImplemented(`${call.method} ?${kind}`);
    }
  };

  const bucketCall = (name: string, query: ReadonlyMap<string, string>, call: Call): Answer => {
    const names = [...query.keys()];
    const kind = names[0];
    if (names.length === 1 && kind !== undefined && Object.hasOwn(documentKinds, kind))
      return documentCall(buckets.get(name), kind, call);
    if (
      call.method === 'GET' &&
      query.get('list-type') === '2' &&
      names.every((each) => listingParameters.has(each))
    )
      return xml('ListBucketResult', listObjects(buckets.get(name), query, account));
    if (names.length > 0) throw notImplemented(`${call.method} of a bucket with ?${names.join('&')}`);
    switch (call.method) {
      case 'PUT':
        return createBucket(name, call);
      case 'HEAD':
        buckets.get(name);
        return empty(200, { 'x-amz-bucket-region': region });
      case 'DELETE':
        buckets.remove(name);
        return empty(204);
      default:
        throw notImplemented(`${call.method} of a bucket (ListObjects version 1?)`);
    }
  };

  const putObject = (bucket: Bucket, key: string, call: Call): Answer => {
    const headers = readHeaders(call);
    const { body, checksums } = checkBody(call.headers, call.body);
    // From here to the end nothing waits: of two simultaneous conditional puts exactly one finds the key free.
    checkWriteConditions(call.headers, bucket.objects.get(key));
    const etag = createHash('md5').update(body).digest('hex');
    bucket.objects.put(
      {
        key,
        bytes: body.length,
        etag,
        // S3 shows whole seconds in headers; kept so that HEAD, GET and lists agree.
        modifiedMs: Math.floor(clock.wallMs() / 1000) * 1000,
        headers: { ...headers, ...checksums },
      },
      body,
    );
    return empty(200, { etag: `"${etag}"`, 'x-amz-server-side-encryption': 'AES256', ...checksums });
  };

  const getObject = (bucket: Bucket, key: string, call: Call): Answer => {
    const info = bucket.objects.get(key);
    if (!info) throw new Refusal('NoSuchKey', 'The specified key does not exist.', 404);
    for (const header of ['range', 'if-modified-since', 'if-unmodified-since'])
      if (call.headers[header] !== undefined) throw notImplemented(`the header ${header} on ${call.method}`);
    if (isNotModified(call.headers, info)) return empty(304, { etag: `"${info.etag}"` });
    const headers = infoHeaders(info);
    headers['x-amz-server-side-encryption'] = 'AES256';
    if (call.headers['x-amz-checksum-mode'] === undefined) {
      for (const name in headers) if (name.startsWith('x-amz-checksum-')) delete headers[name];
    }
    if (call.method === 'HEAD')
      return { status: 200, headers: { ...headers, 'content-length': info.bytes }, body: '' };
    return { status: 200, headers, body: bucket.objects.read(key) ?? '' };
  };

  const objectCall = (name: string, key: string, query: ReadonlyMap<string, string>, call: Call): Answer => {
    if (query.size > 0)
      throw notImplemented(`${call.method} of an object with ?${[...query.keys()].join('&')}`);
    if (Buffer.byteLength(key) > maxKeyBytes) throw new Refusal('KeyTooLongError', 'Your key is too long');
    const bucket = buckets.get(name);
    switch (call.method) {
      case 'PUT':
        return putObject(bucket, key, call);
      case 'GET':
      case 'HEAD':
        return getObject(bucket, key, call);
      case 'DELETE':
        if (call.headers['if-match'] !== undefined) throw notImplemented('the header if-match on DELETE');
        bucket.objects.remove(key);
        return empty(204);
      default:
        throw notImplemented(`${call.method} of an object`);
    }
  };

  return {
    maxBodyBytes: 64 * 1024 * 1024,
    handle: (call) => {
      // Never through URL(): it would resolve `/../` and merge what are different keys.
      const slash = call.path.indexOf('/', 1);
      const bucketPart = slash < 0 ? call.path.slice(1) : call.path.slice(1, slash);
      const keyPart = slash < 0 ? '' : call.path.slice(slash + 1);
      const query = new Map(parseQuery(call.query));
      query.delete('x-id');
      const owner = headerOf(call.headers, 'x-amz-expected-bucket-owner');
      if (owner !== undefined && owner !== account) throw new Refusal('AccessDenied', 'Access Denied', 403);
      let name: string;
      let key: string;
      try {
        name = decodeURIComponent(bucketPart);
        key = decodeURIComponent(keyPart);
      } catch {
        throw new Refusal('InvalidURI', "Couldn't parse the specified URI.");
      }
      if (name === '') {
        if (call.method !== 'GET' || query.size > 0)
          throw notImplemented(`${call.method} / with these parameters`);
        return listBuckets();
      }
      return key === '' ? bucketCall(name, query, call) : objectCall(name, key, query, call);
    },
    refuse: (refusal, call, requestId) => ({
      status: refusal.status,
      headers: { 'content-type': 'application/xml' },
      body:
        call.method === 'HEAD'
          ? ''
          : xmlDocument('Error', {
              Code: refusal.code,
              Message: refusal.message,
              Resource: call.path,
              RequestId: requestId,
            }),
    }),
  };
};
