import { afterEach, describe, expect, test } from 'vitest';
import { metadataToken, startMetadataService } from '../../test/fixtures/metadata-service.ts';
import { findInstanceMetadata } from '../aws/instance-metadata.ts';
import type { Clock } from '../clock.ts';
import { awaitNotice } from './notice.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const startMetadata = async (documents: ReadonlyMap<string, string>) => {
  const service = await startMetadataService(documents);
  closers.push(service.close);
  return service;
};

/** Counts the waits instead of waiting. */
const impatientClock = (onSleep: (sleeps: number) => void = () => {}) => {
  let sleeps = 0;
  const clock: Clock = {
    monotonicMs: () => sleeps * 5_000,
    wallMs: () => 0,
    sleep: async (ms) => {
      expect(ms).toBe(5_000);
      onSleep(++sleeps);
    },
  };
  return { clock, sleeps: () => sleeps };
};

describe('notices of EC2', () => {
  test.each([
    ['/latest/meta-data/spot/instance-action', 'spot interruption'],
    ['/latest/meta-data/events/recommendations/rebalance', 'rebalance recommendation'],
  ])('%s is seen at the next look', async (path, means) => {
    const documents = new Map<string, string>();
    const { environment, requests } = await startMetadata(documents);
    const { clock, sleeps } = impatientClock(
      (count) => count === 3 && documents.set(path, '{"action":"terminate"}'),
    );
    const metadata = await findInstanceMetadata(environment, clock);
    if (metadata === undefined) throw new Error('not found');
    expect(await awaitNotice(metadata, clock, new AbortController().signal)).toBe(means);
    expect(sleeps()).toBe(3);
    // Version 1 is never used: every read has a token.
    expect(requests.every(({ method, token }) => method === 'PUT' || token === metadataToken)).toBe(true);
  });

  test('looking ends with the worker', async () => {
    const { environment } = await startMetadata(new Map());
    const stop = new AbortController();
    const { clock } = impatientClock((count) => count === 2 && stop.abort());
    const metadata = await findInstanceMetadata(environment, clock);
    if (metadata === undefined) throw new Error('not found');
    expect(await awaitNotice(metadata, clock, stop.signal)).toBeUndefined();
  });

  test('where there is no metadata service, nothing is looked at', async () => {
    const { environment, requests } = await startMetadata(new Map());
    const { clock } = impatientClock();
    expect(
      await findInstanceMetadata({ ...environment, AWS_EC2_METADATA_DISABLED: 'true' }, clock),
    ).toBeUndefined();
    expect(requests).toEqual([]);
    expect(
      await findInstanceMetadata({ AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://127.0.0.1:1' }, clock),
    ).toBeUndefined();
  });

  test('a metadata service that vanishes is no notice', async () => {
    const { environment } = await startMetadata(new Map());
    const { clock } = impatientClock();
    const metadata = await findInstanceMetadata(environment, clock);
    for (const close of closers.splice(0)) close();
    expect(await metadata?.read('/latest/meta-data/spot/instance-action')).toBeUndefined();
  });
});
