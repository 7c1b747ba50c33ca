import { describe, expect, test } from 'vitest';
import { readPrices } from '../prices.ts';
import { capacityFor, type Plant } from './capacity.ts';
import { cheapestTypes, costOf, machineHour } from './forecast.ts';

const prices = {
  ...readPrices(),
  instanceHour: { small: 0.02, large: 0.05 },
  gp3GibMonth: 0.073,
  publicIpv4Hour: 0.005,
  perMillion: { sqsRequest: 0.4, s3Put: 5, s3Get: 0.4 },
  s3GibMonth: 0.02,
  transferOutGib: 0.1,
};
const perImage = {
  s3Puts: 2,
  s3Gets: 1,
  sqsRequests: 1.5,
  storedBytes: 2 ** 20,
  retentionSeconds: 730 * 3_600,
  answerBytes: 1_024,
};

describe('what a million images cost', () => {
  test('an instance is billed with its disk (8 GiB) and its address', () => {
    expect(machineHour(0.02, prices)).toBeCloseTo(0.02 + (8 * 0.073) / 730 + 0.005, 10);
  });

  test('by what it is paid for, reckoned by hand', () => {
    const usage = { images: 1e6, seconds: 100_000, instanceHours: 50, serviceRate: 10 };
    const cost = costOf(usage, perImage, { pollWaitSeconds: 5, webProcesses: 1 }, 0.0142, prices);
    expect(cost.compute).toBeCloseTo(50 * 0.02, 6);
    // 2 PUT and 1 GET an image; a report each 20 s of 180,000 instance-seconds, and each 10 s of the web process.
    expect(cost.s3Requests).toBeCloseTo(10 + 0.4 + ((9_000 + 10_000) * 5) / 1e6, 6);
    // 80,000 idle worker-seconds and 100,000 of the web process, a poll each 5 s.
    expect(cost.sqsRequests).toBeCloseTo(0.6 + (36_000 * 0.4) / 1e6, 6);
    expect(cost.storage).toBeCloseTo((1e6 / 1_024) * 0.02, 6);
    expect(cost.transfer).toBeCloseTo((1e6 / 2 ** 20) * 0.1, 6);
    expect(cost.total).toBeCloseTo(
      cost.compute + cost.s3Requests + cost.sqsRequests + cost.storage + cost.transfer,
      9,
    );
    expect(cost.idlePercent).toBeCloseTo((100 * 80) / 180, 6);
  });

  test('the cheapest instance is the one with most images for its price, not the cheapest an hour', () => {
    const types = cheapestTypes({ small: 4, large: 40, unknown: 100 }, prices);
    expect(types.map(({ type }) => type)).toEqual(['large', 'small']);
    expect(types[0]?.dollarsAMillion).toBeCloseTo((0.0558 / 3_600 / 40) * 1e6, 6);
  });

  test('prices are dated, and of one region', () => {
    expect(readPrices()).toMatchObject({ region: 'us-east-1', currency: 'USD' });
    expect(Date.parse(readPrices().asOf)).toBeGreaterThan(Date.parse('2025-01-01'));
  });
});

describe('what a rate takes', () => {
  const plant: Plant = {
    serviceRate: 50,
    workerVcpus: 1,
    workerHour: 0.05,
    webRate: 300,
    webHour: 0.05,
    perImage,
    pollWaitSeconds: 5,
    imageBytes: 2 ** 17,
    heldSeconds: 0.5,
  };

  test('workers by Erlang, requests and bytes by proportion', () => {
    const capacity = capacityFor(1_000, plant, prices);
    expect(capacity).toMatchObject({ workers: 21, webReplicas: 5, s3PutsPerSecond: 2_000, inFlight: 500 });
    expect(capacity.inGibitPerSecond).toBeCloseTo((1_000 * 2 ** 20) / 2 ** 30, 6);
    expect(capacity.dollarsAMillion).toBeCloseTo(capacity.dollarsAnHour / 3.6, 6);
  });

  test('says which limits are too low', () => {
    const tooLow = (rate: number) =>
      capacityFor(rate, plant, prices)
        .limits.filter(({ isEnough }) => !isEnough)
        .map(({ granted }) => granted);
    expect(tooLow(10)).toEqual([]);
    expect(tooLow(1_000)).toEqual([5]);
    expect(tooLow(300_000)).toEqual([5, 1_000, 120_000, 3_500, 5_500]);
  });
});
