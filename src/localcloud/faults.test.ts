import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, defaultMix, type FaultPlan, type Injection, noFaultsYet, readFaultPlan } from './faults.ts';

/** What happens to `count` requests of one operation, one each `everySeconds`. */
const run = (plan: FaultPlan, operation: string, count: number, everySeconds = 0) => {
  let counts = noFaultsYet(plan);
  const injections: (Injection | undefined)[] = [];
  for (let nth = 0; nth < count; nth++) {
    const decision = decide(plan, counts, operation, nth * everySeconds);
    counts = decision.counts;
    injections.push(decision.injection);
  }
  return { injections, hits: injections.filter(Boolean).length, counts };
};

const planOf = (...rules: readonly object[]): FaultPlan => readFaultPlan({ seed: 7, rules });

describe('a decision', () => {
  test('is the same for the same seed, and another for another', () => {
    const rules = [{ operation: '*', fault: 'reset', probability: 0.5 }];
    const hits = (seed: number) =>
      run(readFaultPlan({ seed, rules }), 's3:GetObject', 200).injections.map(Boolean);
    expect(hits(1)).toEqual(hits(1));
    expect(hits(1)).not.toEqual(hits(2));
  });

  test('hits as often as its probability says, whatever the seed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (seed, probability) => {
          const plan = readFaultPlan({ seed, rules: [{ operation: '*', fault: 'reset', probability }] });
          const { hits } = run(plan, 's3:GetObject', 4_000);
          // Five standard deviations of a binomial, of at most sqrt(1000).
          expect(Math.abs(hits - 4_000 * probability)).toBeLessThan(160);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('of two rules with the same probability are independent', () => {
    const half = { operation: '*', fault: 'latency', ms: 1, probability: 0.5 };
    const { injections } = run(planOf(half, half), 's3:GetObject', 4_000);
    expect(injections.filter((each) => each?.delayMs === 2).length).toBeGreaterThan(850);
    expect(injections.filter((each) => each?.delayMs === 2).length).toBeLessThan(1_150);
  });

  test.each([
    ['*', 'sqs:SendMessage', 1],
    ['sqs:*', 'sqs:SendMessage', 1],
    ['sqs:SendMessage', 'sqs:SendMessage', 1],
    ['sqs:SendMessage', 'sqs:SendMessageBatch', 0],
    ['s3:*', 'sqs:SendMessage', 0],
  ])('of a rule for %s: %s is hit %i times', (pattern, operation, hits) => {
    expect(run(planOf({ operation: pattern, fault: 'reset' }), operation, 1).hits).toBe(hits);
  });

  test('of a rule for all operations passes those over that the fault is not about', () => {
    const plan = planOf({ operation: '*', fault: 'conflict' });
    expect(run(plan, 's3:PutObject', 1).hits).toBe(1);
    expect(run(plan, 's3:GetObject', 1).hits).toBe(0);
  });

  test('holds from and for as many seconds as its rule says', () => {
    const plan = planOf({ operation: '*', fault: 'down', fromSeconds: 3, forSeconds: 4 });
    const hit = run(plan, 's3:GetObject', 10, 1).injections.map(Boolean);
    expect(hit.flatMap((each, second) => (each ? [second] : []))).toEqual([3, 4, 5, 6]);
  });

  test('hits no more often than its limit', () => {
    expect(run(planOf({ operation: '*', fault: 'reset', limit: 3 }), 's3:GetObject', 9).hits).toBe(3);
  });

  test('adds latencies up, within their jitter, and takes the first other fault', () => {
    const plan = planOf(
      { operation: '*', fault: 'latency', ms: 100, jitterMs: 50 },
      { operation: '*', fault: 'reset' },
      { operation: '*', fault: 'latency', ms: 1_000 },
      { operation: '*', fault: 'down' },
    );
    const { injections, counts } = run(plan, 's3:GetObject', 50);
    for (const injection of injections) {
      expect(injection?.rule?.fault).toBe('reset');
      expect(injection?.delayMs).toBeGreaterThanOrEqual(1_100);
      expect(injection?.delayMs).toBeLessThan(1_150);
    }
    expect(new Set(injections.map((each) => each?.delayMs)).size).toBeGreaterThan(40);
    expect(counts.hit).toEqual([50, 50, 50, 0]);
  });
});

describe('a plan', () => {
  test.each([
    [{ rules: [{ operation: 'sqs:SendMessage', fault: 'explode' }] }, 'rules[0].fault'],
    [{ rules: [{ operation: 'SendMessage', fault: 'reset' }] }, 'rules[0].operation: must be'],
    [{ rules: [{ operation: '*', fault: 'reset', probability: 2 }] }, 'rules[0].probability'],
    [{ rules: [{ operation: '*', fault: 'reset', chance: 1 }] }, '"chance"'],
    [{ rules: [{ operation: '*', fault: 'reset', ms: 1 }] }, '"ms"'],
    [{ rules: [{ operation: '*', fault: 'latency', ms: -1 }] }, 'rules[0].ms'],
    [{ rules: [{ operation: 'sqs:*', fault: 'conflict' }] }, '"conflict" is for s3:PutObject'],
    [{ seed: 'x', rules: [] }, 'seed'],
    [{ rules: [], more: 1 }, '"more"'],
    [[], 'the plan'],
  ])('%j is refused by name', (value, message) => {
    expect(() => readFaultPlan(value)).toThrow(message);
  });

  test('the default mix hits about one call in ten of the worker, and none while a cluster starts', () => {
    const operations = ['s3:GetObject', 's3:PutObject', 'sqs:SendMessage', 'sqs:DeleteMessage'];
    for (const operation of operations) {
      const { hits } = run(defaultMix(3), operation, 5_000, 0.1);
      expect(run(defaultMix(3), operation, 150, 0.1).hits).toBe(0);
      expect(hits / 4_850).toBeGreaterThan(0.08);
      expect(hits / 4_850).toBeLessThan(0.2);
    }
  });
});
