import { describe, expect, test } from 'vitest';
import { bootOf, learn, nothingLearned, rateOf } from './learning.ts';
import type { ObservedInstance } from './observation.ts';

const priors = { priorRatePerSecond: 1, priorBootSeconds: 90 };
const worker = (id: string, type: string, more: Partial<ObservedInstance> = {}): ObservedInstance => ({
  id,
  type,
  state: 'ready',
  launchedAtSeconds: 0,
  readyAtSeconds: 60,
  ...more,
});

describe('rates', () => {
  test('are images over busy seconds, times images at a time, of each type', () => {
    const learned = learn(nothingLearned, [
      worker('a', 'small', { imagesDone: 100, busySeconds: 20 }),
      worker('b', 'large', { imagesDone: 400, busySeconds: 100, classifiers: 8 }),
    ]);
    expect(rateOf(learned, 'small', priors)).toBeCloseTo(5);
    expect(rateOf(learned, 'large', priors)).toBeCloseTo(32);
  });

  test('follow what the same fleet does since, not what it ever did', () => {
    let learned = nothingLearned;
    for (let run = 1; run <= 20; run += 1)
      learned = learn(learned, [
        worker('a', 'small', {
          imagesDone: run <= 10 ? 100 * run : 1_000 + 50 * (run - 10),
          busySeconds: 20 * run,
        }),
      ]);
    expect(rateOf(learned, 'small', priors)).toBeGreaterThan(2.4);
    expect(rateOf(learned, 'small', priors)).toBeLessThan(2.7);
  });

  test('are the prior until enough images are done, and another type’s for a new one', () => {
    const few = learn(nothingLearned, [worker('a', 'small', { imagesDone: 3, busySeconds: 1 })]);
    expect(rateOf(few, 'small', priors)).toBe(1);
    const known = learn(nothingLearned, [worker('a', 'small', { imagesDone: 100, busySeconds: 20 })]);
    expect(rateOf(known, 'new', priors)).toBeCloseTo(5);
  });
});

describe('boots', () => {
  test('the same boot, seen again and half a second off, is learned once', () => {
    const seen = (readyAtSeconds: number) =>
      [{ id: 'i-1', type: 'small', state: 'ready', launchedAtSeconds: 1_000, readyAtSeconds }] as const;
    const once = learn(nothingLearned, seen(1_002));
    expect(learn(once, seen(1_002.6))).toEqual(once);
    expect(learn(once, seen(1_010))).not.toEqual(once);
  });

  test('the first of them says how much they vary: half of it, twenty seconds at most', () => {
    const first = (boot: number) =>
      bootOf(
        learn(nothingLearned, [
          {
            id: 'i-1',
            type: 'small',
            state: 'ready',
            launchedAtSeconds: 1_000,
            readyAtSeconds: 1_000 + boot,
          },
        ]),
        { type: 'small' },
        priors,
      );
    expect(first(2)).toEqual({ seconds: 2, highSeconds: 3.5 });
    expect(first(100)).toEqual({ seconds: 100, highSeconds: 130 });
  });

  test('are learned once from each instance', () => {
    const fleet = [worker('a', 'small', { readyAtSeconds: 41 })];
    const learned = learn(learn(nothingLearned, fleet), fleet);
    expect(bootOf(learned, { type: 'small' }, priors)).toEqual({ seconds: 41, highSeconds: 71 });
  });

  test('of stopped instances are another matter', () => {
    const learned = learn(nothingLearned, [
      worker('a', 'small', { readyAtSeconds: 80 }),
      worker('b', 'small', { launchedAtSeconds: 100, readyAtSeconds: 115, warm: true }),
    ]);
    expect(bootOf(learned, { type: 'small' }, priors).seconds).toBe(80);
    expect(bootOf(learned, { type: 'small', warm: true }, priors).seconds).toBe(15);
  });
});
