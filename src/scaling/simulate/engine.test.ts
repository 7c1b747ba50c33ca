import { describe, expect, test } from 'vitest';
import type { Observation } from '../observation.ts';
import { decide, type PolicyConfig } from '../policy.ts';
import { simulate } from './engine.ts';
import { fluidService } from './fluid.ts';
import { poisson, seededRandom } from './random.ts';
import { exactService, type Worker } from './service.ts';
import type { Trace } from './trace.ts';
import { createWaits } from './waits.ts';
import { defaultWorld, type World } from './world.ts';

const trace = (counts: readonly number[], binSeconds = 10): Trace => ({
  name: 'test',
  startSeconds: 0,
  binSeconds,
  counts,
});
const bound = (policy: PolicyConfig['policy'], more: Partial<PolicyConfig> = {}) => {
  const config: PolicyConfig = {
    policy,
    min: 0,
    max: 19,
    schedules: [],
    intervalSeconds: 10,
    priorRatePerSecond: 1,
    priorBootSeconds: 90,
    ...more,
  };
  return {
    intervalSeconds: 10,
    decide: (state: Parameters<typeof decide>[0], seen: Parameters<typeof decide>[1]) =>
      decide(state, seen, config),
  };
};
const steady = trace(Array.from({ length: 720 }, () => 30));

describe('a simulation', () => {
  test('of a fixed fleet: the bill is workers x time, and each request is served', () => {
    const outcome = simulate(steady, bound('fixed', { parameter: 5, min: 5 }), defaultWorld);
    expect(outcome.instanceHours).toBeCloseTo((5 * (7_200 + defaultWorld.graceSeconds)) / 3_600, 5);
    expect(outcome).toMatchObject({ requests: 21_600, unserved: 0, launches: 5, peakWorkers: 5 });
    expect(outcome.waits.total()).toBe(21_600);
  });

  test('waits as queueing theory says: M/D/1 at half load, P(W <= t) = e^(t/2) / 2 up to a service time (Erlang 1909)', () => {
    const world: World = {
      ...defaultWorld,
      serviceVariation: 0,
      fetchSeconds: 0,
      bootMinSeconds: 0,
      bootMaxSeconds: 0,
    };
    const random = seededRandom(3);
    const half = trace(
      Array.from({ length: 40_000 }, () => poisson(0.5, random)),
      1,
    );
    const { waits, unserved } = simulate(half, bound('fixed', { parameter: 1, min: 1 }), world);
    expect(unserved).toBe(0);
    expect(waits.quantile(0.45)).toBeCloseTo(1, 1);
    expect(waits.quantile(0.65)).toBeCloseTo(1 + 2 * Math.log(1.3), 1);
    expect(waits.quantile(0.75)).toBeCloseTo(1 + 2 * Math.log(1.5), 1);
  });

  test('is the same for the same seed, and another for another', () => {
    const hours = (seed: number) => {
      const { instanceHours, waits } = simulate(steady, bound('balanced'), { ...defaultWorld, seed });
      return [instanceHours, waits.quantile(0.9)];
    };
    expect(hours(1)).toEqual(hours(1));
    expect(hours(1)).not.toEqual(hours(2));
  });

  test('is the same at another time of the epoch, spot instances that are taken away included', () => {
    const run = (startSeconds: number) => {
      const watched: Observation[] = [];
      const { decide: decideAt, ...policy } = bound('balanced');
      const watch = (state: Parameters<typeof decide>[0], seen: Observation) => {
        watched.push(seen);
        return decideAt(state, seen);
      };
      simulate(
        { ...steady, startSeconds },
        { ...policy, decide: watch },
        { ...defaultWorld, spotPerHour: 4 },
      );
      return watched.map(({ instances }) => instances.map(({ id, imagesDone }) => [id, imagesDone]));
    };
    expect(run(1_048_576)).toEqual(run(0));
  });

  test.each<[string, Partial<World>]>([
    ['slow and hung boots', { slowBoots: 0.2, hungBoots: 0.2 }],
    ['refused launches', { refusedLaunches: 0.5 }],
    ['an outage of ten minutes', { outage: { fromSeconds: 600, toSeconds: 1_200 } }],
    ['spot interruptions', { spotPerHour: 2 }],
    ['counts that are a minute old and 10 % off', { readingAgeSeconds: 60, readingNoise: 0.1 }],
  ])('%s: every request is served, most in time', (_what, more) => {
    const { waits, unserved } = simulate(steady, bound('balanced'), { ...defaultWorld, ...more });
    expect(unserved).toBe(0);
    expect(waits.total()).toBe(21_600);
    expect(waits.overPercent(60)).toBeLessThan(25);
  });

  test('nobody is launched while every launch is refused', () => {
    const refused = { ...defaultWorld, refusedLaunches: 1.1 };
    expect(simulate(steady, bound('balanced'), refused)).toMatchObject({ launches: 0, unserved: 21_600 });
  });

  test('the state stays within 4 KB with a thousand workers, and rates are learned from a wrong prior', () => {
    const counts = Array.from({ length: 720 }, (_, bin) => (bin % 60 < 30 ? 40 * (bin % 500) : 0));
    const world = { ...defaultWorld, serviceRate: 4 };
    const policy = bound('balanced', { max: 1_000, priorRatePerSecond: 1 });
    let stateBytes = 0;
    const weighed: typeof policy.decide = (...seen) => {
      const decision = policy.decide(...seen);
      stateBytes = Math.max(stateBytes, JSON.stringify(decision.state).length);
      return decision;
    };
    const outcome = simulate(trace(counts), { ...policy, decide: weighed }, world);
    expect(outcome.peakWorkers).toBeGreaterThan(300);
    expect(stateBytes).toBeGreaterThan(500);
    expect(stateBytes).toBeLessThanOrEqual(4_096);
  });
});

describe('crowds in place of requests', () => {
  test('wait as long as requests one by one, where many workers are busy', () => {
    const random = seededRandom(5);
    const perSecond = Array.from({ length: 3_600 }, (_, second) =>
      Math.round((second % 600 < 200 ? 260 : 120) + 20 * random()),
    );
    const run = (make: typeof exactService) => {
      const waits = createWaits();
      const service = make(defaultWorld, waits, seededRandom(1));
      for (let id = 0; id < 200; id += 1) {
        const worker: Worker = {
          id,
          launchedAt: 0,
          readyAt: 0,
          state: 'ready',
          interruptAt: undefined,
          freeAt: 0,
          jobArrivedAt: undefined,
          imagesDone: 0,
          busySeconds: 0,
        };
        service.join(worker);
      }
      for (const [second, count] of perSecond.entries()) {
        const times = Array.from({ length: count }, (_, index) => second + (index + 0.5) / count);
        service.arrive(second, make === fluidService ? count : times);
        service.serve(second);
      }
      return { over10: waits.overPercent(10), over60: waits.overPercent(60), p95: waits.quantile(0.95) };
    };
    const exact = run(exactService);
    const fluid = run(fluidService);
    expect(exact.over10).toBeGreaterThan(20);
    expect(Math.abs(fluid.over10 - exact.over10)).toBeLessThan(1);
    expect(Math.abs(fluid.over60 - exact.over60)).toBeLessThan(1);
    expect(fluid.p95 / exact.p95).toBeGreaterThan(0.97);
    expect(fluid.p95 / exact.p95).toBeLessThan(1.03);
  });
});
