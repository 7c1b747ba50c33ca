import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../clock.ts';
import type { Instance } from './instances.ts';
import { createMetadataHandler } from './metadata.ts';

let instance: Instance;
let laterMs = 0;
let endpoint = '';
let close = (): void => {};

beforeEach(async () => {
  laterMs = 0;
  instance = {
    id: 'i-1',
    imageId: 'ami-1',
    instanceType: 'c7a.medium',
    zone: 'us-east-1a',
    market: 'spot',
  } as Instance;
  const clock = { ...systemClock, monotonicMs: () => laterMs };
  const server = createServer(createMetadataHandler({ instance: () => instance, account: '1', clock }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = () => {
    server.closeAllConnections();
    server.close();
  };
});
afterEach(() => close());

const token = async (ttl?: string) => {
  const headers = ttl === undefined ? {} : { 'x-aws-ec2-metadata-token-ttl-seconds': ttl };
  const response = await fetch(`${endpoint}/latest/api/token`, { method: 'PUT', headers });
  return { status: response.status, text: await response.text() };
};

const read = async (path: string, given?: string) => {
  const headers = given === undefined ? {} : { 'x-aws-ec2-metadata-token': given };
  const response = await fetch(`${endpoint}/latest/meta-data/${path}`, { headers });
  return { status: response.status, text: await response.text() };
};

test('with a token the instance tells who it is', async () => {
  const { text: given } = await token('60');
  expect(await read('instance-id', given)).toEqual({ status: 200, text: 'i-1' });
  expect(await read('placement/region', given)).toEqual({ status: 200, text: 'us-east-1' });
  expect((await read('toString', given)).status).toBe(404);
});

test('without a token, with a wrong one or with one that is over it tells nothing', async () => {
  expect((await read('instance-id')).status).toBe(401);
  expect((await read('instance-id', 'guessed')).status).toBe(401);
  const { text: given } = await token('60');
  laterMs = 60_000;
  expect((await read('instance-id', given)).status).toBe(401);
});

test.each([undefined, '0', '21601', 'long'])('a token for %s seconds is refused', async (ttl) => {
  expect((await token(ttl)).status).toBe(400);
});

// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
test('a Spot interruption is announced when there is notice of it', async () => {
  const { text: given } = await token('60');
  expect((await read('spot/instance-action', given)).status).toBe(404);
  instance = { ...instance, interruptionMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678) };
  const { status, text } = await read('spot/instance-action', given);
  expect(status).toBe(200);
  expect(JSON.parse(text)).toEqual({ action: 'terminate', time: '2026-01-02T03:04:05Z' });
});
