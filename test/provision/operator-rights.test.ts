import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createIam } from '../../src/aws/iam.ts';
import { openEc2Setup } from '../../src/aws/machines.ts';
import { clusterNames } from '../../src/aws/names.ts';
import { identify } from '../../src/aws/sts.ts';
import { compiledModule } from '../../src/package.ts';
import { destroy, planDestroy } from '../../src/provision/destroy.ts';
import { machinesWith, policySubject } from '../../src/provision/machines.ts';
import { operatorPolicy } from '../../src/provision/operator-policy.ts';
import type { PolicySubject } from '../../src/provision/policy-parts.ts';
import { openProvisioner, provision } from '../../src/provision/provision.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { invoke } from '../fixtures/invoke.ts';
import { until } from '../fixtures/processes.ts';
import { judges, without } from './judges.ts';
import { operatorRequestsOf } from './operator-requests.ts';
import { inputOf, openRecorder, type Recorder } from './recorder.ts';
import { openSimulator } from './simulate.ts';
import { idleLauncher } from './targets.ts';

/** Calls, judged by IAM's simulator: which it refuses, and which actions were asked for. */
const judge = async (recorder: Recorder, subject: PolicySubject) => {
  const { account } = subject.place;
  const { allows } = await openSimulator(judges.iamSimulate ?? '');
  const policy = operatorPolicy(subject);
  const requests = new Map(
    recorder.sent
      .flatMap((call) => operatorRequestsOf(call, subject))
      .map((request) => [JSON.stringify(request), request]),
  );
  const refused: string[] = [];
  for (const request of requests.values())
    if (!(await allows(policy, request, account)))
      refused.push(`${request.action} on ${request.resource} ${JSON.stringify(request.context)}`);
  return { refused, asked: new Set([...requests.values()].map(({ action }) => action)) };
};

/**
 * Everything is made, changed and removed through a recorder, and IAM's simulator judges each call that was sent by the policy that
 * `imgrec provision policy operator` prints.
 */
describe.skipIf(without.iamSimulate !== '')(
  `the rights of the operator${without.iamSimulate}`,
  { timeout: 120_000 },
  () => {
    const closing: (() => Promise<void>)[] = [];
    afterAll(async () => {
      for (const close of closing.reverse()) await close();
    });
    const start = async (launcher: readonly string[]) => {
      const cloud = await startTestCloud({ launcher, graceSeconds: 1 });
      const recorder = await openRecorder(cloud.connection.endpoint ?? '');
      closing.push(cloud.close, recorder.close);
      return { ...cloud, recorder };
    };

    test('allow every call that makes, changes and removes a cluster', async () => {
      const { connection: direct, recorder } = await start(idleLauncher);
      const connection = { ...direct, endpoint: recorder.endpoint };
      const machines = machinesWith({});
      const order = {
        retentionSeconds: 7 * 86_400,
        visibilitySeconds: 30,
        workerSettings: {},
        graceSeconds: 1,
        apiKeys: true,
        machines,
      };
      await provision(connection, order);
      // Somebody bound a role by hand: that is taken back.
      const iam = createIam(direct);
      await iam.setBoundary('test-web', 'arn:aws:iam::aws:policy/ReadOnlyAccess');
      iam.close();
      // Other choices change the queues, the groups, the templates and the settings, and take the keys away.
      await provision(connection, {
        ...order,
        visibilitySeconds: 45,
        apiKeys: false,
        workerSettings: { 'max-receives': 4 },
        machines: machinesWith({ volumeGib: 10, allowFrom: '203.0.113.0/24', instanceTypes: ['c7a.large'] }),
      });
      const provisioner = await openProvisioner(connection);
      const { clouds, keepers } = provisioner;
      await destroy(provisioner, await planDestroy(clouds, keepers), { deleteData: true, graceSeconds: 1 });
      const subject = policySubject({ names: clouds.names, place: clouds.place }, machines);
      provisioner.close();

      const { refused, asked } = await judge(recorder, subject);
      expect(refused).toEqual([]);
      for (const action of [
        's3:PutBucketPolicy',
        'sqs:SetQueueAttributes',
        'ssm:PutParameter',
        'kms:Encrypt',
        'iam:PutRolePolicy',
        'iam:PassRole',
        'iam:DeleteRolePermissionsBoundary',
        's3:DeleteObject',
        'ec2:RunInstances',
        'ec2:CreateLaunchTemplateVersion',
        'ec2:AuthorizeSecurityGroupIngress',
        'ec2:TerminateInstances',
      ])
        expect(asked).toContain(action);
    });

    test('allow what the commands of a cluster at work do: image, update, api-key, destroy with drains', async () => {
      const { connection, stateFolder, recorder } = await start([
        process.execPath,
        compiledModule('bin/imgrec.ts'),
        'instance',
      ]);
      // Whoever says --local with this folder talks to the recorder.
      const home = await mkdtemp(path.join(tmpdir(), 'imgrec-operator-'));
      closing.push(() => rm(home, { recursive: true, force: true }));
      await mkdir(path.join(home, '.imgrec'));
      const file = JSON.parse(await readFile(path.join(stateFolder, 'cloud.json'), 'utf8')) as object;
      await writeFile(
        path.join(home, '.imgrec', 'cloud.json'),
        JSON.stringify({ ...file, endpoint: recorder.endpoint }),
      );
      const choices = { port: 0, classifiers: 1, 'poll-wait': 1, 'min-workers': 1, 'max-workers': 2 };
      await writeFile(path.join(home, 'imgrec.json'), JSON.stringify({ ...choices, every: '1s' }));
      const command = async (line: string) => {
        const done = await invoke(`provision ${line} --local --cluster test`.split(' '), {
          workingFolder: home,
        });
        expect(done, `${line}: ${done.stderr}`).toMatchObject({ exitCode: 0 });
        return done;
      };
      const ec2 = openEc2Setup(connection);
      closing.push(async () => ec2.close());
      const workers = async () =>
        (await ec2.machines.find({ 'imgrec:role': 'worker' })).filter(({ state }) => state === 'running');

      await command('--yes --api-keys --grace 2s');
      await command('api-key rotate');
      // The scaler of the web instance launches it.
      await until('a worker is up', async () => (await workers()).length > 0, 60_000);
      await command('image');
      await command('update --yes --grace 3s --boot-timeout 60s');
      await until('a worker is up', async () => (await workers()).length > 0, 60_000);
      await command('destroy --yes --delete-data --grace 3s');

      const { account, region } = await identify(connection);
      const names = clusterNames('test', account, region);
      const subject = policySubject(
        { names, place: { account, region, partition: 'aws' } },
        machinesWith({}),
      );
      const { refused, asked } = await judge(recorder, subject);
      expect(refused).toEqual([]);
      for (const action of [
        'ssm:SendCommand',
        'ssm:GetCommandInvocation',
        'kms:Decrypt',
        'ec2:CreateImage',
        'ec2:StopInstances',
        'ec2:CreateTags',
        'ec2:DeregisterImage',
        'ec2:DeleteSnapshot',
        'ec2:AssociateAddress',
        'ec2:ReleaseAddress',
        'sqs:ListQueueTags',
        'sqs:DeleteQueue',
        's3:GetObject',
      ])
        expect(asked).toContain(action);
      // One of its documents is the cluster's, and the other Amazon's.
      const documents = recorder.sent
        .filter(({ operation }) => operation === 'ssm:SendCommand')
        .map((call) => inputOf(call)['DocumentName']);
      expect(new Set(documents)).toEqual(new Set(['AWS-RunShellScript', 'test-drain']));
    });
  },
);
