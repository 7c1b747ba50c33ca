import { describe, expect, test } from 'vitest';
import type { LaunchIntent } from '../fleet/intents.ts';
import type { Pool } from '../fleet/pools.ts';
import { elsewhere } from './elsewhere.ts';
import { emptyMemory } from './memory.ts';

const nowMs = 1_000_000;
const pools = { instanceTypes: ['a.one', 'b.two'], subnetIds: [], spot: false };
const request = (_slot: number, { instanceType, market }: Pool, clientToken: string) => ({
  template: 'sim-worker',
  ...{ instanceType, market, clientToken, tags: {} },
});
const intent = (slot: number, instanceType: string): LaunchIntent => {
  const pool: Pool = { instanceType, market: 'on-demand' };
  return { slot, token: `old-${slot}`, atMs: nowMs, pool, request: request(slot, pool, `old-${slot}`) };
};
const again = (intents: readonly LaunchIntent[], outcomes: Parameters<typeof elsewhere>[1]) => {
  let made = 0;
  return elsewhere(
    { ...emptyMemory, intents: [...intents] },
    outcomes,
    { pools, request },
    nowMs,
    () => `new-${++made}`,
  );
};
const asked = (found: ReturnType<typeof again>) =>
  found?.memory.intents.map(({ slot, token, pool }) => `${slot} ${token} ${pool.instanceType}`);

describe('launches that were refused', () => {
  test('are asked of the next pool, in their slots and with new tokens; those that were made stay', () => {
    const found = again(
      [intent(1, 'a.one'), intent(2, 'a.one'), intent(3, 'a.one')],
      [
        { kind: 'launched', token: 'old-1', id: 'i-1' },
        { kind: 'pool-refused', token: 'old-2' },
        { kind: 'unsent', token: 'old-3' },
      ],
    );
    expect(asked(found)).toEqual(['1 old-1 a.one', '2 new-1 b.two', '3 new-2 b.two']);
    expect(found?.acts).toHaveLength(2);
    expect(found?.memory.intents[1]?.request).toMatchObject({ instanceType: 'b.two', clientToken: 'new-1' });
  });

  test('are left to the policy when no pool is left', () => {
    const first = again([intent(1, 'a.one')], [{ kind: 'pool-refused', token: 'old-1' }]);
    const memory = first?.memory ?? emptyMemory;
    const last = elsewhere(
      memory,
      [{ kind: 'pool-refused', token: 'new-1' }],
      { pools, request },
      nowMs,
      () => 'new',
    );
    expect(last).toBeUndefined();
  });

  test('are not repeated when EC2 asked to be spared, the call was wrong, or nobody knows how it ended', () => {
    for (const outcomes of [
      [{ kind: 'throttled' }, { kind: 'pool-refused', token: 'old-1' }],
      [
        { kind: 'rejected', token: 'old-2', message: 'no' },
        { kind: 'pool-refused', token: 'old-1' },
      ],
      [],
    ] as const)
      expect(again([intent(1, 'a.one'), intent(2, 'a.one')], outcomes)).toBeUndefined();
  });
});
