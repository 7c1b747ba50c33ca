import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTestCloud } from '../../test/fixtures/cluster.ts';
import { type Cluster, openCluster } from '../aws/cluster.ts';
import type { Register } from '../aws/register.ts';
import { createS3Buckets } from '../aws/s3-buckets.ts';
import { type Clock, systemClock } from '../clock.ts';
import { holdScaler } from './hold.ts';
import { giveOrders } from './lease.ts';
import { openRegister } from './open.ts';
import { scalerStatus } from './status.ts';

/** A clock that sleeping moves: eight seconds pass in 20 ms. */
const hurried = () => {
  let aheadMs = 0;
  const clock: Clock = {
    wallMs: () => systemClock.wallMs() + aheadMs,
    monotonicMs: () => systemClock.monotonicMs() + aheadMs,
    sleep: async (ms, signal) => {
      await systemClock.sleep(20, signal);
      if (signal?.aborted !== true) aheadMs += ms;
    },
  };
  return {
    clock,
    skip: (ms: number) => {
      aheadMs += ms;
    },
    /** S3 whose time is that of this clock. */
    registerOf: (register: Register): Register => ({
      ...register,
      read: async (signal) => {
        const { nowMs, version } = await register.read(signal);
        return { nowMs: nowMs + aheadMs, version };
      },
    }),
  };
};

/** Of a process that is killed as soon as it has the hold. */
const killed: Clock = { ...systemClock, sleep: () => new Promise(() => {}) };

describe('an update that holds the scaler', () => {
  let close: () => Promise<void>;
  let cluster: Cluster;
  let register: Register;
  let time: ReturnType<typeof hurried>;
  let said: string[];

  beforeEach(async () => {
    time = hurried();
    said = [];
    const cloud = await startTestCloud();
    ({ close } = cloud);
    cluster = await openCluster(cloud.connection);
    const { account, region } = cluster.identity;
    const buckets = createS3Buckets(cloud.connection, account, region);
    await buckets.create(cluster.names.opsBucket);
    buckets.close();
    register = time.registerOf(openRegister(cluster));
  });
  afterEach(async () => {
    register.close();
    cluster.close();
    await close();
  });

  const hold = (clock: Clock = time.clock) =>
    holdScaler(register, { clock, signal: new AbortController().signal, say: (line) => said.push(line) });
  const heldSeconds = async () => (await scalerStatus(register)).heldSeconds;

  test('does so until it lets go, and takes nothing from what an operator said', async () => {
    await giveOrders(register, () => ({ paused: false, set: 3 }));
    const held = await hold(systemClock);
    expect(await heldSeconds()).toBeGreaterThan(25);
    expect((await scalerStatus(register)).orders.set).toBe(3);
    await held.release();
    expect(await heldSeconds()).toBe(0);
    expect((await scalerStatus(register)).orders).toEqual({ paused: false, set: 3 });
    expect(held.lost.aborted).toBe(false);
  });

  test('renews it for as long as it takes', async () => {
    const held = await hold();
    const startedMs = time.clock.monotonicMs();
    while (time.clock.monotonicMs() - startedMs < 300_000) {
      expect(await heldSeconds()).toBeGreaterThan(0);
      await systemClock.sleep(10);
    }
    expect(held.lost.aborted).toBe(false);
    await held.release();
  });

  test('and was killed: half a minute later the scaler is free', async () => {
    await hold(killed);
    expect(await heldSeconds()).toBeGreaterThan(25);
    time.skip(31_000);
    expect(await heldSeconds()).toBe(0);
  });

  test('is waited for when it was killed, and then another goes on', async () => {
    await hold(killed);
    const next = await hold();
    expect(said).toEqual([expect.stringContaining('another update has the scaler stopped')]);
    await next.release();
    expect(await heldSeconds()).toBe(0);
  });

  test('stands in the way of another while it is alive', async () => {
    const first = await hold();
    await expect(hold()).rejects.toMatchObject({ message: expect.stringContaining('is under way') });
    await first.release();
  });

  test('stops when it cannot renew it any more, before the scaler goes on', async () => {
    const held = await hold();
    register.close();
    await close();
    while (!held.lost.aborted) await systemClock.sleep(10);
    expect(said.at(-1)).toContain('could not be told to stay stopped');
  });
});
