import { describe, expect, test } from 'vitest';
import type { Observation } from './observation.ts';
import { decide, type PolicyConfig } from './policy.ts';
import { readState } from './state.ts';

const config: PolicyConfig = {
  policy: 'balanced',
  min: 0,
  max: 19,
  schedules: [],
  intervalSeconds: 10,
  priorRatePerSecond: 1,
  priorBootSeconds: 90,
};

const idle: Observation = {
  nowSeconds: 1_000,
  visible: 0,
  inFlight: 0,
  delayed: 0,
  arrivals: [],
  launchFailures: 0,
  instances: [],
};

describe('the state', () => {
  test('what a run stored is what the next one reads', () => {
    const { state } = decide(undefined, idle, config);
    expect(readState(JSON.parse(JSON.stringify(state)))).toEqual(state);
  });

  test.each([undefined, null, 'text', {}, { v: 2 }])('%j is no state', (stored) => {
    expect(readState(stored)).toBeUndefined();
  });
});
