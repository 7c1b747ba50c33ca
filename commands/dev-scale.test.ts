import { describe, expect, test } from 'vitest';
import { resolveSettings } from '../src/config/resolve.ts';
import { devScale } from './dev-scale.ts';

const scaled = (flags: Readonly<Record<string, string>>, file: Readonly<Record<string, unknown>> = {}) => {
  const resolved = resolveSettings({ flags, environment: {}, file });
  const { min, max, minUptimeSeconds } = devScale(resolved.values, resolved).choices.policy;
  return { min, max, minUptimeSeconds };
};

describe('how many workers "dev" keeps', () => {
  test('--workers says exactly how many', () => {
    expect(scaled({ workers: '2' })).toEqual({ min: 2, max: 2, minUptimeSeconds: 0 });
  });

  test('a range of flags wins over the number of a file, and nothing over that number else', () => {
    expect(scaled({ minWorkers: '0', maxWorkers: '3' }, { workers: 2 })).toMatchObject({ min: 0, max: 3 });
    expect(scaled({ policy: 'economy' }, { workers: 2 })).toMatchObject({ min: 2, max: 2 });
  });

  test('both as flags contradict each other', () => {
    expect(() => scaled({ workers: '2', maxWorkers: '3' })).toThrow(
      '--workers and --max-workers are both given',
    );
  });
});
