import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { expectRefusal, refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const fill = async ({ s3, bucket }: Stage, keys: readonly string[]): Promise<string> => {
  const Bucket = await bucket();
  for (const Key of keys)
    await s3.send(
      new PutObjectCommand({
        Bucket,
        Key,
        Body: Key,
        ContentType: 'text/x-name',
        Metadata: { name: 'source' },
      }),
    );
  return Bucket;
};

const textOf = async ({ s3 }: Stage, Bucket: string, Key: string): Promise<string | undefined> =>
  (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString();

const keysOf = async ({ s3 }: Stage, Bucket: string) =>
  ((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key);

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 's3', name, run });

export const s3CopyingCases: readonly ContractCase[] = [
  test('a copy has the content, type, metadata and ETag of its source', async (stage) => {
    const Bucket = await fill(stage, ['a b+c']);
    const other = await stage.bucket();
    const { CopyObjectResult } = await stage.s3.send(
      new CopyObjectCommand({
        Bucket: other,
        Key: 'copy',
        CopySource: `${Bucket}/${encodeURIComponent('a b+c')}`,
      }),
    );
    expect(await textOf(stage, other, 'copy')).toBe('a b+c');
    const source = await stage.s3.send(new HeadObjectCommand({ Bucket, Key: 'a b+c' }));
    expect(CopyObjectResult?.ETag).toBe(source.ETag);
    expect(await stage.s3.send(new HeadObjectCommand({ Bucket: other, Key: 'copy' }))).toMatchObject({
      ContentType: 'text/x-name',
      Metadata: { name: 'source' },
      ETag: source.ETag,
    });
  }),

  test('a copy with MetadataDirective REPLACE has its own type and metadata', async (stage) => {
    const Bucket = await fill(stage, ['k']);
    await stage.s3.send(
      new CopyObjectCommand({
        Bucket,
        Key: 'copy',
        CopySource: `${Bucket}/k`,
        MetadataDirective: 'REPLACE',
        ContentType: 'text/x-copy',
        Metadata: { own: '1' },
      }),
    );
    expect(await stage.s3.send(new HeadObjectCommand({ Bucket, Key: 'copy' }))).toMatchObject({
      ContentType: 'text/x-copy',
      Metadata: { own: '1' },
    });
  }),

  test('a copy of a missing object is refused as NoSuchKey', async (stage) => {
    const Bucket = await stage.bucket();
    const copy = new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/none` });
    await expectRefusal(stage.s3.send(copy), 'NoSuchKey', 404);
  }),

  test('a copy whose source has another ETag than CopySourceIfMatch is refused with 412', async (stage) => {
    const Bucket = await fill(stage, ['k']);
    const copy = new CopyObjectCommand({
      Bucket,
      Key: 'copy',
      CopySource: `${Bucket}/k`,
      CopySourceIfMatch: '"0123456789abcdef0123456789abcdef"',
    });
    expect((await refusal(stage.s3.send(copy))).status).toBe(412);
    expect(await keysOf(stage, Bucket)).toEqual(['k']);
  }),

  test('a copy of an object onto itself that changes nothing is refused', async (stage) => {
    const Bucket = await fill(stage, ['k']);
    const copy = new CopyObjectCommand({ Bucket, Key: 'k', CopySource: `${Bucket}/k` });
    await expectRefusal(stage.s3.send(copy), 'InvalidRequest', 400);
  }),

  test('DeleteObjects deletes what it names, missing keys included', async (stage) => {
    const Bucket = await fill(stage, ['a', 'b&<c>', 'größe', 'kept']);
    const wanted = ['a', 'b&<c>', 'größe', 'none'];
    const { Deleted = [], Errors = [] } = await stage.s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: wanted.map((Key) => ({ Key })) } }),
    );
    expect(Deleted.map(({ Key }) => Key).toSorted()).toEqual(wanted.toSorted());
    expect(Errors).toEqual([]);
    expect(await keysOf(stage, Bucket)).toEqual(['kept']);
  }),

  test('a quiet DeleteObjects names only failures', async (stage) => {
    const Bucket = await fill(stage, ['a', 'b']);
    const { Deleted = [] } = await stage.s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Quiet: true, Objects: [{ Key: 'a' }, { Key: 'b' }] } }),
    );
    expect(Deleted).toEqual([]);
    expect(await keysOf(stage, Bucket)).toEqual([]);
  }),

  test('a DeleteObjects of more than 1000 keys is refused as MalformedXML', async (stage) => {
    const Bucket = await fill(stage, ['k0']);
    const Objects = Array.from({ length: 1_001 }, (_, at) => ({ Key: `k${at}` }));
    const deleting = stage.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    await expectRefusal(deleting, 'MalformedXML', 400);
    expect(await keysOf(stage, Bucket)).toEqual(['k0']);
  }),
];
