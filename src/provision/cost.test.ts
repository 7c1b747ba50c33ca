import { describe, expect, test } from 'vitest';
import type { Prices } from '../prices.ts';
import { monthlyCost } from './cost.ts';

/** Round prices, so that the sums below can be reckoned by hand. */
const prices: Prices = {
  asOf: '2026-01-01',
  currency: 'USD',
  source: 'made up',
  region: 'us-east-1',
  instanceHour: { 'web.small': 0.02, 'work.medium': 0.05 },
  gp3GibMonth: 0.08,
  publicIpv4Hour: 0.005,
  perMillion: { sqsRequest: 0.4, s3Put: 5, s3Get: 0.4 },
  s3GibMonth: 0.023,
  transferOutGib: 0.09,
};
const choices = {
  instanceTypes: ['work.medium'] as const,
  webInstanceType: 'web.small',
  webInstances: 1,
  volumeGib: 10,
};
const workers = { least: 0, most: 4 };

describe('what a month costs', () => {
  test('is instances, disks and public addresses, of a month of 730 hours', () => {
    const cost = monthlyCost(choices, workers, true, prices);
    // By hand: 0.02 x 730 = 14.60 a web instance, 0.05 x 730 = 36.50 a worker, 0.08 x 10 = 0.80 a disk, 0.005 x 730 = 3.65 an address.
    const sums = cost.lines.map(({ least, most }) => [Number(least.toFixed(2)), Number(most.toFixed(2))]);
    expect(sums).toEqual([
      [14.6, 14.6],
      [0, 146],
      [0.8, 4],
      [3.65, 18.25],
    ]);
    expect(cost.least).toBeCloseTo(19.05, 6);
    expect(cost.most).toBeCloseTo(182.85, 6);
    expect(cost.unknown).toEqual([]);
  });

  test('has no address in it where machines get none, the web instance included', () => {
    const cost = monthlyCost(choices, workers, false, prices);
    expect(cost.least).toBeCloseTo(15.4, 6);
    expect(cost.most).toBeCloseTo(164.6, 6);
  });

  test('names the types that have no price', () => {
    const cost = monthlyCost({ ...choices, instanceTypes: ['new.huge'] }, workers, true, prices);
    expect(cost.unknown).toEqual(['new.huge']);
    const without = { ...choices, webInstances: 0, webInstanceType: 'new.web' };
    expect(monthlyCost(without, workers, true, prices).unknown).toEqual([]);
  });
});
