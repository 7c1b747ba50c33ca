import {
  CopyObjectCommand,
  GetObjectCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const bodyOf = async ({ s3 }: Stage, Bucket: string, Key: string): Promise<string | undefined> => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  return Body?.transformToString();
};

/** What became of a call: done, or the HTTP status of its refusal. */
const outcome = (call: Promise<unknown>): Promise<'done' | number> =>
  call.then(
    () => 'done' as const,
    async (error: unknown) => (await refusal(Promise.reject(error))).status,
  );

/** A bucket with one object, `k`, that says "kept". */
const withObject = async (stage: Stage) => {
  const Bucket = await stage.bucket();
  const { ETag } = await stage.s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'kept' }));
  return { Bucket, Key: 'k', ETag };
};

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 's3', name, run });

/**
 * Calls that imgrec does not make. An endpoint may refuse them, but must not take them for the call they
 * resemble: every one here is a PUT or GET of an object with something more to it.
 */
export const s3BeyondCases: readonly ContractCase[] = [
  test('tags and ACLs put on an object leave its content alone', async (stage) => {
    const { Bucket, Key } = await withObject(stage);
    const Tagging = { TagSet: [{ Key: 'colour', Value: 'red' }] };
    await outcome(stage.s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging })));
    await outcome(stage.s3.send(new PutObjectAclCommand({ Bucket, Key, ACL: 'private' })));
    expect(await bodyOf(stage, Bucket, Key)).toBe('kept');
  }),

  test('a part of an upload that was never begun is refused and leaves the object alone', async (stage) => {
    const { Bucket, Key } = await withObject(stage);
    const part = new UploadPartCommand({ Bucket, Key, UploadId: 'none', PartNumber: 1, Body: 'part' });
    expect([404, 501]).toContain((await refusal(stage.s3.send(part))).status);
    expect(await bodyOf(stage, Bucket, Key)).toBe('kept');
  }),

  test('a copy has the content of its source or is refused', async (stage) => {
    const { Bucket, Key } = await withObject(stage);
    const copy = new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${Key}` });
    const copied = await outcome(stage.s3.send(copy));
    if (copied === 'done') expect(await bodyOf(stage, Bucket, 'copy')).toBe('kept');
    else expect(copied).toBe(501);
  }),

  test('a part of an object is that part, or all of it, or refused', async (stage) => {
    const { Bucket, Key } = await withObject(stage);
    const get = stage.s3.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=1-2' }));
    const got = await get.then(
      async ({ Body, $metadata }) => [$metadata.httpStatusCode, await Body?.transformToString()],
      async (error: unknown) => [(await refusal(Promise.reject(error))).status],
    );
    expect([[206, 'ep'], [200, 'kept'], [501]]).toContainEqual(got);
  }),

  test('a put with If-Match replaces only what it names', async (stage) => {
    const { Bucket, Key, ETag } = await withObject(stage);
    const put = (Body: string, IfMatch: string | undefined) =>
      outcome(stage.s3.send(new PutObjectCommand({ Bucket, Key, Body, IfMatch })));
    expect([412, 501]).toContain(await put('wrong', '"0123456789abcdef0123456789abcdef"'));
    expect(await bodyOf(stage, Bucket, Key)).toBe('kept');
    expect(['done', 501]).toContain(await put('right', ETag));
  }),

  test('a get with a condition that does not hold is refused', async (stage) => {
    const { Bucket, Key, ETag } = await withObject(stage);
    const get = (condition: { IfMatch?: string; IfNoneMatch?: string | undefined }) =>
      outcome(
        stage.s3.send(new GetObjectCommand({ Bucket, Key, ...condition } as { Bucket: string; Key: string })),
      );
    expect([412, 501]).toContain(await get({ IfMatch: '"0123456789abcdef0123456789abcdef"' }));
    expect([304, 501]).toContain(await get({ IfNoneMatch: ETag }));
  }),
];
