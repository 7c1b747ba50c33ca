import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { destroy, planDestroy } from '../../src/provision/destroy.ts';
import { instanceTrust } from '../../src/provision/machines.ts';
import { openProvisioner, type Provisioner, provision } from '../../src/provision/provision.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { someMachines } from './machine-choices.ts';
import { openRecorder, type Recorder } from './recorder.ts';
import { isMutating, quickLauncher } from './targets.ts';
import { someLaunchSettings } from './wish.ts';

/** Test F26. What looks like the cluster's and is not, by name, tag or both, is not touched: the calls say so. */
describe('destroy among decoys', { timeout: 60_000 }, () => {
  let cloud: Awaited<ReturnType<typeof startTestCloud>>;
  let recorder: Recorder;
  let provisioner: Provisioner;
  let installId: string;
  /** What identifies each decoy in a call: a name or an id. */
  const decoys: string[] = [];

  /** Each decoy as it is now. */
  const look = async (): Promise<readonly unknown[]> => {
    const { sqs, buckets, iam, ssm, ec2 } = provisioner.clouds;
    return Promise.all(
      decoys.map(async (name) => {
        if (name.startsWith('i-')) return ec2.machines.get(name);
        if (name.startsWith('eipalloc-')) return (await ec2.addresses.find({})).find(({ id }) => id === name);
        if (name.startsWith('/')) return ssm.get(name);
        const [kind = '', rest = ''] = name.split(' ');
        switch (kind) {
          case 'queue':
            return [(await sqs.attributes(rest))?.['CreatedTimestamp'], await sqs.tags(rest)];
          case 'bucket':
            return buckets.read(rest);
          case 'role':
            return iam.role(rest);
          case 'profile':
            return iam.profile(rest);
          case 'group':
            return ec2.groups.find(rest);
          default:
            return ec2.templates.find(rest);
        }
      }),
    );
  };

  beforeAll(async () => {
    cloud = await startTestCloud({ launcher: quickLauncher, graceSeconds: 1 });
    recorder = await openRecorder(cloud.connection.endpoint ?? '');
    const connection = { ...cloud.connection, endpoint: recorder.endpoint };
    ({ installId } = await provision(connection, {
      retentionSeconds: 7 * 86_400,
      visibilitySeconds: 30,
      workerSettings: {},
      apiKeys: true,
      machines: someMachines,
    }));
    provisioner = await openProvisioner(connection);
    const { sqs, buckets, iam, ssm, ec2 } = provisioner.clouds;
    const ours = { 'imgrec:cluster': 'test', 'imgrec:install': installId };
    const tagged = {
      none: {},
      otherInstall: { ...ours, 'imgrec:install': 'another' },
      otherCluster: { ...ours, 'imgrec:cluster': 'test2' },
      clusterOnly: { 'imgrec:cluster': 'test' },
    };
    for (const [name, tags] of Object.entries(tagged)) {
      await sqs.create(`test-responses-${name.toLowerCase()}`, {}, tags);
      decoys.push(`queue test-responses-${name.toLowerCase()}`);
      const subject = {
        templateId: await ec2.templates.create(`test-web-${name}`, someLaunchSettings, tags),
        subnetId: undefined,
      };
      decoys.push(`template test-web-${name}`);
      const machine = await ec2.machines.launch({ ...subject, tags, clientToken: name });
      decoys.push(machine?.id ?? 'no instance');
      decoys.push(await ec2.addresses.allocate(tags));
    }
    // Even our own tags do not make ours what is not of one of our names.
    await buckets.create('test-input-archive');
    await sqs.create('test-requests-old', {}, ours);
    await iam.createRole('test-web-admin', {
      path: '/',
      trust: instanceTrust('aws'),
      boundary: undefined,
      tags: ours,
    });
    await iam.createProfile('test2-web', '/', tagged.otherCluster);
    const [group] = await ec2.groups.find('test-web');
    await ec2.groups.create('test-web-2', group?.vpcId ?? '', ours);
    await ssm.create('/imgrec/test2/settings', '{}', tagged.otherCluster);
    await ssm.createSecret('/imgrec/test/api-keys-old', 'kept', ours);
    decoys.push('/imgrec/test/api-keys-old');
    decoys.push('bucket test-input-archive', 'queue test-requests-old', 'role test-web-admin');
    decoys.push('profile test2-web', 'group test-web-2', '/imgrec/test2/settings');
  });
  afterAll(async () => {
    provisioner.close();
    await recorder.close();
    await cloud.close();
  });

  test('there are more than 20 of them', async () => {
    expect(decoys.length).toBeGreaterThanOrEqual(20);
    expect((await look()).filter((each) => each === undefined)).toEqual([]);
  });

  test('no call changes one of them, and none is another than before', async () => {
    const before = await look();
    recorder.forget();
    const plan = await planDestroy(provisioner.clouds, provisioner.keepers);
    expect(plan.steps.length).toBeGreaterThan(16);
    await destroy(provisioner, plan, { deleteData: false, graceSeconds: 1 });
    const changes = recorder.sent.filter(({ operation }) => isMutating(operation));
    expect(changes.length).toBeGreaterThan(16);
    const names = decoys.map((decoy) => decoy.split(' ').pop() ?? decoy);
    const isAbout = (text: string, name: string) => new RegExp(`(^|[^\\w-])${name}($|[^\\w-])`).test(text);
    for (const { operation, path, body } of changes)
      for (const name of names) {
        expect(isAbout(decodeURIComponent(`${path} ${body}`), name), `${operation} ${name}`).toBe(false);
      }
    expect(await look()).toEqual(before);
  });

  test('a second run finds nothing', async () => {
    const plan = await planDestroy(provisioner.clouds, provisioner.keepers);
    expect(plan.steps).toEqual([]);
    expect(await destroy(provisioner, plan, { deleteData: false, graceSeconds: 1 })).toEqual([]);
  });
});
