import {
  CreateSubnetCommand,
  CreateVpcCommand,
  CreateVpcEndpointCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Connection, clientConfig } from '../../src/aws/connection.ts';
import { createIam } from '../../src/aws/iam.ts';
import { openEc2Setup } from '../../src/aws/machines.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { networkOf } from '../../src/localcloud/ec2/vpc.ts';
import type { LocalCloudOptions } from '../../src/localcloud/server.ts';
import { destroy, planDestroy } from '../../src/provision/destroy.ts';
import { instanceTrust, type MachineChoices, machinesWith } from '../../src/provision/machines.ts';
import { openProvisioner, provision } from '../../src/provision/provision.ts';
import { wishOf } from '../../src/provision/wish.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { openRecorder } from './recorder.ts';
import { idleLauncher, moto, motoConnection } from './targets.ts';

const order = (machines: Partial<MachineChoices>) => ({
  retentionSeconds: 7 * 86_400,
  visibilitySeconds: 30,
  workerSettings: {},
  graceSeconds: 1,
  machines: machinesWith(machines),
});

/** Nobody here waits for machines that take minutes: what polls every two seconds polls at once. */
const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal) };

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const startCloud = async (
  options: Pick<LocalCloudOptions, 'clock' | 'slowIam'> = {},
): Promise<Connection> => {
  const { connection, close } = await startTestCloud({ ...options, launcher: idleLauncher, graceSeconds: 1 });
  closing.push(close);
  return connection;
};

const webInstances = async (connection: Connection) => {
  const { machines, close } = openEc2Setup(connection);
  const found = await machines.find({ 'imgrec:cluster': connection.cluster, 'imgrec:role': 'web' });
  close();
  return found.map(({ state }) => state);
};

test('an instance profile that EC2 does not know yet is waited for, and the web instance comes up', async () => {
  let aheadMs = 0;
  const ahead = { ...systemClock, wallMs: () => systemClock.wallMs() + aheadMs };
  /** Sleeps pass at once, for the cloud as well. */
  const hurried: Clock = {
    ...ahead,
    monotonicMs: () => systemClock.monotonicMs() + aheadMs,
    sleep: async (ms, signal) => {
      aheadMs += ms;
      await systemClock.sleep(20, signal);
    },
  };
  const connection = await startCloud({ clock: ahead, slowIam: true });
  const said: string[] = [];
  const report = await provision(connection, order({}), { clock: hurried, say: (line) => said.push(line) });
  expect(said).toEqual([expect.stringContaining('instance profile test-web is new')]);
  expect(report.changes.filter(({ kind }) => kind === 'instance')).toHaveLength(1);
  expect(aheadMs).toBeGreaterThan(8_000);
  expect(await webInstances(connection)).toEqual(['running']);
});

describe('--subnets', () => {
  const [publicSubnet, , , behindNat, closedIn] = networkOf('us-east-1').subnets.map(({ id }) => id) as [
    string,
    string,
    string,
    string,
    string,
  ];

  test('behind a NAT gateway are taken, and nothing there has a public address', async () => {
    const connection = await startCloud();
    const { changes } = await provision(connection, order({ subnets: [behindNat] }), { clock });
    const kinds = changes.map(({ kind }) => kind);
    expect(kinds).toContain('instance');
    expect(kinds).not.toContain('address');
    expect(await webInstances(connection)).toEqual(['running']);
  });

  test('with no way out are refused with what is missing, before anything is made', async () => {
    const connection = await startCloud();
    await expect(provision(connection, order({ subnets: [behindNat, closedIn] }))).rejects.toMatchObject({
      message: `machines in ${closedIn} cannot reach AWS: no public address, no NAT gateway, and no VPC endpoint for s3, sqs, ssm, ssmmessages, ec2messages, sts, ec2`,
      hint: expect.stringContaining('NAT gateway'),
    });
    const provisioner = await openProvisioner(connection);
    expect((await planDestroy(provisioner.clouds, provisioner.keepers)).steps).toEqual([]);
    provisioner.close();
  });

  test('of two VPCs are refused', async () => {
    const connection = await startCloud();
    await expect(provision(connection, order({ subnets: [publicSubnet, behindNat] }))).rejects.toMatchObject({
      message: expect.stringContaining('not in one VPC'),
    });
  });
});

const elsewhere = moto === undefined ? ' (IMGREC_TEST_MOTO does not say where moto is)' : '';

describe.skipIf(moto === undefined)(`private --subnets with VPC endpoints, on moto${elsewhere}`, () => {
  const services = ['s3', 'sqs', 'ssm', 'ssmmessages', 'ec2messages', 'sts', 'ec2'];
  const connection = motoConnection();
  let ec2: EC2Client;
  let vpcId: string;
  let subnetId: string;

  const endpoint = async (service: string): Promise<string> => {
    const { VpcEndpoint } = await ec2.send(
      new CreateVpcEndpointCommand({
        VpcId: vpcId,
        ServiceName: `com.amazonaws.us-east-1.${service}`,
        ...(service === 's3' ? {} : { VpcEndpointType: 'Interface', SubnetIds: [subnetId] }),
      }),
    );
    return VpcEndpoint?.VpcEndpointId ?? '';
  };
  const planFor = async () => {
    const provisioner = await openProvisioner(connection);
    try {
      const wish = await wishOf(provisioner.clouds, order({ subnets: [subnetId] }));
      return await provisioner.plan(wish, { adopt: false });
    } finally {
      provisioner.close();
    }
  };

  beforeAll(async () => {
    ec2 = new EC2Client(clientConfig(connection));
    const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }));
    vpcId = Vpc?.VpcId ?? '';
    const { Subnet } = await ec2.send(new CreateSubnetCommand({ VpcId: vpcId, CidrBlock: '10.9.0.0/24' }));
    subnetId = Subnet?.SubnetId ?? '';
  });
  // moto does not delete endpoints, and so not what they are in: they end with it.
  afterAll(() => ec2.destroy());

  test('are refused while one is missing, and taken with all of them, without an address', async () => {
    const missing = services.slice(-2);
    for (const service of services.slice(0, -2)) await endpoint(service);
    await expect(planFor()).rejects.toMatchObject({
      message: expect.stringMatching(new RegExp(`no VPC endpoint for ${missing.join(', ')}$`)),
    });
    for (const service of missing) await endpoint(service);
    const { steps } = await planFor();
    expect(steps.map(({ kind }) => kind)).not.toContain('address');
    const web = steps.find(({ kind }) => kind === 'instance')?.wanted;
    expect(web?.made).toMatchObject({ subnetId });
  });
});

test('--iam existing uses the profiles that are there and writes nothing to IAM, also when it destroys', async () => {
  const direct = await startCloud();
  const iam = createIam(direct);
  const names = ['test-web', 'test-worker'];
  for (const name of names) {
    await iam.createRole(name, {
      path: '/admins/',
      trust: instanceTrust('aws'),
      boundary: undefined,
      tags: {},
    });
    await iam.createProfile(name, '/admins/', {});
    await iam.addRole(name, name);
  }
  const recorder = await openRecorder(direct.endpoint ?? '');
  closing.push(() => recorder.close());
  const connection = { ...direct, endpoint: recorder.endpoint };
  const { changes } = await provision(connection, order({ iam: 'existing' }), { clock });
  expect(changes.map(({ kind }) => kind)).not.toContain('role');
  expect(await webInstances(connection)).toEqual(['running']);
  const provisioner = await openProvisioner(connection, { clock });
  await destroy(provisioner, await planDestroy(provisioner.clouds, provisioner.keepers), {
    deleteData: false,
    graceSeconds: 1,
  });
  provisioner.close();
  expect(recorder.sent.map(({ operation }) => operation)).toContain('ec2:TerminateInstances');
  const writes = recorder.sent.filter(({ operation }) => /^iam:(?!Get|List)/.test(operation));
  expect(writes.map(({ operation }) => operation)).toEqual([]);
  for (const name of names) expect(await iam.profile(name)).toBeDefined();
  iam.close();
});
