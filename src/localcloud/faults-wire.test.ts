import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { callAdmin, readCalls } from './admin-client.ts';
import { readFaultPlan } from './faults.ts';
import { type FaultProxy, startFaultProxy } from './proxy.ts';
import { type LocalCloud, startLocalCloud } from './server.ts';

let folder = '';
let cloud: LocalCloud;
let proxy: FaultProxy;
const proxyLog: object[] = [];

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'imgrec-faults-'));
  cloud = await startLocalCloud({ stateFolder: folder });
  proxy = await startFaultProxy({ target: cloud.endpoint, log: (line) => proxyLog.push(line) });
});
afterAll(async () => {
  await proxy.close();
  await cloud.close();
  rmSync(folder, { recursive: true, force: true });
});

const logOfCloud = (): readonly Record<string, unknown>[] =>
  readFileSync(path.join(folder, 'faults.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

interface Caught extends Error {
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const failureOf = async (call: Promise<unknown>): Promise<Caught> => {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error)) throw new Error('the call should have failed');
  return outcome;
};

const digits = '0123456789'.repeat(1_000);
const waysIn = ['the local cloud', 'a proxy'] as const;

describe.each(waysIn)('faults of %s', (way) => {
  let s3: S3Client;
  let sqs: SQSClient;
  let QueueUrl: string | undefined;
  const Bucket = way === 'a proxy' ? 'proxied' : 'direct';
  const Key = 'k';

  const set = async (...rules: readonly object[]): Promise<void> => {
    const plan = { seed: 1, rules };
    if (way === 'a proxy') proxy.set(readFaultPlan(plan));
    else await callAdmin(cloud, 'PUT', 'faults', plan);
  };
  const clear = async (): Promise<void> => {
    if (way === 'a proxy') proxy.set(undefined);
    else await callAdmin(cloud, 'DELETE', 'faults');
  };
  const lastLine = (): unknown => (way === 'a proxy' ? proxyLog.at(-1) : logOfCloud().at(-1));

  beforeAll(async () => {
    const { region, accessKeyId, secretAccessKey } = cloud;
    const config = {
      endpoint: way === 'a proxy' ? proxy.endpoint : cloud.endpoint,
      region,
      credentials: { accessKeyId, secretAccessKey },
      maxAttempts: 1,
      requestHandler: new NodeHttpHandler({ requestTimeout: 700, throwOnRequestTimeout: true }),
    };
    s3 = new S3Client({ ...config, forcePathStyle: true });
    sqs = new SQSClient({ ...config, useQueueUrlAsEndpoint: false });
    await clear();
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: digits }));
    const Attributes = { VisibilityTimeout: '1' };
    ({ QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: Bucket, Attributes })));
  });
  beforeEach(clear);
  afterAll(clear);

  const put = (key: string, Body = 'x') => s3.send(new PutObjectCommand({ Bucket, Key: key, Body }));
  const get = async (key = Key): Promise<string | undefined> =>
    (await s3.send(new GetObjectCommand({ Bucket, Key: key }))).Body?.transformToString();
  const send = (MessageBody: string) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  const receive = async () =>
    (
      await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: 10,
          MessageSystemAttributeNames: ['All'],
        }),
      )
    ).Messages ?? [];
  const receiveAfterVisibility = async () => {
    for (let look = 0; look < 30; look++) {
      const messages = await receive();
      if (messages.length > 0) return messages;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return [];
  };

  test('nothing happens to what no rule names', async () => {
    await set({ operation: 'sqs:*', fault: 'down' });
    expect(await get()).toBe(digits);
  });

  test.each([
    ['internal-error', 500, 'InternalError', 'InternalError'],
    ['slow-down', 503, 'SlowDown', 'ServiceUnavailable'],
  ] as const)('%s answers %i and does nothing', async (fault, status, s3Name, sqsName) => {
    await set({ operation: '*', fault });
    const refused = await failureOf(put(`refused-${fault}`));
    expect([refused.name, refused.$metadata?.httpStatusCode]).toEqual([s3Name, status]);
    const unsent = await failureOf(send('unsent'));
    expect([unsent.name, unsent.$metadata?.httpStatusCode]).toEqual([sqsName, status]);
    await clear();
    expect((await failureOf(get(`refused-${fault}`))).name).toBe('NoSuchKey');
    expect(await receive()).toEqual([]);
  });

  test('throttle answers as each service does', async () => {
    await set({ operation: '*', fault: 'throttle' });
    expect((await failureOf(send('x'))).name).toBe('RequestThrottled');
    expect((await failureOf(get())).name).toBe('SlowDown');
  });

  test('skewed answers 403 RequestTimeTooSkewed', async () => {
    await set({ operation: '*', fault: 'skewed' });
    expect((await failureOf(get())).name).toBe('RequestTimeTooSkewed');
  });

  test('conflict answers 409 to a put', async () => {
    await set({ operation: '*', fault: 'conflict' });
    const refused = await failureOf(put('conflict'));
    expect([refused.name, refused.$metadata?.httpStatusCode]).toEqual(['ConditionalRequestConflict', 409]);
    expect(await get()).toBe(digits);
  });

  test('latency makes an answer late, and nothing else', async () => {
    await set({ operation: 's3:GetObject', fault: 'latency', ms: 300 });
    const start = performance.now();
    expect(await get()).toBe(digits);
    expect(performance.now() - start).toBeGreaterThan(290);
  });

  test.each([
    ['down', 'ECONNRESET'],
    ['reset', 'ECONNRESET'],
  ])('%s ends the connection with %s and does nothing', async (fault, code) => {
    await set({ operation: 's3:PutObject', fault });
    expect((await failureOf(put(`unput-${fault}`))).code).toBe(code);
    await clear();
    expect((await failureOf(get(`unput-${fault}`))).name).toBe('NoSuchKey');
  });

  test('a black hole never answers, and does nothing', async () => {
    await set({ operation: 's3:PutObject', fault: 'black-hole' });
    expect((await failureOf(put('swallowed'))).name).toBe('TimeoutError');
    await clear();
    expect((await failureOf(get('swallowed'))).name).toBe('NoSuchKey');
  });

  test('a dropped response was done', async () => {
    await set({ operation: '*', fault: 'drop-response' });
    expect((await failureOf(put('dropped'))).code).toBe('ECONNRESET');
    expect((await failureOf(send('dropped'))).code).toBe('ECONNRESET');
    await clear();
    expect(await get('dropped')).toBe('x');
    const [message] = await receive();
    expect(message?.Body).toBe('dropped');
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));
  });

  test('a truncated answer ends in its body', async () => {
    await set({ operation: 's3:GetObject', fault: 'truncate' });
    const answer = await s3.send(new GetObjectCommand({ Bucket, Key }));
    expect(answer.ContentLength).toBe(digits.length);
    await expect(answer.Body?.transformToString()).rejects.toThrow();
  });

  test('a slow close has the whole answer, whose end comes late', async () => {
    await set({ operation: 's3:GetObject', fault: 'slow-close', ms: 400 });
    const start = performance.now();
    const answer = await s3.send(new GetObjectCommand({ Bucket, Key }));
    expect(answer.ContentLength).toBeUndefined();
    expect(await answer.Body?.transformToString()).toBe(digits);
    expect(performance.now() - start).toBeGreaterThan(390);
  });

  test('a corrupted answer differs in one bit, which the client’s checksum tells', async () => {
    await set({ operation: 's3:GetObject', fault: 'corrupt' });
    await expect(get()).rejects.toThrow(/checksum/i);
    const unchecked = await s3.send(new GetObjectCommand({ Bucket, Key, Range: `bytes=0-${digits.length}` }));
    const bytes = (await unchecked.Body?.transformToByteArray()) ?? [];
    const different = [...bytes].filter((byte, at) => byte !== digits.charCodeAt(at));
    expect(different).toHaveLength(1);
  });

  test('a wrong checksum is one that does not fit: CRC and ETag of an object, MD5 of a message', async () => {
    const right = await s3.send(new HeadObjectCommand({ Bucket, Key }));
    await set({ operation: '*', fault: 'wrong-checksum' });
    const wrong = await s3.send(new HeadObjectCommand({ Bucket, Key }));
    expect(wrong.ETag).not.toBe(right.ETag);
    await expect(get()).rejects.toThrow(/checksum/i);
    await expect(send('doubted')).rejects.toThrow('InvalidChecksumError');
    await clear();
    await sqs.send(new PurgeQueueCommand({ QueueUrl }));
  });

  test('a duplicate comes again after its deletion, counted, and then no more', async () => {
    await set({ operation: '*', fault: 'duplicate', copies: 2 });
    await send('thrice');
    for (const count of ['1', '2', '3']) {
      const [message] = await receiveAfterVisibility();
      expect(message?.Attributes?.ApproximateReceiveCount).toBe(count);
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));
    }
    expect(await receiveAfterVisibility()).toEqual([]);
  }, 15_000);

  test('a batch of deletions says that all were done', async () => {
    await set({ operation: 'sqs:*', fault: 'duplicate', limit: 1 });
    await send('one');
    const deleteAll = async () => {
      const messages = await receiveAfterVisibility();
      const Entries = messages.map(({ ReceiptHandle }, at) => ({ Id: `e${at}`, ReceiptHandle }));
      const { Successful = [] } = await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
      return Successful.map(({ Id }) => Id);
    };
    expect(await deleteAll()).toEqual(['e0']);
    expect(await deleteAll()).toEqual(['e0']);
    expect(await receiveAfterVisibility()).toEqual([]);
  }, 15_000);

  test('stale counts are those of before', async () => {
    await set({ operation: 'sqs:GetQueueAttributes', fault: 'stale', ms: 60_000 });
    const count = async () =>
      (
        await sqs.send(
          new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
        )
      ).Attributes?.ApproximateNumberOfMessages;
    expect(await count()).toBe('0');
    await send('unseen');
    expect(await count()).toBe('0');
    await clear();
    expect(await count()).toBe('1');
    const [message] = await receive();
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));
  });

  test('every injection is written down with operation, target, rule and seed', async () => {
    await set(
      { operation: 's3:HeadObject', fault: 'latency', ms: 1 },
      { operation: 's3:GetObject', fault: 'slow-down' },
    );
    await failureOf(get('logged'));
    expect(lastLine()).toMatchObject({
      event: 'fault',
      operation: 's3:GetObject',
      fault: 'slow-down',
      target: `/${Bucket}/logged`,
      rules: [1],
      seed: 1,
    });
  });
});

describe('the admin endpoint', () => {
  test('tells the plan and how often each rule hit', async () => {
    await callAdmin(cloud, 'PUT', 'faults', { seed: 5, rules: [{ operation: 's3:*', fault: 'down' }] });
    expect(await callAdmin(cloud, 'GET', 'faults')).toMatchObject({ seed: 5, matched: [0], hit: [0] });
    expect(await callAdmin(cloud, 'DELETE', 'faults')).toEqual({ rules: [] });
    expect(await callAdmin(cloud, 'GET', 'faults')).toEqual({ rules: [] });
  });

  test('refuses what is no plan by name, and keeps the present one', async () => {
    const bad = { rules: [{ operation: 's3:*', fault: 'down', probability: 7 }] };
    await expect(callAdmin(cloud, 'PUT', 'faults', bad)).rejects.toThrow('rules[0].probability');
    expect(await callAdmin(cloud, 'GET', 'faults')).toEqual({ rules: [] });
  });

  test('is for those who can sign', async () => {
    const forged = { ...cloud, secretAccessKey: 'guessed' };
    await expect(callAdmin(forged, 'GET', 'faults')).rejects.toThrow('403');
    expect((await fetch(`${cloud.endpoint}/_imgrec/faults`, { method: 'DELETE' })).status).toBe(403);
  });

  test('counts calls by operation', async () => {
    const before = (await readCalls(cloud)).calls;
    const { region, endpoint, accessKeyId, secretAccessKey } = cloud;
    const sqs = new SQSClient({ region, endpoint, credentials: { accessKeyId, secretAccessKey } });
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'counted' }));
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x'.repeat(100_000) }));
    const { calls, sqsUnits } = await readCalls(cloud);
    expect((calls['sqs:SendMessage'] ?? 0) - (before['sqs:SendMessage'] ?? 0)).toBe(1);
    expect(sqsUnits).toBeGreaterThanOrEqual(3);
  });
});
