import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/aws/connection.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { destroy, planDestroy } from '../../src/provision/destroy.ts';
import { openProvisioner, provision } from '../../src/provision/provision.ts';
import type { Order } from '../../src/provision/wish.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { someMachines } from './machine-choices.ts';
import { type Fate, openRecorder, type Recorder } from './recorder.ts';
import { isMutating, quickLauncher } from './targets.ts';

const order: Order = {
  retentionSeconds: 7 * 86_400,
  visibilitySeconds: 30,
  workerSettings: {},
  apiKeys: true,
  machines: someMachines,
};

/** Nobody here waits for a machine that takes minutes: what polls every two seconds may poll at once. */
const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 5), signal) };

/** All of them at night, every fourth otherwise, another one for each fate: each costs two runs and a destroy. */
const stride = process.env['IMGREC_TEST_EVERY_CALL'] === '1' ? 1 : 4;

/**
 * Test F27. The process dies at a call that changes something: before it arrives, or after, with nobody to hear the answer; after
 * that nothing arrives. A death at a call that only reads is the same as one at the change that follows it.
 */
describe('provision, killed at each change', { timeout: 600_000 }, () => {
  let cloud: Awaited<ReturnType<typeof startTestCloud>>;
  let recorder: Recorder;
  const connectionTo = (cluster: string): Connection => ({
    ...cloud.connection,
    cluster,
    endpoint: recorder.endpoint,
  });

  /** Everything that a cluster has, without what differs from cluster to cluster. */
  const inventoryOf = async (cluster: string): Promise<readonly string[]> => {
    const provisioner = await openProvisioner(connectionTo(cluster), { clock });
    const { steps } = await planDestroy(provisioner.clouds, provisioner.keepers);
    provisioner.close();
    return steps
      .map(({ kind, name, found }) => {
        const isNamedByCloud = kind === 'instance' || kind === 'address';
        return `${kind} ${isNamedByCloud ? found?.tags['imgrec:slot'] : name.replaceAll(cluster, '<cluster>')}`;
      })
      .sort();
  };
  const remove = async (cluster: string): Promise<void> => {
    const provisioner = await openProvisioner(connectionTo(cluster), { clock });
    const plan = await planDestroy(provisioner.clouds, provisioner.keepers);
    await destroy(provisioner, plan, { deleteData: false, graceSeconds: 1 });
    provisioner.close();
  };
  /** Provisions until the nth change, which has this fate. */
  const killedAt = async (cluster: string, n: number, fate: Fate): Promise<void> => {
    let changes = 0;
    let isDead = false;
    recorder.decide(({ operation }) => {
      if (isDead) return 'lost';
      if (!isMutating(operation) || operation.startsWith('sts:')) return 'pass';
      if (changes++ < n) return 'pass';
      isDead = true;
      return fate;
    });
    await provision(connectionTo(cluster), order, { clock }).catch(() => undefined);
    recorder.decide(() => 'pass');
  };

  let reference: readonly string[];
  let changeCount = 0;

  beforeAll(async () => {
    cloud = await startTestCloud({ launcher: quickLauncher, graceSeconds: 1 });
    recorder = await openRecorder(cloud.connection.endpoint ?? '');
    await provision(connectionTo('whole'), order, { clock });
    changeCount = recorder.sent.filter(({ operation }) => isMutating(operation)).length;
    reference = await inventoryOf('whole');
    await remove('whole');
  });
  afterAll(async () => {
    await recorder.close();
    await cloud.close();
  });

  test('there are changes to be killed at', () => {
    expect(changeCount).toBeGreaterThan(40);
    expect(reference.length).toBeGreaterThan(16);
  });

  test.each(['lost', 'unanswered'] as const)(
    'the change is %s: a second run makes the same as ever',
    async (fate) => {
      for (let n = stride === 1 || fate === 'lost' ? 0 : 2; n < changeCount; n += stride) {
        const cluster = `${fate.slice(0, 1)}${n}`;
        await killedAt(cluster, n, fate);
        await provision(connectionTo(cluster), order, { clock });
        expect(await inventoryOf(cluster), `killed at change ${n}`).toEqual(reference);
        const provisioner = await openProvisioner(connectionTo(cluster), { clock });
        // Nothing is left that nobody knows: no second address, no second instance, whatever its tags.
        const [addresses, machines] = [
          await provisioner.clouds.ec2.addresses.find({}),
          await provisioner.clouds.ec2.machines.find({}),
        ];
        provisioner.close();
        expect(addresses, `killed at change ${n}`).toHaveLength(1);
        expect(machines.filter(({ state }) => state === 'running')).toHaveLength(1);
        await remove(cluster);
      }
    },
  );

  test('and then there is nothing left to change', async () => {
    await killedAt('last', Math.floor(changeCount / 2), 'unanswered');
    const { changes } = await provision(connectionTo('last'), order, { clock });
    expect(changes.length).toBeGreaterThan(0);
    expect((await provision(connectionTo('last'), order, { clock })).changes).toEqual([]);
  });
});
