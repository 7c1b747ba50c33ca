import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/aws/connection.ts';
import { clusterNames } from '../../src/aws/names.ts';
import { createSsm, type Ssm } from '../../src/aws/ssm.ts';
import { manageApiKeys } from '../../src/provision/api-keys.ts';
import { cloudFormation } from '../../src/provision/cloudformation.ts';
import { destroy, planDestroy } from '../../src/provision/destroy.ts';
import { describeStep } from '../../src/provision/diff.ts';
import { machinesWith } from '../../src/provision/machines.ts';
import { changesOf } from '../../src/provision/plan.ts';
import { openProvisioner, type Provisioner } from '../../src/provision/provision.ts';
import { renderPlan } from '../../src/provision/render.ts';
import { type Order, wishOf } from '../../src/provision/wish.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { moto, motoConnection } from './targets.ts';

const order: Order = {
  retentionSeconds: 7 * 86_400,
  visibilitySeconds: 30,
  workerSettings: {},
  machines: machinesWith({ webInstances: 0 }),
};

const targets = [
  { name: 'the local cloud', why: '', open: startTestCloud },
  {
    name: 'moto',
    why: moto === undefined ? ' (IMGREC_TEST_MOTO does not say where it is)' : '',
    open: async () => ({ connection: motoConnection(), close: async () => {} }),
  },
];

describe.each(targets)('API keys on $name$why', ({ why, open }) => {
  describe.skipIf(why !== '')('of a cluster', { timeout: 60_000 }, () => {
    let connection: Connection;
    let close: () => Promise<void>;
    let provisioner: Provisioner;
    let ssm: Ssm;
    let parameter: string;

    const plan = async (apiKeys?: boolean) =>
      provisioner.plan(await wishOf(provisioner.clouds, { ...order, apiKeys }), { adopt: false });
    const apply = async (apiKeys?: boolean) => {
      const made = await plan(apiKeys);
      await provisioner.apply(made);
      return changesOf(made).map(({ action, kind, name }) => `${action} ${kind} ${name}`);
    };
    const settings = async () =>
      JSON.parse(
        (await ssm.get(clusterNames(connection.cluster, '', '').settingsParameter)) ?? '{}',
      ) as object;
    const manage = (action: 'show' | 'rotate' | 'revoke') =>
      manageApiKeys({ ssm, names: provisioner.clouds.names }, action);

    beforeAll(async () => {
      ({ connection, close } = await open());
      provisioner = await openProvisioner(connection);
      ssm = createSsm(connection);
      parameter = provisioner.clouds.names.apiKeysParameter;
    });
    afterAll(async () => {
      const gone = await planDestroy(provisioner.clouds, provisioner.keepers);
      await destroy(provisioner, gone, { deleteData: false, graceSeconds: 1 });
      expect(await ssm.typeOf(parameter)).toBeUndefined();
      ssm.close();
      provisioner.close();
      await close();
    });

    test('there are none where nobody asked for them', async () => {
      await apply();
      expect(await ssm.typeOf(parameter)).toBeUndefined();
      expect(await settings()).not.toHaveProperty('api-keys');
      await expect(manage('show')).rejects.toMatchObject({ exitCode: 3 });
    });

    test('are made as a SecureString, with the right to read it, and instances are told to ask', async () => {
      const { cluster } = connection;
      expect(await apply(true)).toEqual([
        `update parameter /imgrec/${cluster}/settings`,
        `create secret ${parameter}`,
        `update role ${cluster}-web`,
        `update launch-template ${cluster}-web`,
      ]);
      expect(await ssm.typeOf(parameter)).toBe('SecureString');
      expect(await settings()).toEqual({ 'api-keys': true });
      expect(await manage('show')).toHaveLength(1);
    });

    test('stay what they are, also when the next run does not name them', async () => {
      const before = await manage('show');
      for (const again of [undefined, true]) expect(await apply(again)).toEqual([]);
      expect(await manage('show')).toEqual(before);
    });

    test('are in no plan, no template, no user data, no tag', async () => {
      const [first] = await manage('show');
      const made = await plan(true);
      const shown = [
        JSON.stringify(made.steps),
        JSON.stringify(made.steps.map(describeStep)),
        renderPlan(made.steps),
        JSON.stringify(cloudFormation(connection.cluster, made.wanted)),
        JSON.stringify(await planDestroy(provisioner.clouds, provisioner.keepers)),
      ];
      expect(shown[0]).toContain('"SecureString"');
      for (const text of shown) expect(text).not.toContain(first?.key);
    });

    test('a new one holds beside the one before, which ends at the next or when it is revoked', async () => {
      const [first] = await manage('show');
      const [second, ...olds] = await manage('rotate');
      expect(olds).toEqual([first]);
      const [third, ...others] = await manage('rotate');
      expect(others).toEqual([second]);
      expect(await manage('revoke')).toEqual([third]);
      expect(await manage('show')).toEqual([third]);
      expect(new Set([first, second, third].map((each) => each?.key)).size).toBe(3);
      expect(await ssm.typeOf(parameter)).toBe('SecureString');
      // What is kept is compared by kind, not by content: a rotation is no drift.
      expect(await apply(true)).toEqual([]);
    });

    test('come back as a secret, with another key, where somebody put them into the open', async () => {
      const [first] = await manage('show');
      const tags = await ssm.tags('Parameter', parameter);
      await ssm.remove(parameter);
      await ssm.create(parameter, `${first?.name}:${first?.key}`, tags);
      expect(await apply()).toEqual([`update secret ${parameter}`]);
      expect(await ssm.typeOf(parameter)).toBe('SecureString');
      expect((await manage('show')).map(({ key }) => key)).not.toContain(first?.key);
    });

    test('go when they are not wanted any more, and only what is ours goes', async () => {
      const { cluster } = connection;
      expect(await apply(false)).toEqual([
        `update parameter /imgrec/${cluster}/settings`,
        `update role ${cluster}-web`,
        `update launch-template ${cluster}-web`,
        `delete secret ${parameter}`,
      ]);
      expect(await ssm.typeOf(parameter)).toBeUndefined();
      expect(await settings()).not.toHaveProperty('api-keys');
      await ssm.createSecret(parameter, `somebody:${'s'.repeat(20)}`, {});
      expect(await apply(false)).toEqual([]);
      await expect(plan()).rejects.toMatchObject({
        message: expect.stringContaining(`${parameter} exists without tags of this cluster`),
      });
      await ssm.remove(parameter);
    });
  });
});
