import {
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const fill = async ({ s3, bucket }: Stage, keys: readonly string[]): Promise<string> => {
  const Bucket = await bucket();
  await Promise.all(keys.map((Key) => s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }))));
  return Bucket;
};

const list = async ({ s3 }: Stage, input: ListObjectsV2CommandInput) => {
  const listed = await s3.send(new ListObjectsV2Command(input));
  return { ...listed, keys: (listed.Contents ?? []).map(({ Key }) => Key) };
};

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 's3', name, run });

export const s3ListingCases: readonly ContractCase[] = [
  test('an empty bucket lists nothing', async (stage) => {
    const { keys, KeyCount, IsTruncated } = await list(stage, { Bucket: await stage.bucket() });
    expect({ keys, KeyCount, IsTruncated }).toEqual({ keys: [], KeyCount: 0, IsTruncated: false });
  }),

  test('a listing has size, ETag and date of every object', async (stage) => {
    const Bucket = await fill(stage, ['images/a']);
    const { Contents } = await list(stage, { Bucket });
    // The MD5 of "images/a", as md5sum prints it.
    expect(Contents).toMatchObject([
      { Key: 'images/a', Size: 8, ETag: '"8bf746ee049d7d419b1bf81282840af0"' },
    ]);
    expect(Contents?.[0]?.LastModified).toBeInstanceOf(Date);
  }),

  test('a prefix selects the keys that begin with it', async (stage) => {
    const Bucket = await fill(stage, ['images/a', 'images/b', 'imagesx', 'results/a', 'Images/a']);
    expect((await list(stage, { Bucket, Prefix: 'images/' })).keys).toEqual(['images/a', 'images/b']);
    expect((await list(stage, { Bucket, Prefix: 'none' })).keys).toEqual([]);
  }),

  test('keys come in the order of their UTF-8 bytes', async (stage) => {
    // U+FF5E comes before U+1F431 in UTF-8 and after it in UTF-16, which is how JavaScript sorts.
    const keys = ['-', 'A', 'a b', 'a/b', 'aa', 'é', '～', '🐱'];
    const Bucket = await fill(stage, keys.toReversed());
    expect((await list(stage, { Bucket })).keys).toEqual(keys);
  }),

  test('paging lists every key once and in order', async (stage) => {
    const keys = Array.from({ length: 7 }, (_, at) => `fleet/i-${at}.json`);
    const Bucket = await fill(stage, ['elsewhere', ...keys, 'zoo']);
    const pages: (readonly (string | undefined)[])[] = [];
    let token: string | undefined;
    for (let page = 0; page < 5; page += 1) {
      const listed = await list(stage, {
        Bucket,
        Prefix: 'fleet/',
        MaxKeys: 3,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      pages.push(listed.keys);
      token = listed.NextContinuationToken;
      expect(listed.IsTruncated).toBe(token !== undefined);
      if (token === undefined) break;
    }
    expect(pages).toEqual([keys.slice(0, 3), keys.slice(3, 6), keys.slice(6)]);
  }),

  test('a page that ends with the last key is not truncated', async (stage) => {
    const Bucket = await fill(stage, ['a', 'b']);
    const { keys, IsTruncated, NextContinuationToken } = await list(stage, { Bucket, MaxKeys: 2 });
    expect({ keys, IsTruncated, NextContinuationToken }).toEqual({
      keys: ['a', 'b'],
      IsTruncated: false,
      NextContinuationToken: undefined,
    });
  }),

  test('StartAfter begins behind a key, whether it exists or not', async (stage) => {
    const Bucket = await fill(stage, ['a', 'b', 'c', 'd']);
    expect((await list(stage, { Bucket, StartAfter: 'b' })).keys).toEqual(['c', 'd']);
    expect((await list(stage, { Bucket, StartAfter: 'bb' })).keys).toEqual(['c', 'd']);
  }),

  test('a delimiter folds keys into common prefixes', async (stage) => {
    const Bucket = await fill(stage, [
      'journal/scale/1/a',
      'journal/scale/1/b',
      'journal/scale/2/a',
      'journal/x',
    ]);
    const { keys, CommonPrefixes } = await list(stage, { Bucket, Prefix: 'journal/', Delimiter: '/' });
    expect(keys).toEqual(['journal/x']);
    expect(CommonPrefixes).toEqual([{ Prefix: 'journal/scale/' }]);
  }),

  test('a continuation token that S3 never gave is refused', async (stage) => {
    const Bucket = await fill(stage, ['a']);
    const listing = stage.s3.send(new ListObjectsV2Command({ Bucket, ContinuationToken: 'no such token' }));
    expect((await refusal(listing)).status).toBe(400);
  }),

  test('a delimiter is paged through like keys, no prefix twice', async (stage) => {
    const Bucket = await fill(stage, ['a/1', 'a/2', 'b', 'c/1', 'c/2', 'd/1']);
    const found: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    for (let page = 0; page < 6; page += 1) {
      const listed = await list(stage, {
        Bucket,
        Delimiter: '/',
        MaxKeys: 1,
        ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
      });
      found.push(...listed.keys, ...(listed.CommonPrefixes ?? []).map(({ Prefix }) => Prefix));
      ContinuationToken = listed.NextContinuationToken;
      if (ContinuationToken === undefined) break;
    }
    expect(found).toEqual(['a/', 'b', 'c/', 'd/']);
  }),

  test('ListObjects, the first version, pages by marker', async (stage) => {
    const Bucket = await fill(stage, ['a', 'b', 'c', 'd']);
    const first = await stage.s3.send(new ListObjectsCommand({ Bucket, MaxKeys: 2 }));
    expect(first).toMatchObject({ IsTruncated: true, Contents: [{ Key: 'a' }, { Key: 'b' }] });
    const second = await stage.s3.send(new ListObjectsCommand({ Bucket, MaxKeys: 2, Marker: 'b' }));
    expect(second).toMatchObject({ IsTruncated: false, Marker: 'b', Contents: [{ Key: 'c' }, { Key: 'd' }] });
  }),

  test('ListObjects, the first version, tells the next marker where there is a delimiter', async (stage) => {
    const Bucket = await fill(stage, ['a/1', 'a/2', 'b/1', 'c']);
    const page = (Marker?: string) =>
      stage.s3.send(
        new ListObjectsCommand({
          Bucket,
          Delimiter: '/',
          MaxKeys: 1,
          ...(Marker === undefined ? {} : { Marker }),
        }),
      );
    const first = await page();
    expect(first).toMatchObject({ IsTruncated: true, CommonPrefixes: [{ Prefix: 'a/' }] });
    const second = await page(first.NextMarker);
    expect(second).toMatchObject({ IsTruncated: true, CommonPrefixes: [{ Prefix: 'b/' }] });
    expect(await page(second.NextMarker)).toMatchObject({ IsTruncated: false, Contents: [{ Key: 'c' }] });
  }),
];
