import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compiledModule } from '../package.ts';
import { startLocalCloud } from './server.ts';
import { readCloudFile } from './state.ts';

let stateFolder = '';
const children = new Set<ChildProcess>();

beforeEach(() => {
  stateFolder = path.join(mkdtempSync(path.join(tmpdir(), 'imgrec-cloud-')), 'state');
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  children.clear();
  rmSync(path.dirname(stateFolder), { recursive: true, force: true });
});

const start = async (...args: readonly string[]): Promise<ChildProcess> => {
  const child = fork(compiledModule('src/localcloud/main.ts'), ['--state', stateFolder, ...args], {
    silent: true,
  });
  children.add(child);
  const [message] = await once(child, 'message');
  expect(message).toMatchObject({ type: 'ready' });
  return child;
};

const kill = async (child: ChildProcess): Promise<void> => {
  child.kill('SIGKILL');
  await once(child, 'exit');
};

const connect = () => {
  const cloud = readCloudFile(stateFolder);
  if (!cloud) throw new Error('no cloud file');
  const config = {
    endpoint: cloud.endpoint,
    region: cloud.region,
    credentials: { ...cloud },
    maxAttempts: 1,
  };
  return {
    cloud,
    sqs: new SQSClient({ ...config, useQueueUrlAsEndpoint: false }),
    s3: new S3Client({ ...config, forcePathStyle: true }),
    ssm: new SSMClient(config),
  };
};

describe('after SIGKILL', () => {
  test('what was acknowledged is there again, at the same place, for the same credentials', async () => {
    const first = await start();
    const { sqs, s3, ssm, cloud } = connect();
    const { QueueUrl } = await sqs.send(
      new CreateQueueCommand({ QueueName: 'q', Attributes: { VisibilityTimeout: '600' } }),
    );
    for (const body of ['kept', 'deleted', 'in flight'])
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: body }));
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageSystemAttributeNames: ['All'] }),
    );
    const deleted = Messages.find(({ Body }) => Body === 'deleted');
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: deleted?.ReceiptHandle }));
    await s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
    await s3.send(
      new PutObjectCommand({ Bucket: 'bucket', Key: 'a/b', Body: 'content', Metadata: { m: 'v' } }),
    );
    await ssm.send(new PutParameterCommand({ Name: '/p', Value: 'v', Type: 'String' }));
    await kill(first);

    await start();
    expect(connect().cloud).toEqual({ ...cloud, pid: expect.any(Number) });
    const again = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageSystemAttributeNames: ['All'] }),
    );
    expect(again.Messages?.map(({ Body }) => Body).sort()).toEqual(['in flight', 'kept']);
    const kept = again.Messages?.find(({ Body }) => Body === 'kept');
    const before = Messages.find(({ Body }) => Body === 'kept');
    expect(kept?.MessageId).toBe(before?.MessageId);
    expect(kept?.Attributes).toEqual({ ...before?.Attributes, ApproximateReceiveCount: '2' });
    const object = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'a/b' }));
    expect(await object.Body?.transformToString()).toBe('content');
    expect(object.Metadata).toEqual({ m: 'v' });
    expect((await ssm.send(new GetParameterCommand({ Name: '/p' }))).Parameter?.Value).toBe('v');
  });

  test('in the middle of writing, no acknowledged send or put is lost and every object is whole', async () => {
    const first = await start();
    const { sqs, s3 } = connect();
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'q' }));
    await s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
    const acknowledged: string[] = [];
    const write = async (writer: number): Promise<void> => {
      for (let n = 0; n < 10_000; n++) {
        const name = `${writer}-${n}`;
        await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: name, Body: name.repeat(20_000) }));
        await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: name }));
        acknowledged.push(name);
        if (acknowledged.length === 40) first.kill('SIGKILL');
      }
    };
    await Promise.allSettled([write(1), write(2), write(3)]);
    expect(acknowledged.length).toBeGreaterThanOrEqual(40);

    await start();
    const received = new Set<string>();
    for (let empty = 0; empty < 2; ) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
      );
      for (const { Body } of Messages) received.add(Body ?? '');
      empty = Messages.length === 0 ? empty + 1 : 0;
    }
    expect(acknowledged.filter((name) => !received.has(name))).toEqual([]);
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'bucket' }));
    const keys = Contents.map(({ Key }) => Key ?? '');
    expect(acknowledged.filter((name) => !keys.includes(name))).toEqual([]);
    for (const key of keys) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: key }));
      expect((await Body?.transformToString()) === key.repeat(20_000)).toBe(true);
    }
  });
});

describe('the state folder', () => {
  test('a second local cloud is refused and told which process has it', async () => {
    const first = await start();
    await expect(startLocalCloud({ stateFolder })).rejects.toThrow(
      `already runs on ${stateFolder} (process ${first.pid})`,
    );
    await kill(first);
    const second = await startLocalCloud({ stateFolder });
    await expect(startLocalCloud({ stateFolder })).rejects.toThrow(`(process ${process.pid})`);
    await second.close();
    await (await startLocalCloud({ stateFolder })).close();
  });

  test('a lock whose pid now belongs to another process does not block', async () => {
    await (await startLocalCloud({ stateFolder })).close();
    writeFileSync(
      path.join(stateFolder, 'lock'),
      JSON.stringify({ pid: process.ppid, identity: 'long ago' }),
    );
    await (await startLocalCloud({ stateFolder })).close();
    writeFileSync(path.join(stateFolder, 'lock'), '');
    await (await startLocalCloud({ stateFolder })).close();
  });

  test('of two that start at once on a stale lock, one runs', async () => {
    await (await startLocalCloud({ stateFolder })).close();
    writeFileSync(path.join(stateFolder, 'lock'), JSON.stringify({ pid: 999_999_999, identity: 'x' }));
    const forkOne = async (): Promise<string> => {
      const child = fork(compiledModule('src/localcloud/main.ts'), ['--state', stateFolder], {
        silent: true,
      });
      children.add(child);
      const [message] = (await once(child, 'message')) as [{ readonly type: string }];
      return message.type;
    };
    expect((await Promise.all([forkOne(), forkOne(), forkOne()])).sort()).toEqual([
      'failed',
      'failed',
      'ready',
    ]);
  });

  test('folder and credentials are readable by their owner only', async () => {
    await (await startLocalCloud({ stateFolder })).close();
    expect(statSync(stateFolder).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(stateFolder, 'cloud.json')).mode & 0o777).toBe(0o600);
  });

  test('one that closes is waited for', async () => {
    const first = await startLocalCloud({ stateFolder });
    const closed = first.close();
    const second = await startLocalCloud({ stateFolder });
    await closed;
    expect(second.port).toBe(first.port);
    await second.close();
  });

  test('where something else has the port of last time, another is taken and written down', async () => {
    const { port } = await startLocalCloud({ stateFolder }).then(async (cloud) => {
      await cloud.close();
      return cloud;
    });
    const other = await startLocalCloud({
      stateFolder: path.join(path.dirname(stateFolder), 'other'),
      port,
    });
    const cloud = await startLocalCloud({ stateFolder });
    expect(cloud.port).not.toBe(port);
    expect(readCloudFile(stateFolder)?.port).toBe(cloud.port);
    await cloud.close();
    await other.close();
  });

  test('a port that something else has is named in the error', async () => {
    const other = await startLocalCloud({ stateFolder: path.join(path.dirname(stateFolder), 'other') });
    await expect(startLocalCloud({ stateFolder, port: other.port })).rejects.toThrow(
      `port ${other.port} is in use`,
    );
    await other.close();
  });
});

describe('the process', () => {
  test('ignores Ctrl-C, which reaches the whole group, and ends when told to', async () => {
    const child = await start();
    child.kill('SIGINT');
    child.send({ type: 'stop' });
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('ends when its supervisor is gone', async () => {
    const child = await start();
    child.disconnect();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test.runIf(process.platform === 'linux')('listens on 127.0.0.1 only', async () => {
    const cloud = await startLocalCloud({ stateFolder });
    const reach = (host: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = createConnection(cloud.port, host, () => resolve('connected'));
        socket.on('error', () => resolve('refused')).on('connect', () => socket.destroy());
      });
    // All of 127.0.0.0/8 is this machine on Linux: a server on every address would answer there too.
    expect([await reach('127.0.0.1'), await reach('127.0.0.2')]).toEqual(['connected', 'refused']);
    await cloud.close();
  });
});

describe('--faults', () => {
  const startWith = (faults: string): ChildProcess => {
    const args = ['--state', stateFolder, '--faults', faults];
    const child = fork(compiledModule('src/localcloud/main.ts'), args, { silent: true });
    children.add(child);
    return child;
  };

  test('takes a file of rules, which hold from the first request on', async () => {
    const file = path.join(path.dirname(stateFolder), 'faults.json');
    writeFileSync(file, JSON.stringify({ rules: [{ operation: 'sqs:CreateQueue', fault: 'slow-down' }] }));
    await once(startWith(file), 'message');
    const { sqs } = connect();
    await expect(sqs.send(new CreateQueueCommand({ QueueName: 'q' }))).rejects.toMatchObject({
      name: 'ServiceUnavailable',
    });
    expect(readFileSync(path.join(stateFolder, 'faults.jsonl'), 'utf8')).toContain(
      '"operation":"sqs:CreateQueue"',
    );
  });

  test('takes a seed', async () => {
    const [message] = await once(startWith('42'), 'message');
    expect(message).toMatchObject({ type: 'ready' });
  });

  test('does not start on what is no plan, and says which member is wrong', async () => {
    const file = path.join(path.dirname(stateFolder), 'faults.json');
    writeFileSync(file, JSON.stringify({ rules: [{ operation: 'sqs:CreateQueue', fault: 'explode' }] }));
    const [message] = await once(startWith(file), 'message');
    expect(message).toMatchObject({ type: 'failed', message: expect.stringContaining('rules[0].fault') });
  });
});
