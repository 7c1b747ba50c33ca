import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalCloud, startLocalCloud } from './server.ts';

let folder = '';
let cloud: LocalCloud;
let s3: S3Client;
let sqs: SQSClient;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'imgrec-strict-'));
  cloud = await startLocalCloud({ stateFolder: folder, strict403: true, strandAbortedPoll: true });
  const { endpoint, region, accessKeyId, secretAccessKey } = cloud;
  const config = { endpoint, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
  s3 = new S3Client({ ...config, forcePathStyle: true });
  sqs = new SQSClient({ ...config, useQueueUrlAsEndpoint: false });
});
afterAll(async () => {
  await cloud.close();
  rmSync(folder, { recursive: true, force: true });
});

const statusOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 200,
    (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode,
  );

test.each([
  ['imgrec-input-0', 403],
  ['imgrec-ops-0', 404],
  ['imgrec-output-0', 404],
])('a missing key of %s is %i', async (Bucket, status) => {
  await s3.send(new CreateBucketCommand({ Bucket }));
  expect(await statusOf(s3.send(new GetObjectCommand({ Bucket, Key: 'none' })))).toBe(status);
  expect(await statusOf(s3.send(new HeadObjectCommand({ Bucket, Key: 'none' })))).toBe(status);
});

test('what arrives during the rest of an aborted poll is in flight until its visibility ends', async () => {
  const { QueueUrl } = await sqs.send(
    new CreateQueueCommand({ QueueName: 'q', Attributes: { VisibilityTimeout: '1' } }),
  );
  const aborting = new AbortController();
  const polling = sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10 }), {
    abortSignal: aborting.signal,
  });
  await sleep(200);
  aborting.abort();
  await expect(polling).rejects.toThrow();
  await sleep(50);
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'stranded' }));
  const receive = async (WaitTimeSeconds: number) =>
    (
      await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds, MessageSystemAttributeNames: ['All'] }),
      )
    ).Messages ?? [];
  expect(await receive(0)).toEqual([]);
  expect((await receive(5))[0]?.Attributes?.ApproximateReceiveCount).toBe('2');
});
