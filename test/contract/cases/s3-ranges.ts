import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { expectRefusal, refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const digits = '0123456789';

const withDigits = async (stage: Stage): Promise<string> => {
  const Bucket = await stage.bucket();
  await stage.s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: digits }));
  return Bucket;
};

const part = async ({ s3 }: Stage, Bucket: string, Range: string) => {
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'k', Range }));
  const { ContentLength, ContentRange, $metadata } = got;
  return {
    status: $metadata.httpStatusCode,
    text: await got.Body?.transformToString(),
    ContentLength,
    ContentRange,
  };
};

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 's3', name, run });

export const s3RangeCases: readonly ContractCase[] = [
  test('a range answers 206 with its bytes and where they stand', async (stage) => {
    const Bucket = await withDigits(stage);
    expect(await part(stage, Bucket, 'bytes=2-4')).toEqual({
      status: 206,
      text: '234',
      ContentLength: 3,
      ContentRange: 'bytes 2-4/10',
    });
  }),

  test('a range without an end goes to the last byte, as does one that ends behind it', async (stage) => {
    const Bucket = await withDigits(stage);
    for (const range of ['bytes=7-', 'bytes=7-99'])
      expect(await part(stage, Bucket, range)).toMatchObject({
        status: 206,
        text: '789',
        ContentRange: 'bytes 7-9/10',
      });
  }),

  test('a range without a start counts from the end', async (stage) => {
    const Bucket = await withDigits(stage);
    expect(await part(stage, Bucket, 'bytes=-3')).toMatchObject({
      text: '789',
      ContentRange: 'bytes 7-9/10',
    });
    expect(await part(stage, Bucket, 'bytes=-99')).toMatchObject({ text: digits, ContentLength: 10 });
  }),

  test('a range that begins behind the last byte is refused with 416 InvalidRange', async (stage) => {
    const Bucket = await withDigits(stage);
    await expectRefusal(part(stage, Bucket, 'bytes=10-12'), 'InvalidRange', 416);
  }),

  test('a range that is none is ignored', async (stage) => {
    const Bucket = await withDigits(stage);
    for (const range of ['bytes=4-2', 'lines=1-2', 'bytes=x-y'])
      expect(await part(stage, Bucket, range)).toMatchObject({ status: 200, text: digits });
  }),

  test('HeadObject tells the length of a range', async (stage) => {
    const Bucket = await withDigits(stage);
    const head = await stage.s3.send(new HeadObjectCommand({ Bucket, Key: 'k', Range: 'bytes=2-4' }));
    expect(head.ContentLength).toBe(3);
  }),

  test('a range with an If-Match that does not hold is refused with 412', async (stage) => {
    const Bucket = await withDigits(stage);
    const get = stage.s3.send(
      new GetObjectCommand({
        Bucket,
        Key: 'k',
        Range: 'bytes=0-1',
        IfMatch: '"0123456789abcdef0123456789abcdef"',
      }),
    );
    expect((await refusal(get)).status).toBe(412);
  }),
];
