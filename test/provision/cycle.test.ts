import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/aws/connection.ts';
import { destroy, planDestroy } from '../../src/provision/destroy.ts';
import { changesOf } from '../../src/provision/plan.ts';
import { openProvisioner, type Provisioner } from '../../src/provision/provision.ts';
import { type Order, wishOf } from '../../src/provision/wish.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { someMachines } from './machine-choices.ts';
import { drift, instanceLauncher, inventory, moto, motoConnection, python } from './targets.ts';

const targets = [
  { name: 'moto', open: async () => ({ connection: motoConnection(), close: async () => {} }) },
  { name: 'the local cloud', open: () => startTestCloud({ launcher: instanceLauncher }) },
] as const;

/** Why a target is not judged here; undefined when it is. */
const missing = (name: string): string | undefined => {
  if (python === undefined) return 'IMGREC_TEST_BOTO3 says where a Python with boto3 is';
  return name === 'moto' && moto === undefined ? 'IMGREC_TEST_MOTO says where moto is' : undefined;
};

describe.each(targets)('from an empty account to a cluster and back, on $name', ({ name: target, open }) => {
  describe.skipIf(missing(target) !== undefined)(missing(target) ?? 'runs', { timeout: 120_000 }, () => {
    let connection: Connection;
    let close: () => Promise<void>;
    let provisioner: Provisioner;
    let before: Readonly<Record<string, readonly string[]>>;

    const order: Order = {
      retentionSeconds: 7 * 86_400,
      visibilitySeconds: 30,
      workerSettings: { 'max-receives': 3 },
      graceSeconds: 30,
      apiKeys: true,
      machines: someMachines,
    };
    const plan = async () => provisioner.plan(await wishOf(provisioner.clouds, order), { adopt: false });

    beforeAll(async () => {
      ({ connection, close } = await open());
      provisioner = await openProvisioner(connection);
      before = await inventory(connection);
    });
    afterAll(async () => {
      provisioner.close();
      await close();
    });

    test('the first plan makes everything, and changes nothing', async () => {
      const { steps } = await plan();
      expect(new Set(steps.map(({ action }) => action))).toEqual(new Set(['create']));
      expect(await inventory(connection)).toEqual(before);
    });

    test('apply makes it, and boto3 finds it', async () => {
      const made = await plan();
      await provisioner.apply(made);
      const after = await inventory(connection);
      for (const { kind, name } of made.steps) {
        if (kind === 'instance' || kind === 'address')
          expect(after[kind]).toHaveLength((before[kind]?.length ?? 0) + 1);
        // Keys are a parameter to SSM.
        else expect(after[kind === 'secret' ? 'parameter' : kind], kind).toContain(name);
      }
    });

    test('then there is nothing to do', async () => {
      expect(changesOf(await plan())).toEqual([]);
    });

    test('what somebody changed shows as an update, and apply mends it', async () => {
      const { cluster } = connection;
      await drift(connection, cluster);
      const drifted = changesOf(await plan());
      expect(new Set(drifted.map(({ action }) => action))).toEqual(new Set(['update']));
      expect(drifted.map(({ kind, name, changes }) => `${kind} ${name}: ${changes.join(', ')}`)).toEqual([
        expect.stringMatching(/^bucket \S+-input-\S+: publicAccessBlocked$/),
        // moto forgets a queue's Policy whenever another attribute is set.
        `queue ${cluster}-requests: MessageRetentionPeriod${target === 'moto' ? ', Policy' : ''}`,
        `parameter /imgrec/${cluster}/settings: value`,
        `role ${cluster}-worker: otherPolicies`,
        `security-group ${cluster}-worker: ingress`,
        expect.stringMatching(/^launch-template \S+-worker: .*metadata/),
        `address ${cluster}-web-1: instance`,
      ]);
      await provisioner.apply(await plan());
      expect(changesOf(await plan())).toEqual([]);
    });

    test('destroy leaves nothing, and finds nothing the second time', async () => {
      const destroying = await planDestroy(provisioner.clouds, provisioner.keepers);
      await destroy(provisioner, destroying, { deleteData: false, graceSeconds: 1 });
      expect(await inventory(connection)).toEqual(before);
      expect((await planDestroy(provisioner.clouds, provisioner.keepers)).steps).toEqual([]);
    });
  });
});
