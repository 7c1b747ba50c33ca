import { describe, expect, test } from 'vitest';
import { clusterNames } from '../aws/names.ts';
import type { WebReport } from '../reports/reports.ts';
import { createObserver } from './observe.ts';

const report: WebReport = {
  v: 1,
  webId: 'abcdefgh',
  acceptedTotal: 7,
  answeredTotal: 7,
  refusedTotal: 0,
  waiting: 0,
};

describe('the reports of web processes', () => {
  test('that are written again word for word are as fresh as their date, and not read again', async () => {
    let lastModifiedMs = 1_000;
    let reads = 0;
    const observe = createObserver({
      names: clusterNames('test', '000000000000', 'us-east-1'),
      sqs: { attributes: async () => ({}) },
      ec2: { find: async () => [] },
      s3: {
        list: async (_bucket, prefix) =>
          prefix === 'web/' ? [{ key: 'web/abcdefgh.json', bytes: 1, lastModifiedMs, etag: '"same"' }] : [],
        get: async () => {
          reads++;
          return Buffer.from(JSON.stringify(report));
        },
      },
    });
    expect((await observe(() => 0)).webs).toEqual([expect.objectContaining({ report, atMs: 1_000 })]);
    lastModifiedMs = 11_000;
    expect((await observe(() => 0)).webs).toEqual([expect.objectContaining({ report, atMs: 11_000 })]);
    expect(reads).toBe(1);
  });
});
