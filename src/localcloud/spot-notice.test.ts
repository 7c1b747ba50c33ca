import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DescribeInstancesCommand, EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2';
import { expect, test, vi } from 'vitest';
import { readFaultPlan } from './faults.ts';
import { publicImages } from './public-images.ts';
import { startLocalCloud } from './server.ts';

/** Asks its metadata service who it is and, often, whether it will be taken back. */
const program = `
const endpoint = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT;
const seconds = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' };
const token = await (await fetch(endpoint + '/latest/api/token', { method: 'PUT', headers: seconds })).text();
const read = (what) => fetch(endpoint + '/latest/meta-data/' + what, { headers: { 'x-aws-ec2-metadata-token': token } });
console.log('I am ' + (await (await read('instance-id')).text()));
process.on('SIGTERM', () => process.exit(0));
process.send({ type: 'ready' });
setInterval(async () => {
  const answer = await read('spot/instance-action');
  if (answer.status === 200) console.log('notice ' + (await answer.text()));
}, 50);
`;

test('a Spot instance learns from its own metadata that it will be taken back, and then is', async () => {
  const stateFolder = mkdtempSync(path.join(tmpdir(), 'imgrec-spot-'));
  writeFileSync(path.join(stateFolder, 'program.mjs'), program);
  const cloud = await startLocalCloud({
    stateFolder,
    launcher: [process.execPath, path.join(stateFolder, 'program.mjs')],
    faults: readFaultPlan({
      rules: [{ operation: 'ec2:RunInstances', fault: 'spot-interruption', afterMs: 1_000, noticeMs: 1_000 }],
    }),
  });
  const { endpoint, region, accessKeyId, secretAccessKey } = cloud;
  const ec2 = new EC2Client({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
  try {
    const { Instances } = await ec2.send(
      new RunInstancesCommand({
        ImageId: publicImages[0]?.id,
        InstanceType: 'c7a.medium',
        MinCount: 1,
        MaxCount: 1,
        InstanceMarketOptions: { MarketType: 'spot' },
        UserData: Buffer.from('#!/bin/sh\n# imgrec {"role":"web"}\n').toString('base64'),
      }),
    );
    const id = Instances?.[0]?.InstanceId ?? '';
    await vi.waitFor(
      async () => {
        const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
        expect(Reservations?.[0]?.Instances?.[0]).toMatchObject({
          State: { Name: 'terminated' },
          StateReason: { Code: 'Server.SpotInstanceTermination' },
        });
      },
      { timeout: 20_000, interval: 100 },
    );
    const log = readFileSync(path.join(stateFolder, 'instances', `${id}.log`), 'utf8');
    expect(log).toContain(`I am ${id}\n`);
    expect(log).toMatch(/notice {"action":"terminate","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"}/);
  } finally {
    ec2.destroy();
    await cloud.close();
    rmSync(stateFolder, { recursive: true, force: true });
  }
}, 30_000);
