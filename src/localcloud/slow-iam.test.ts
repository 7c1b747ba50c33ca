import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2';
import { CreateInstanceProfileCommand, IAMClient } from '@aws-sdk/client-iam';
import { expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { publicImages } from './public-images.ts';
import { startLocalCloud } from './server.ts';

const userData = Buffer.from('#!/bin/sh\n# imgrec {}\n').toString('base64');

test('with slow-iam a new instance profile is unknown to EC2 for ten seconds', async () => {
  const stateFolder = mkdtempSync(path.join(tmpdir(), 'imgrec-slow-iam-'));
  let aheadMs = 0;
  const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + aheadMs };
  const cloud = await startLocalCloud({
    stateFolder,
    clock,
    slowIam: true,
    launcher: [
      process.execPath,
      '-e',
      'process.send({type:"ready"}); process.on("SIGTERM", () => process.exit(0))',
    ],
  });
  const { endpoint, region, accessKeyId, secretAccessKey } = cloud;
  const config = { endpoint, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
  const ec2 = new EC2Client(config);
  const iam = new IAMClient(config);
  try {
    await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'new' }));
    const launch = () =>
      ec2.send(
        new RunInstancesCommand({
          ImageId: publicImages[0]?.id,
          InstanceType: 't3.micro',
          MinCount: 1,
          MaxCount: 1,
          UserData: userData,
          IamInstanceProfile: { Name: 'new' },
        }),
      );
    await expect(launch()).rejects.toMatchObject({
      name: 'InvalidParameterValue',
      message: expect.stringContaining('Invalid IAM Instance Profile name'),
    });
    aheadMs = 10_001;
    expect((await launch()).Instances).toHaveLength(1);
  } finally {
    ec2.destroy();
    iam.destroy();
    await cloud.close();
    rmSync(stateFolder, { recursive: true, force: true });
  }
});
