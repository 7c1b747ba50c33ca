import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readFaultPlan } from './faults.ts';
import { type FaultProxy, startFaultProxy } from './proxy.ts';

/** The proxy before other people's implementations, each where its variable says that it runs. */
const peers = [
  { name: 'moto', variable: 'IMGREC_TEST_MOTO', secretAccessKey: 'test', services: ['s3', 'sqs'] },
  { name: 'elasticmq', variable: 'IMGREC_TEST_ELASTICMQ', secretAccessKey: 'test', services: ['sqs'] },
  { name: 'versitygw', variable: 'IMGREC_TEST_VERSITYGW', secretAccessKey: 'testtest', services: ['s3'] },
];

for (const { name, variable, secretAccessKey, services } of peers) {
  const target = process.env[variable] ?? '';
  describe.skipIf(target === '')(`a proxy before ${name} (${variable})`, () => {
    let proxy: FaultProxy;
    const unique = `proxied-${Math.random().toString(36).slice(2, 10)}`;
    const configOf = () => ({
      endpoint: proxy.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey },
      maxAttempts: 1,
    });
    beforeAll(async () => {
      proxy = await startFaultProxy({ target });
    });
    afterAll(() => proxy.close());

    test.runIf(services.includes('s3'))(
      'passes S3 on, signatures included, and misbehaves as told',
      async () => {
        const s3 = new S3Client({ ...configOf(), forcePathStyle: true });
        const Body = 'x'.repeat(100_000);
        const get = async () =>
          (await s3.send(new GetObjectCommand({ Bucket: unique, Key: 'k' }))).Body?.transformToString();
        await s3.send(new CreateBucketCommand({ Bucket: unique }));
        await s3.send(new PutObjectCommand({ Bucket: unique, Key: 'k', Body }));
        expect(await get()).toBe(Body);
        proxy.set(readFaultPlan({ rules: [{ operation: 's3:GetObject', fault: 'truncate' }] }));
        await expect(get()).rejects.toThrow();
        proxy.set(readFaultPlan({ rules: [{ operation: 's3:PutObject', fault: 'drop-response' }] }));
        await expect(
          s3.send(new PutObjectCommand({ Bucket: unique, Key: 'k', Body: 'second' })),
        ).rejects.toMatchObject({ code: 'ECONNRESET' });
        expect(await get()).toBe('second');
        expect(proxy.report()?.hit).toEqual([1]);
      },
    );

    test.runIf(services.includes('sqs'))('passes SQS on, and lets a deleted message come again', async () => {
      const sqs = new SQSClient({ ...configOf(), useQueueUrlAsEndpoint: false });
      const { QueueUrl } = await sqs.send(
        new CreateQueueCommand({ QueueName: unique, Attributes: { VisibilityTimeout: '1' } }),
      );
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'twice' }));
      proxy.set(readFaultPlan({ rules: [{ operation: '*', fault: 'duplicate' }] }));
      const receive = async () =>
        (await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 3 }))).Messages?.[0];
      for (let delivery = 1; delivery <= 2; delivery++) {
        const message = await receive();
        expect(message?.Body).toBe('twice');
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));
      }
      expect(await receive()).toBeUndefined();
    });
  });
}
