import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createIam } from '../../src/aws/iam.ts';
import { destroy, planDestroy } from '../../src/provision/destroy.ts';
import { machinesWith, policySubject } from '../../src/provision/machines.ts';
import { operatorPolicy } from '../../src/provision/operator-policy.ts';
import { openProvisioner, provision } from '../../src/provision/provision.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { judges, without } from './judges.ts';
import { operatorRequestsOf } from './operator-requests.ts';
import { openRecorder, type Recorder } from './recorder.ts';
import { openSimulator } from './simulate.ts';
import { idleLauncher } from './targets.ts';

const title = `the rights of the operator${without.iamSimulate}`;

/**
 * Everything is made, changed and removed through a recorder, and IAM's simulator judges each call that was sent by the policy that
 * `imgrec provision policy operator` prints.
 */
describe.skipIf(without.iamSimulate !== '')(title, { timeout: 60_000 }, () => {
  let recorder: Recorder;
  let close: () => Promise<void>;
  let refused: readonly string[] = [];
  let asked: readonly string[] = [];

  beforeAll(async () => {
    const cloud = await startTestCloud({ launcher: idleLauncher, graceSeconds: 1 });
    ({ close } = cloud);
    recorder = await openRecorder(cloud.connection.endpoint ?? '');
    const connection = { ...cloud.connection, endpoint: recorder.endpoint };
    const machines = machinesWith({});
    const order = {
      retentionSeconds: 7 * 86_400,
      visibilitySeconds: 30,
      workerSettings: {},
      graceSeconds: 1,
      machines,
    };
    await provision(connection, order);
    // Somebody bound a role by hand: that is taken back.
    const iam = createIam(cloud.connection);
    await iam.setBoundary('test-web', 'arn:aws:iam::aws:policy/ReadOnlyAccess');
    iam.close();
    // Other choices change the queues, the groups, the templates and the settings.
    await provision(connection, {
      ...order,
      visibilitySeconds: 45,
      workerSettings: { 'max-receives': 4 },
      machines: machinesWith({ volumeGib: 10, allowFrom: '203.0.113.0/24', instanceTypes: ['c7a.large'] }),
    });
    const provisioner = await openProvisioner(connection);
    const { clouds, keepers } = provisioner;
    await destroy(provisioner, await planDestroy(clouds, keepers), { deleteData: true, graceSeconds: 1 });
    const { account } = clouds.place;
    const subject = policySubject({ names: clouds.names, place: clouds.place }, machines);
    provisioner.close();

    const { allows } = await openSimulator(judges.iamSimulate ?? '');
    const requests = new Map(
      recorder.sent
        .flatMap((call) => operatorRequestsOf(call, subject))
        .map((request) => [JSON.stringify(request), request]),
    );
    asked = [...new Set([...requests.values()].map(({ action }) => action))];
    const policy = operatorPolicy(subject);
    const no: string[] = [];
    for (const request of requests.values())
      if (!(await allows(policy, request, account)))
        no.push(`${request.action} on ${request.resource} ${JSON.stringify(request.context)}`);
    refused = no;
  }, 60_000);
  afterAll(async () => {
    await recorder.close();
    await close();
  });

  test('allow every call that makes, changes and removes a cluster', () => {
    expect(refused).toEqual([]);
  });

  test('were asked for by calls to every service', () => {
    for (const action of [
      's3:PutBucketPolicy',
      'sqs:SetQueueAttributes',
      'ssm:PutParameter',
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
});
