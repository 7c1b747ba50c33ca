import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { findInstanceMetadata } from '../aws/instance-metadata.ts';
import type { Clock } from '../clock.ts';
import { awaitNotice } from './notice.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** The metadata service of one instance, which insists on version 2. */
const startMetadata = async (documents: Map<string, string>) => {
  const requests: { method: string; path: string; token: string | undefined }[] = [];
  const server = createServer((request, response) => {
    const { method = '', url: path = '' } = request;
    const token = request.headers['x-aws-ec2-metadata-token'];
    requests.push({ method, path, token: typeof token === 'string' ? token : undefined });
    if (method === 'PUT' && path === '/latest/api/token') {
      response
        .writeHead(request.headers['x-aws-ec2-metadata-token-ttl-seconds'] === undefined ? 400 : 200)
        .end('secret');
      return;
    }
    const document = token === 'secret' ? documents.get(path) : undefined;
    response.writeHead(token === 'secret' ? (document === undefined ? 404 : 200) : 401).end(document);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { requests, environment: { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint } };
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
    expect(requests.every(({ method, token }) => method === 'PUT' || token === 'secret')).toBe(true);
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
