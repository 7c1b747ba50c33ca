import { describe, expect, it } from 'vitest';
import type { Ending } from './closed-loop.ts';
import { type BenchReport, reportOf } from './report.ts';
import { verdictOf } from './thresholds.ts';

const good: BenchReport = {
  ...reportOf([], undefined),
  sent: 10,
  answered: 10,
  correct: 9,
  wrong: 1,
  accuracy: 0.9,
};

describe('verdictOf', () => {
  it.each<[string, Partial<BenchReport>, number | undefined, readonly string[]]>([
    ['all answered', {}, undefined, []],
    ['accurate enough', {}, 0.9, []],
    ['not accurate enough', {}, 0.91, ['accuracy']],
    ['nothing judged', { accuracy: null }, 0, ['accuracy']],
    ['accuracy that nobody asked for', { accuracy: 0 }, undefined, []],
    ['one lost', { lost: 1 }, undefined, ['lost']],
    ['one failed', { failed: 1 }, undefined, ['failed']],
    ['one duplicate', { duplicates: 1 }, undefined, ['duplicates']],
    ['refusals', { refused: 5 }, undefined, []],
    [
      'everything wrong',
      { lost: 1, failed: 1, duplicates: 1, accuracy: 0 },
      0.5,
      ['lost', 'failed', 'duplicates', 'accuracy'],
    ],
  ])('%s', (_sentence, change, minAccuracy, failing) => {
    const verdict = verdictOf({ ...good, ...change }, 'complete', minAccuracy);
    expect(verdict.checks.filter(({ passed }) => !passed).map(({ name }) => name)).toEqual(failing);
    expect(verdict.passed).toBe(failing.length === 0);
    expect(verdict.invalid).toBeUndefined();
  });

  it.each<[string, Partial<BenchReport>, Ending, string]>([
    ['nothing sent', { sent: 0, answered: 0 }, 'complete', 'nothing was sent'],
    ['interrupted before anything was sent', { sent: 0, answered: 0 }, 'interrupted', 'nothing was sent'],
    ['interrupted', {}, 'interrupted', 'the run was interrupted'],
    ['no server', { answered: 0, failed: 10 }, 'unreachable', 'the server could not be reached'],
    ['only refusals', { answered: 0, refused: 10 }, 'complete', 'nothing was answered'],
  ])('proves nothing: %s', (_sentence, change, ending, why) => {
    const verdict = verdictOf({ ...good, ...change }, ending, undefined);
    expect(verdict).toMatchObject({ passed: false, invalid: why });
  });
});
