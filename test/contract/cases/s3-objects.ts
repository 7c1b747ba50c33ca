import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { expectRefusal, refusal, rewriting } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const md5 = (data: string | Uint8Array, encoding: 'hex' | 'base64'): string =>
  createHash('md5').update(data).digest(encoding);

const put = (stage: Stage, input: PutObjectCommandInput) => stage.s3.send(new PutObjectCommand(input));

const get = async ({ s3 }: Stage, Bucket: string, Key: string): Promise<Buffer> => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
};

/** Checks that `Key` was not stored by whatever was refused before. */
const expectAbsent = (stage: Stage, Bucket: string, Key: string) =>
  expectRefusal(stage.s3.send(new GetObjectCommand({ Bucket, Key })), 'NoSuchKey', 404);

/** Stores, reads and lists every key; each holds its own name. */
const expectKept = async (stage: Stage, keys: readonly string[]): Promise<void> => {
  const Bucket = await stage.bucket();
  for (const Key of keys) await put(stage, { Bucket, Key, Body: Key });
  for (const Key of keys) expect((await get(stage, Bucket, Key)).toString()).toBe(Key);
  const { Contents = [] } = await stage.s3.send(new ListObjectsV2Command({ Bucket }));
  expect(Contents.map(({ Key }) => Key).toSorted()).toEqual([...keys].toSorted());
  for (const Key of keys) await stage.s3.send(new DeleteObjectCommand({ Bucket, Key }));
  const after = await stage.s3.send(new ListObjectsV2Command({ Bucket }));
  expect(after.Contents ?? []).toEqual([]);
};

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 's3', name, run });

export const s3ObjectCases: readonly ContractCase[] = [
  test('an object comes back byte for byte with its length, ETag and date', async (stage) => {
    const Bucket = await stage.bucket();
    const Body = randomBytes(300_000);
    const stored = await put(stage, { Bucket, Key: 'images/x', Body });
    expect(stored.ETag).toBe(`"${md5(Body, 'hex')}"`);
    const got = await stage.s3.send(new GetObjectCommand({ Bucket, Key: 'images/x' }));
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(Body)).toBe(true);
    expect(got).toMatchObject({ ContentLength: Body.length, ETag: stored.ETag });
    expect(Math.abs(Number(got.LastModified) - Date.now())).toBeLessThan(600_000);
  }),

  test('an object keeps its content type and metadata', async (stage) => {
    const Bucket = await stage.bucket();
    const kept = { ContentType: 'image/jpeg', Metadata: { sha256: 'abc', 'two-words': 'a, b; c=d' } };
    await put(stage, { Bucket, Key: 'k', Body: 'x', ...kept });
    expect(await stage.s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }))).toMatchObject({
      ...kept,
      ContentLength: 1,
    });
    expect(await stage.s3.send(new GetObjectCommand({ Bucket, Key: 'k' }))).toMatchObject(kept);
  }),

  test('an empty object is an object', async (stage) => {
    const Bucket = await stage.bucket();
    await put(stage, { Bucket, Key: 'empty', Body: '' });
    expect(await get(stage, Bucket, 'empty')).toHaveLength(0);
    const head = await stage.s3.send(new HeadObjectCommand({ Bucket, Key: 'empty' }));
    expect(head.ContentLength).toBe(0);
  }),

  test('a second put replaces the object and its metadata', async (stage) => {
    const Bucket = await stage.bucket();
    await put(stage, { Bucket, Key: 'k', Body: 'first and longer', Metadata: { old: '1' } });
    await put(stage, { Bucket, Key: 'k', Body: 'second' });
    expect((await get(stage, Bucket, 'k')).toString()).toBe('second');
    expect((await stage.s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }))).Metadata).toEqual({});
  }),

  test('a missing object is NoSuchKey to GetObject and NotFound to HeadObject', async (stage) => {
    const Bucket = await stage.bucket();
    await expectAbsent(stage, Bucket, 'none');
    const head = stage.s3.send(new HeadObjectCommand({ Bucket, Key: 'none' }));
    await expectRefusal(head, 'NotFound', 404);
  }),

  test('a deleted object is gone, and deleting it again is no error', async (stage) => {
    const Bucket = await stage.bucket();
    await put(stage, { Bucket, Key: 'k', Body: 'x' });
    await stage.s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }));
    await expectAbsent(stage, Bucket, 'k');
    await stage.s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }));
  }),

  test('If-None-Match * stores a new object and is refused with 412 on an existing one', async (stage) => {
    const Bucket = await stage.bucket();
    await put(stage, { Bucket, Key: 'k', Body: 'first', IfNoneMatch: '*' });
    await expectRefusal(
      put(stage, { Bucket, Key: 'k', Body: 'second', IfNoneMatch: '*' }),
      'PreconditionFailed',
      412,
    );
    expect((await get(stage, Bucket, 'k')).toString()).toBe('first');
  }),

  test('after a delete If-None-Match * stores again', async (stage) => {
    const Bucket = await stage.bucket();
    await put(stage, { Bucket, Key: 'k', Body: 'first' });
    await stage.s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }));
    await put(stage, { Bucket, Key: 'k', Body: 'second', IfNoneMatch: '*' });
    expect((await get(stage, Bucket, 'k')).toString()).toBe('second');
  }),

  test('of twenty racing conditional puts exactly one wins', async (stage) => {
    const Bucket = await stage.bucket();
    // Tens of kilobytes, so that the bodies are still arriving when the others start.
    const bodyOf = (racer: number) => Buffer.alloc(50_000, racer);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, racer) =>
        put(stage, { Bucket, Key: 'results/x.json', Body: bodyOf(racer), IfNoneMatch: '*' }).then(
          () => ({ racer, status: 200 }),
          (error: { $metadata?: { httpStatusCode?: number } }) => ({
            racer,
            status: error.$metadata?.httpStatusCode,
          }),
        ),
      ),
    );
    const winners = outcomes.filter(({ status }) => status === 200);
    expect(winners).toHaveLength(1);
    // S3 may answer 409 ConditionalRequestConflict to a racer whose rival is still being written.
    for (const { status } of outcomes) expect([200, 412, 409]).toContain(status);
    const stored = await get(stage, Bucket, 'results/x.json');
    expect(stored.equals(bodyOf(winners[0]?.racer ?? -1))).toBe(true);
  }),

  test('a body that does not match its CRC32 is refused and not stored', async (stage) => {
    const Bucket = await stage.bucket();
    const putting = put(stage, { Bucket, Key: 'k', Body: 'x', ChecksumCRC32: 'AAAAAA==' });
    await expectRefusal(putting, 'BadDigest', 400);
    await expectAbsent(stage, Bucket, 'k');
  }),

  test('a body that matches its CRC32 passes', async (stage) => {
    const Bucket = await stage.bucket();
    // Python: base64.b64encode(zlib.crc32(b'hello').to_bytes(4, 'big'))
    await put(stage, { Bucket, Key: 'k', Body: 'hello', ChecksumCRC32: 'NhCmhg==' });
    expect((await get(stage, Bucket, 'k')).toString()).toBe('hello');
  }),

  test('a body that does not match its Content-MD5 is refused and not stored', async (stage) => {
    const Bucket = await stage.bucket();
    const putting = put(stage, { Bucket, Key: 'k', Body: 'x', ContentMD5: md5('other', 'base64') });
    await expectRefusal(putting, 'BadDigest', 400);
    await expectAbsent(stage, Bucket, 'k');
    await put(stage, { Bucket, Key: 'k', Body: 'x', ContentMD5: md5('x', 'base64') });
  }),

  test('a streaming upload (aws-chunked with a trailing checksum) is stored without its framing', async (stage) => {
    const Bucket = await stage.bucket();
    const Body = randomBytes(200_000);
    // S3 wants at least 8,192 bytes in every chunk but the last.
    const pieces = [Body.subarray(0, 8_192), Body.subarray(8_192, 199_999), Body.subarray(199_999)];
    await put(stage, { Bucket, Key: 'k', Body: Readable.from(pieces), ContentLength: Body.length });
    expect((await get(stage, Bucket, 'k')).equals(Body)).toBe(true);
    const head = await stage.s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }));
    expect(head).toMatchObject({ ContentLength: Body.length, ETag: `"${md5(Body, 'hex')}"` });
    expect(head.ContentEncoding ?? '').not.toContain('aws-chunked');
  }),

  test('a streaming upload whose trailing CRC32 is wrong is refused and not stored', async (stage) => {
    const Bucket = await stage.bucket();
    const command = new PutObjectCommand({
      Bucket,
      Key: 'k',
      Body: Readable.from([Buffer.from('hello')]),
      ContentLength: 5,
    });
    // After signing, so that only the checksum is wrong: the signature does not cover an unsigned trailer.
    command.middlewareStack.add(
      rewriting((request) => {
        request.body = Buffer.from('5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n');
      }),
      { step: 'finalizeRequest', priority: 'low' },
    );
    await expectRefusal(stage.s3.send(command), 'BadDigest', 400);
    await expectAbsent(stage, Bucket, 'k');
  }),

  test('keys with spaces, signs and other scripts are kept as they are', async (stage) => {
    await expectKept(stage, [
      'a b.txt',
      'plus+plus',
      'per%cent',
      'per%2Fcent',
      'größe/日本/🐱.jpg',
      'quo"te\'s<&>',
      'hash#and?query=1&x',
      '~tilde!*()@:,;=$[]',
      'back\\slash',
    ]);
  }),

  test('a slash at the end and two in a row belong to the key', async (stage) => {
    await expectKept(stage, ['x//y', 'x/y', 'z/']);
  }),

  test('keys that differ in case or in Unicode form are different keys', async (stage) => {
    await expectKept(stage, ['Key', 'key', 'u\u0308ber', '\u00fcber']);
  }),

  test('a and a/b are both keys', async (stage) => {
    await expectKept(stage, ['a', 'a/b', 'a/b/c']);
  }),

  test('dots in a key are letters, not paths', async (stage) => {
    await expectKept(stage, ['x/../y', 'x/./y', '.hidden', '...', 'x/..y']);
  }),

  test('a key that climbs out of its bucket reaches nothing outside it', async (stage) => {
    const Bucket = await stage.bucket();
    const other = await stage.bucket();
    await put(stage, { Bucket: other, Key: 'secret', Body: 'secret' });
    for (const Key of [`../${other}/secret`, '..', '../../../../etc/passwd']) {
      // S3 itself refuses some of these; what is stored must be found under its own name only.
      const stored = await put(stage, { Bucket, Key, Body: 'climber' }).then(
        () => true,
        () => false,
      );
      if (stored) expect((await get(stage, Bucket, Key)).toString()).toBe('climber');
    }
    expect((await get(stage, other, 'secret')).toString()).toBe('secret');
    await stage.s3
      .send(new DeleteObjectCommand({ Bucket, Key: `../${other}/secret` }))
      .catch(() => undefined);
    expect((await get(stage, other, 'secret')).toString()).toBe('secret');
  }),

  test('a key of 1024 bytes passes and a longer one is refused as KeyTooLongError', async (stage) => {
    const Bucket = await stage.bucket();
    const Key = `${`${'k'.repeat(127)}/`.repeat(7)}${'k'.repeat(128)}`;
    await put(stage, { Bucket, Key, Body: 'x' });
    expect((await get(stage, Bucket, Key)).toString()).toBe('x');
    const { name, status } = await refusal(put(stage, { Bucket, Key: `${Key}k`, Body: 'x' }));
    expect({ name, status }).toEqual({ name: 'KeyTooLongError', status: 400 });
  }),
];
