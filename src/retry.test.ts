import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Clock } from './clock.ts';
import { backoffMs, pollBackoff, retry, silentBackoff } from './retry.ts';

const failures = fc.integer({ min: 1, max: 1_000 });
const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('the back-off of a loop that polls', () => {
  test.each([
    ['a service in trouble', pollBackoff, 1_000, 20_000],
    ['nobody there', silentBackoff, 1_000, 4_000],
  ])('with %s stays within its limits, whatever is drawn', (_what, limits, floor, ceiling) => {
    fc.assert(
      fc.property(failures, draw, (count, random) => {
        const pause = backoffMs(count, limits, random);
        expect(pause).toBeGreaterThanOrEqual(floor);
        expect(pause).toBeLessThanOrEqual(ceiling);
      }),
    );
  });

  test('doubles with each failure, and draws from the upper half', () => {
    const longest = [1, 2, 3, 4, 5, 6].map((count) => backoffMs(count, pollBackoff, 0.999_999));
    expect(longest.map(Math.round)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 20_000]);
    expect(backoffMs(6, pollBackoff, 0)).toBe(10_000);
  });
});

describe('repeating an attempt', () => {
  const pauses: number[] = [];
  const clock: Clock = {
    monotonicMs: () => 0,
    wallMs: () => 0,
    sleep: async (ms) => void pauses.push(ms),
  };
  const failing = (times: number) => {
    let calls = 0;
    return async () => {
      if (++calls <= times) throw new Error(`failure ${calls}`);
      return calls;
    };
  };
  const options = { attempts: 3, clock, limits: { floorMs: 10, ceilingMs: 100 }, retryable: () => true };

  test('ends with the first success, the last error, or one that will not pass', async () => {
    await expect(retry(failing(2), options)).resolves.toBe(3);
    expect(pauses).toHaveLength(2);
    await expect(retry(failing(3), options)).rejects.toThrow('failure 3');
    await expect(retry(failing(1), { ...options, retryable: () => false })).rejects.toThrow('failure 1');
  });

  test('ends when it is no longer wanted', async () => {
    const signal = AbortSignal.abort();
    await expect(retry(failing(1), { ...options, signal })).rejects.toThrow('failure 1');
  });
});
