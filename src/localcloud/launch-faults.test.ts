import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { callAdmin } from './admin-client.ts';
import { publicImages } from './public-images.ts';
import { type LocalCloud, startLocalCloud } from './server.ts';

let folder = '';
let cloud: LocalCloud;
let ec2: EC2Client;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'imgrec-launch-faults-'));
  cloud = await startLocalCloud({ stateFolder: folder, idleInstances: true });
  const { endpoint, region, accessKeyId, secretAccessKey } = cloud;
  ec2 = new EC2Client({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
});
afterEach(async () => {
  ec2.destroy();
  await cloud.close();
  rmSync(folder, { recursive: true, force: true });
});

const plan = (...rules: object[]) => callAdmin(cloud, 'PUT', 'faults', { rules });

const run = async (more: Partial<RunInstancesCommandInput> = {}) => {
  const { Instances = [] } = await ec2.send(
    new RunInstancesCommand({
      ImageId: publicImages[0]?.id,
      InstanceType: 'c7a.medium',
      MinCount: 1,
      MaxCount: 1,
      UserData: Buffer.from('#!/bin/sh\n# imgrec {}\n').toString('base64'),
      ...more,
    }),
  );
  return Instances.map(({ InstanceId = '' }) => InstanceId);
};

const list = async () => {
  const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({}));
  return Reservations.flatMap(({ Instances = [] }) => Instances.map(({ InstanceId }) => InstanceId));
};

test('a pool without capacity refuses, the others launch', async () => {
  await plan({ operation: 'ec2:RunInstances', fault: 'no-capacity', instanceTypes: ['c7a.medium'] });
  await expect(run()).rejects.toMatchObject({
    name: 'InsufficientInstanceCapacity',
    $metadata: { httpStatusCode: 500 },
  });
  expect(await run({ InstanceType: 'm7a.medium' })).toHaveLength(1);
});

test('with room for some, as many are launched as there is room for', async () => {
  await plan({ operation: 'ec2:RunInstances', fault: 'no-capacity', limit: 2 });
  expect(await run({ MaxCount: 5 })).toHaveLength(3);
});

test('the log of faults tells which pool a launch was hit in, and nothing else of its request', async () => {
  await plan({ operation: 'ec2:RunInstances', fault: 'boot-delay', ms: 1_000 });
  await run();
  const lines = readFileSync(path.join(folder, 'faults.jsonl'), 'utf8').trim().split('\n');
  expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
    at: expect.stringMatching(/^\d{4}-/),
    event: 'launch-fault',
    seconds: expect.any(Number),
    operation: 'ec2:RunInstances',
    instanceType: 'c7a.medium',
    subnetId: expect.stringMatching(/^subnet-/),
    market: 'on-demand',
    hasCapacity: true,
    bootDelayMs: 1_000,
    rules: [0],
    seed: 1,
  });
});

test('a throttled launch is RequestLimitExceeded', async () => {
  await plan({ operation: 'ec2:RunInstances', fault: 'throttle' });
  await expect(run()).rejects.toMatchObject({ name: 'RequestLimitExceeded' });
  expect(await list()).toEqual([]);
});

test('a launch whose answer is lost is done, and the same token finds it', async () => {
  await plan({ operation: 'ec2:RunInstances', fault: 'drop-response', limit: 1 });
  await expect(run({ ClientToken: 'slot-1' })).rejects.toThrow();
  const ids = await run({ ClientToken: 'slot-1' });
  expect(await list()).toEqual(ids);
});

test('where DescribeInstances lags, a new instance is not there yet, not even by its id', async () => {
  await plan({ operation: 'ec2:DescribeInstances', fault: 'lag', ms: 30_000 });
  const [id = ''] = await run();
  expect(await list()).toEqual([]);
  const asking = ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  await expect(asking).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' });
  await callAdmin(cloud, 'DELETE', 'faults');
  expect(await list()).toEqual([id]);
});

test('a thousand instances that do nothing are launched, listed in pages and terminated', async () => {
  const ids = await run({ MaxCount: 1_000 });
  expect(ids).toHaveLength(1_000);
  const found: (string | undefined)[] = [];
  let token: string | undefined;
  for (let page = 0; page < 10; page += 1) {
    const { Reservations = [], NextToken } = await ec2.send(
      new DescribeInstancesCommand({
        MaxResults: 400,
        ...(token === undefined ? {} : { NextToken: token }),
      }),
    );
    found.push(...Reservations.flatMap(({ Instances = [] }) => Instances.map((one) => one.InstanceId)));
    token = NextToken;
    if (!token) break;
  }
  expect(found.toSorted()).toEqual(ids.toSorted());
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: ids }));
});
