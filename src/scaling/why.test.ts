import { describe, expect, test } from 'vitest';
import { sentence, type Why } from './why.ts';

const busy: Why = {
  policy: 'balanced',
  from: 3,
  to: 7,
  ready: 3,
  booting: 0,
  waiting: 212,
  arrivingPerSecond: 9.04,
  workerPerSecond: 4.12,
  bootSeconds: 41.3,
  forRate: 5,
  forBacklog: 2,
  kept: 0,
  hung: 0,
  rule: 'none',
};

describe('the sentence for a decision', () => {
  test('gives the fleet, what was seen, and what each part is for', () => {
    expect(sentence(busy)).toBe(
      '3 -> 7: 212 waiting, 9 a second arriving, a worker does 4.1 a second and boots in 41 s; 5 needed for the rate, 2 for the backlog',
    );
  });

  test('names idle workers, hung boots, and the rule that overruled the arithmetic', () => {
    expect(sentence({ ...busy, kept: 2, hung: 1, rule: 'max' })).toMatch(
      /, 2 kept idle, 1 hung in boot, the maximum$/,
    );
  });

  test('leaves out what a policy does not use', () => {
    expect(
      sentence({
        ...busy,
        from: 1,
        to: 0,
        waiting: 0,
        arrivingPerSecond: 0,
        workerPerSecond: 0,
        forRate: 0,
        forBacklog: 0,
      }),
    ).toBe('1 -> 0: 0 waiting, 0 a second arriving');
  });
});
