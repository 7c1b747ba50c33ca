import { describe, expect, test } from 'vitest';
import { choosePool, type PoolTroubles, withoutTrouble, withTrouble } from './pools.ts';

const choices = { instanceTypes: ['a.one', 'b.two'], subnetIds: ['subnet-1', 'subnet-2'], spot: true };
const minute = 60_000;

describe('the pool for a launch', () => {
  test('is the most wanted one: Spot, the first type; subnets take turns by slot', () => {
    const subnets = [1, 2, 3, 4].map((slot) => choosePool(choices, {}, 0, slot));
    expect(subnets.map((pool) => `${pool?.market} ${pool?.instanceType} ${pool?.subnetId}`)).toEqual([
      'spot a.one subnet-2',
      'spot a.one subnet-1',
      'spot a.one subnet-2',
      'spot a.one subnet-1',
    ]);
  });

  test('is the next subnet, then the next type, then on demand, where others have refused', () => {
    let troubles: PoolTroubles = {};
    const tried: string[] = [];
    for (let pool = choosePool(choices, troubles, 0, 2); pool; pool = choosePool(choices, troubles, 0, 2)) {
      tried.push(`${pool.market} ${pool.instanceType} ${pool.subnetId}`);
      troubles = withTrouble(troubles, pool, 0);
    }
    expect(tried).toEqual([
      'spot a.one subnet-1',
      'spot a.one subnet-2',
      'spot b.two subnet-1',
      'spot b.two subnet-2',
      'on-demand a.one subnet-1',
      'on-demand a.one subnet-2',
      'on-demand b.two subnet-1',
      'on-demand b.two subnet-2',
    ]);
  });

  test('is none of one that refused for five minutes, for twice as long the next time, until it works', () => {
    const one = { instanceTypes: ['a.one'], subnetIds: [], spot: false };
    const pool = { instanceType: 'a.one', market: 'on-demand' } as const;
    const once = withTrouble({}, pool, 0);
    // Three refusals of one moment are one.
    expect(withTrouble(withTrouble(once, pool, 1), pool, 2)).toEqual(once);
    expect(choosePool(one, once, 5 * minute - 1, 1)).toBeUndefined();
    expect(choosePool(one, once, 5 * minute, 1)).toEqual(pool);
    const again = withTrouble(once, pool, 5 * minute);
    expect(choosePool(one, again, 15 * minute - 1, 1)).toBeUndefined();
    expect(choosePool(one, withoutTrouble(again, pool), 6 * minute, 1)).toEqual(pool);
  });

  test('is left alone for an hour at most, however often it has refused', () => {
    const one = { instanceTypes: ['a.one'], subnetIds: [], spot: false };
    const pool = { instanceType: 'a.one', market: 'on-demand' } as const;
    let troubles: PoolTroubles = {};
    for (let hour = 0; hour <= 10; hour++) troubles = withTrouble(troubles, pool, hour * 60 * minute);
    expect(choosePool(one, troubles, 11 * 60 * minute - 1, 1)).toBeUndefined();
    expect(choosePool(one, troubles, 11 * 60 * minute, 1)).toEqual(pool);
  });
});
