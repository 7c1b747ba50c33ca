import { expect, test } from 'vitest';
import { decide } from '../policy.ts';
import { learnedRates, traceOfJournal } from './lived.ts';

const entry = (from: number, to: number, count: number) => ({
  observation: { arrivals: [{ from, to, count }] },
});

test('a journal becomes a trace: each count spread over its span', () => {
  expect(traceOfJournal('journal', [entry(100, 110, 5), entry(110, 130, 8), entry(135, 145, 10)])).toEqual({
    name: 'journal',
    startSeconds: 100,
    binSeconds: 10,
    counts: Float64Array.from([5, 4, 4, 5, 5]),
  });
});

test('where no image was counted there is no trace', () => {
  expect(traceOfJournal('journal', [entry(100, 110, 0), { observation: { arrivals: [] } }])).toBeUndefined();
});

test('the rates are those that the policy had learned last', () => {
  const observation = {
    nowSeconds: 100,
    visible: 0,
    inFlight: 0,
    delayed: 0,
    arrivals: [],
    launchFailures: 0,
    instances: [
      {
        id: 'i-1',
        type: 'c7a.medium',
        state: 'ready',
        launchedAtSeconds: 0,
        readyAtSeconds: 50,
        imagesDone: 100,
        busySeconds: 2,
      },
    ],
  } as const;
  const before = decide(undefined, observation, {
    policy: 'balanced',
    min: 0,
    max: 3,
    schedules: [],
    intervalSeconds: 10,
    priorRatePerSecond: 1,
    priorBootSeconds: 60,
  }).state;
  expect(learnedRates([{ observation, before }, { observation }])).toEqual({ 'c7a.medium': 50 });
});
