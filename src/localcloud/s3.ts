import type { Clock } from '../clock.ts';
import { type Answer, type Call, headerOf, Refusal, type Service } from './answer.ts';
import { joined } from './chunks.ts';
import { checkBody } from './s3/body.ts';
import type { Bucket, Buckets } from './s3/buckets.ts';
import { readDeletion } from './s3/delete-many.ts';
import { documentKinds } from './s3/documents.ts';
import { listingParameters, listObjects, listObjectsV1, v1Parameters } from './s3/listing.ts';
import { createObjectCalls } from './s3/object-calls.ts';
import { refuseS3 } from './s3/refuse.ts';
import { notImplemented } from './s3/stored-headers.ts';
import { parseQuery } from './sigv4.ts';
import { type XmlElement, xmlDocument } from './xml.ts';

export interface S3Options {
  readonly buckets: Buckets;
  readonly clock: Clock;
  readonly account: string;
  readonly region: string;
  /**
   * Grants ListBucket on no bucket whose name has `input` in it, so that a missing key there is 403, as S3 answers to callers
   * without that right. It is the bucket that the fleet's roles read and may not list; whoever reads the others may.
   */
  readonly strict403?: boolean;
}

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
const maxKeyBytes = 1024;

const empty = (status: number, headers: Answer['headers'] = {}): Answer => ({ status, headers, body: '' });

/** The document that a call brings, checked against its digests. */
const textOf = (call: Call): string => joined(checkBody(call.headers, call.chunks).body).toString('utf8');

const xml = (root: string, content: XmlElement, status = 200): Answer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: xmlDocument(root, content, namespace),
});

/** The protocol front of S3, path style. */
export const createS3 = ({ buckets, clock, account, region, strict403 = false }: S3Options): Service => {
  const objectCalls = createObjectCalls({
    clock,
    bucketNamed: buckets.get,
    mayList: ({ name }) => !strict403 || !name.includes('input'),
  });

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
    const text = textOf(call);
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
        const text = textOf(call);
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
    if (call.method === 'GET' && !query.has('list-type') && names.every((each) => v1Parameters.has(each)))
      return xml('ListBucketResult', listObjectsV1(buckets.get(name), query, account));
    if (call.method === 'POST' && names.length === 1 && kind === 'delete')
      return deleteObjects(buckets.get(name), call);
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
        throw notImplemented(`${call.method} of a bucket`);
    }
  };

  const deleteObjects = (bucket: Bucket, call: Call): Answer => {
    const { keys, quiet } = readDeletion(textOf(call));
    for (const key of keys) bucket.objects.remove(key);
    return xml('DeleteResult', { Deleted: quiet ? [] : keys.map((Key) => ({ Key })) });
  };

  const objectCall = (name: string, key: string, query: ReadonlyMap<string, string>, call: Call): Answer => {
    if (query.size > 0)
      throw notImplemented(`${call.method} of an object with ?${[...query.keys()].join('&')}`);
    if (Buffer.byteLength(key) > maxKeyBytes) throw new Refusal('KeyTooLongError', 'Your key is too long');
    const bucket = buckets.get(name);
    switch (call.method) {
      case 'PUT':
        return objectCalls.put(bucket, key, call);
      case 'GET':
      case 'HEAD':
        return objectCalls.get(bucket, key, call);
      case 'DELETE':
        if (call.headers['if-match'] !== undefined) throw notImplemented('the header if-match on DELETE');
        bucket.objects.remove(key);
        return empty(204);
      default:
        throw notImplemented(`${call.method} of an object`);
    }
  };

  return {
    maxBodyBytes: 256 * 1024 * 1024,
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
    refuse: refuseS3,
  };
};
