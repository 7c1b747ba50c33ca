import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Observation, ObservedInstance } from './observation.ts';
import { priceOfMissing } from './own.ts';
import { type Decision, decide, type PolicyConfig, policyNames } from './policy.ts';
import { type PolicyState, readState } from './state.ts';

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
  nowSeconds: 10_000,
  visible: 0,
  inFlight: 0,
  delayed: 0,
  arrivals: [],
  launchFailures: 0,
  instances: [],
};

const ready = (count: number, imagesDone = 0): ObservedInstance[] =>
  Array.from({ length: count }, (_, index) => ({
    id: `i-${index}`,
    type: 'c7a.medium',
    state: 'ready',
    launchedAtSeconds: 1_000,
    readyAtSeconds: 1_090,
    imagesDone,
    busySeconds: imagesDone,
  }));

/** A state that an uneventful run has left. */
const calmState = (policy: PolicyConfig['policy'] = 'balanced'): PolicyState =>
  decide(undefined, { ...idle, nowSeconds: 9_990 }, { ...config, policy }).state;

/** Runs one observation after another, and gives all decisions. */
const runAll = (observations: readonly Observation[], tuned: PolicyConfig = config): Decision[] => {
  let state: PolicyState | undefined = calmState(tuned.policy);
  return observations.map((observation) => {
    const decision = decide(state, observation, tuned);
    state = readState(JSON.parse(JSON.stringify(decision.state)));
    return decision;
  });
};

describe('the state', () => {
  test('what a run stored is what the next one reads', () => {
    const { state } = decide(undefined, idle, config);
    expect(readState(JSON.parse(JSON.stringify(state)))).toEqual(state);
  });

  test.each([undefined, null, 'text', {}, { v: 2 }, { ...calmState(), v: 2 }])('%j is no state', (stored) => {
    expect(readState(stored)).toBeUndefined();
  });

  test.each(policyNames)('%s: lost, it keeps the present fleet for a run', (policy) => {
    const observation = { ...idle, visible: 500, instances: ready(4) };
    const { desired, why } = decide(undefined, observation, { ...config, policy });
    expect({ desired, rule: why.rule }).toEqual({ desired: 4, rule: 'state-lost' });
    expect(decide(undefined, { ...idle, instances: ready(4) }, { ...config, policy }).desired).toBe(4);
  });

  test('the next run decides again', () => {
    const { state } = decide(undefined, idle, config);
    const next = { ...idle, nowSeconds: 10_010, visible: 500 };
    expect(decide(state, next, config).desired).toBeGreaterThan(10);
  });

  test('another policy takes over what was learned', () => {
    const first = decide(calmState(), { ...idle, instances: ready(2, 100) }, config).state;
    const second = decide(first, { ...idle, nowSeconds: 10_010 }, { ...config, policy: 'keda' });
    expect(second.state.learned.kinds['c7a.medium']).toMatchObject({ rate: 1, boot: 90 });
  });
});

describe('limits', () => {
  test('schedules raise the minimum from their time on, a boot ahead, until another one comes', () => {
    const schedules = [
      { cron: '0 8 * * *', min: 3 },
      { cron: '0 18 * * *', min: 1 },
    ];
    const at = (hours: number, minutes = 0) =>
      decide(
        calmState(),
        { ...idle, nowSeconds: 864_000 + hours * 3_600 + minutes * 60 },
        { ...config, schedules },
      );
    expect(at(7).desired).toBe(1);
    expect(at(7, 59)).toMatchObject({ desired: 3, why: { rule: 'schedule' } });
    expect(at(17, 30).desired).toBe(3);
    expect(at(18, 1).desired).toBe(1);
  });

  test('a hung boot is given up after three usual boots, and replaced', () => {
    const instances: ObservedInstance[] = [
      ...ready(1),
      { id: 'i-hung', type: 'c7a.medium', state: 'running', launchedAtSeconds: 9_500 },
    ];
    const busy = { ...idle, visible: 200, instances };
    const { terminate, desired, why } = decide(calmState(), busy, config);
    expect({ terminate, from: why.from, hung: why.hung }).toEqual({
      terminate: ['i-hung'],
      from: 1,
      hung: 1,
    });
    expect(desired).toBeGreaterThan(2);
  });

  test('an interrupted instance is not counted, so its successor starts at once', () => {
    const [first, second] = ready(2);
    const instances = [first, { ...second, interruptAtSeconds: 10_100 }] as ObservedInstance[];
    const { desired, why } = decide(calmState(), { ...idle, instances, visible: 300 }, config);
    expect(why.from).toBe(1);
    expect(desired).toBeGreaterThan(1);
  });

  test('refused launches are tried again after 30 s, doubling', () => {
    const refusals = Array.from({ length: 3 }, (_, index) => ({
      ...idle,
      nowSeconds: 10_000 + 100 * index,
      visible: 200,
      launchFailures: index < 2 ? 1 : 0,
    }));
    const [first, second, third] = runAll(refusals);
    expect(first).toMatchObject({ desired: 0, why: { rule: 'refused' } });
    expect(second).toMatchObject({ desired: 0, why: { rule: 'refused' } });
    expect(third?.desired).toBeGreaterThan(5);
  });

  test('the time between two tries of refused launches doubles up to five minutes', () => {
    const refusals = Array.from({ length: 6 }, (_, index) => ({
      ...idle,
      nowSeconds: 10_000 + 1_000 * index,
      visible: 200,
      launchFailures: 1,
    }));
    const pauses = runAll(refusals).map(({ state }) => state.refused.untilSeconds - state.atSeconds);
    expect(pauses).toEqual([30, 60, 120, 240, 300, 300]);
  });
});

describe('a fleet at work', () => {
  test('is not made smaller while messages wait, however few, and is once none does', () => {
    const few = { ...idle, visible: 3, instances: ready(10) };
    expect(decide(calmState(), few, config)).toMatchObject({ desired: 10, why: { rule: 'work-waits' } });
    expect(decide(calmState(), { ...few, visible: 0 }, config).desired).toBe(0);
  });

  test.each([
    [
      '30 a second at 4 a worker: 8, and one for the margin at most',
      { arrived: 300, visible: 0, rate: 4, least: 8, most: 9 },
    ],
    [
      '600 waiting, nothing arriving, 1 a second a worker: cleared in 30 s by 20',
      { arrived: 0, visible: 600, rate: 1, least: 19, most: 19 },
    ],
    [
      '240 waiting, 60 a worker and second: one will do',
      { arrived: 0, visible: 240, rate: 60, least: 1, most: 1 },
    ],
  ])('%s', (_what, { arrived, visible, rate, least, most }) => {
    const steady = Array.from({ length: 12 }, (_, run) => ({
      ...idle,
      nowSeconds: 10_000 + 10 * run,
      visible,
      inFlight: arrived > 0 ? 8 : 0,
      instances: ready(arrived > 0 ? 8 : 0),
      arrivals: [{ from: 9_990 + 10 * run, to: 10_000 + 10 * run, count: arrived }],
    }));
    const { desired } = runAll(steady, { ...config, priorRatePerSecond: rate }).at(-1) ?? { desired: -1 };
    expect(desired).toBeGreaterThanOrEqual(least);
    expect(desired).toBeLessThanOrEqual(most);
  });
});

describe('a fleet of processes, which boot in two seconds', () => {
  const local = {
    ...config,
    intervalSeconds: 1,
    priorBootSeconds: 2,
    priorRatePerSecond: 30,
    max: 3,
    targetWaitSeconds: 1,
    minUptimeSeconds: 0,
  };
  const burst = (visible: number, instances: ObservedInstance[] = []): Observation => ({
    ...idle,
    visible,
    instances,
  });
  const launchedAt = (launchedAtSeconds: number) =>
    ready(3, 50).map((instance) => ({
      ...instance,
      launchedAtSeconds,
      readyAtSeconds: launchedAtSeconds + 2,
    }));

  test('grows for a backlog that a fleet with slow boots would wait out', () => {
    const slow = { ...local, priorBootSeconds: 90 };
    expect(runAll([burst(100)], local)[0]?.desired).toBe(3);
    expect(runAll([burst(100)], slow)[0]?.desired).toBe(1);
  });

  test('is down to none within seconds of the end, where nobody bills a minute', () => {
    const seconds = Array.from({ length: 20 }, (_, second) => ({
      ...burst(second < 3 ? 60 : 0, launchedAt(10_000)),
      nowSeconds: 10_002 + second,
      arrivals: [{ from: 10_001 + second, to: 10_002 + second, count: second < 3 ? 50 : 0 }],
    }));
    const sizes = (tuned: PolicyConfig) => runAll(seconds, tuned).map(({ desired }) => desired);
    expect(sizes(local)[0]).toBe(3);
    expect(sizes(local).indexOf(0)).toBeGreaterThan(2);
    expect(sizes({ ...local, minUptimeSeconds: 60 })).not.toContain(0);
  });

  const one = (bootSeconds: number): ObservedInstance[] => [
    {
      id: 'i-0',
      type: 'c7a.medium',
      state: 'ready',
      launchedAtSeconds: 1_000,
      readyAtSeconds: 1_000 + bootSeconds,
      imagesDone: 0,
      busySeconds: 0,
    },
  ];

  test('goes to zero at a trickle for which a slow one stays', () => {
    const trickle = (bootSeconds: number) =>
      runAll(
        [
          {
            ...idle,
            instances: one(bootSeconds),
            arrivals: [{ from: 9_900, to: 10_000, count: 10 }],
          },
        ],
        local,
      )[0]?.desired;
    expect(trickle(2)).toBe(0);
    expect(trickle(90)).toBe(1);
  });

  test('where a minute is billed for each launch, an idle worker is kept as long as that costs', () => {
    const idleFor = (minUptimeSeconds: number) => {
      const seconds = Array.from({ length: 90 }, (_, second) => ({
        ...idle,
        nowSeconds: 10_000 + second,
        visible: second === 0 ? 5 : 0,
        instances: one(2),
      }));
      const patient = { ...local, targetWaitSeconds: 30, minUptimeSeconds };
      return runAll(seconds, patient).findIndex(({ desired }) => desired === 0);
    };
    expect(idleFor(0)).toBeLessThan(10);
    expect(idleFor(60)).toBeGreaterThanOrEqual(60);
    expect(idleFor(60)).toBeLessThan(70);
  });

  test('is worth as many boots of idling as a slow one, where the wait is as many boots', () => {
    expect(priceOfMissing(30, 90)).toBeCloseTo(300, 9);
    expect(priceOfMissing(30, 300)).toBeCloseTo(300, 9);
    expect(priceOfMissing(0.5, 1)).toBeCloseTo(5, 9);
    expect(priceOfMissing(30, 2)).toBeLessThan(0.1);
  });

  test('gives up no boot that a worker has not given up itself', () => {
    const booting = (age: number) =>
      decide(
        calmState(),
        burst(10, [{ ...launchedAt(10_000 - age)[0], state: 'pending' } as ObservedInstance]),
        local,
      );
    expect(booting(85).terminate).toEqual([]);
    expect(booting(95).terminate).toHaveLength(1);
  });
});

describe('a fleet at zero', () => {
  const runs = (counts: readonly number[], more: Partial<Observation> = {}) =>
    counts.map((visible, index) => ({ ...idle, ...more, nowSeconds: 10_000 + 10 * index, visible }));

  test('one real message wakes it: at once where its arrival is known, else when it is counted twice', () => {
    const [known] = runAll(runs([1], { arrivals: [{ from: 9_990, to: 10_000, count: 1 }] }));
    expect(known?.desired).toBe(1);
    expect(runAll(runs([1, 1])).map(({ desired }) => desired)).toEqual([0, 1]);
  });

  test('two messages wake it at once', () => {
    expect(runAll(runs([2]))[0]?.desired).toBeGreaterThan(0);
  });

  test('a count of one that comes and goes wakes nobody', () => {
    const flicker = Array.from({ length: 400 }, (_, index) => (index % 3 === 0 ? 1 : 0));
    expect(runAll(runs(flicker)).every(({ desired }) => desired === 0)).toBe(true);
  });

  /** The fleet does what is decided, boots in 90 s and finds nothing. */
  const live = (counts: readonly number[], doneBy: (ready: number) => number = () => 0) => {
    let state: PolicyState | undefined = calmState();
    let fleet: ObservedInstance[] = [];
    let launches = 0;
    for (const [index, visible] of counts.entries()) {
      const nowSeconds = 10_000 + 10 * index;
      fleet = fleet.map((instance) =>
        nowSeconds - instance.launchedAtSeconds >= 90
          ? {
              ...instance,
              state: 'ready',
              readyAtSeconds: instance.launchedAtSeconds + 90,
              imagesDone: doneBy(1),
              busySeconds: 0,
            }
          : instance,
      );
      const { state: next, desired } = decide(
        state,
        { ...idle, nowSeconds, visible, instances: fleet },
        config,
      );
      state = next;
      while (fleet.length < desired) {
        launches += 1;
        fleet.push({
          id: `i-${launches}`,
          type: 'c7a.medium',
          state: 'pending',
          launchedAtSeconds: nowSeconds,
        });
      }
      fleet = fleet.slice(0, desired);
    }
    return { launches, left: fleet.length };
  };

  test.each([
    ['stays for hours', () => 1],
    [
      'goes when the worker is ended, and comes back twice for a minute',
      (run: number) => (run < 300 || run % 100 < 7 ? 1 : 0),
    ],
  ])('a phantom count of one that %s starts one worker, once', (_how, visible) => {
    const counts = Array.from({ length: 1_000 }, (_, run) => visible(run));
    expect(live(counts)).toEqual({ launches: 1, left: 0 });
  });

  test('after a phantom, a real message that nobody announced still wakes it', () => {
    const counts = Array.from({ length: 400 }, (_, run) => (run < 100 || run > 300 ? 1 : 0));
    expect(live(counts).launches).toBe(2);
  });
});

const instance = fc.record({
  state: fc.constantFrom('pending' as const, 'running' as const, 'ready' as const),
  age: fc.integer({ min: 0, max: 900 }),
});
const observations = fc
  .record({
    visible: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 5_000 })),
    inFlight: fc.integer({ min: 0, max: 50 }),
    arrived: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 300 })),
    launchFailures: fc.integer({ min: 0, max: 1 }),
    fleet: fc.array(instance, { maxLength: 25 }),
  })
  .map(
    ({ visible, inFlight, arrived, launchFailures, fleet }): Observation => ({
      nowSeconds: 10_000,
      visible,
      inFlight,
      delayed: 0,
      arrivals: [{ from: 9_990, to: 10_000, count: arrived }],
      launchFailures,
      instances: fleet.map(({ state, age }, index) => ({
        id: `i-${index}`,
        type: 'c7a.medium',
        state,
        launchedAtSeconds: 10_000 - age - (state === 'ready' ? 90 : 0),
        ...(state === 'ready' ? { readyAtSeconds: 10_000 - age, imagesDone: age, busySeconds: age } : {}),
      })),
    }),
  );
const ours = fc.constantFrom('economy' as const, 'balanced' as const, 'latency' as const);
/** Observations one interval apart. */
const histories = fc
  .array(observations, { minLength: 1, maxLength: 8 })
  .map((list) => list.map((observation, index) => shifted(observation, 10 * index)));

const shifted = (observation: Observation, seconds: number): Observation => ({
  ...observation,
  nowSeconds: observation.nowSeconds + seconds,
  arrivals: observation.arrivals.map(({ from, to, count }) => ({
    from: from + seconds,
    to: to + seconds,
    count,
  })),
  instances: observation.instances.map((each) => ({
    ...each,
    launchedAtSeconds: each.launchedAtSeconds + seconds,
    ...(each.readyAtSeconds === undefined ? {} : { readyAtSeconds: each.readyAtSeconds + seconds }),
  })),
});

describe('properties', () => {
  test('never outside min and max', () => {
    fc.assert(
      fc.property(
        histories,
        fc.constantFrom(...policyNames),
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 5, max: 30 }),
        (history, policy, min, max) => {
          for (const { desired, why } of runAll(history, { ...config, policy, min, max })) {
            // Refused launches leave the fleet as it is, however small.
            expect(desired).toBeGreaterThanOrEqual(Math.min(min, why.from));
            if (why.rule !== 'refused') expect(desired).toBeGreaterThanOrEqual(min);
            expect(desired).toBeLessThanOrEqual(max);
          }
        },
      ),
    );
  });

  test('never below the fleet while work waits', () => {
    fc.assert(
      fc.property(histories, ours, (history, policy) => {
        for (const [index, { desired, why }] of runAll(history, { ...config, policy, max: 30 }).entries())
          if ((history[index]?.visible ?? 0) > why.arrivingPerSecond)
            expect(desired).toBeGreaterThanOrEqual(why.from);
      }),
    );
  });

  test('more messages waiting, no fewer workers', () => {
    fc.assert(
      fc.property(histories, ours, fc.integer({ min: 1, max: 500 }), (history, policy, more) => {
        const tuned = { ...config, policy };
        const state = runAll(history, tuned).at(-1)?.state;
        const next = shifted(history.at(-1) ?? idle, 10);
        const fewer = decide(state, next, tuned).desired;
        expect(
          decide(state, { ...next, visible: next.visible + more }, tuned).desired,
        ).toBeGreaterThanOrEqual(fewer);
      }),
    );
  });

  test('the same input, the same output; the input is left as it was', () => {
    fc.assert(
      fc.property(histories, fc.constantFrom(...policyNames), (history, policy) => {
        const tuned = { ...config, policy };
        const frozen = structuredClone(history);
        expect(runAll(history, tuned)).toEqual(runAll(history, tuned));
        expect(history).toEqual(frozen);
      }),
    );
  });

  test('every hung boot is ended and not counted', () => {
    fc.assert(
      fc.property(observations, fc.constantFrom(...policyNames), (observation, policy) => {
        const { terminate, why } = decide(calmState(policy), observation, { ...config, policy });
        const booting = observation.instances.filter(({ state }) => state !== 'ready');
        for (const { id, launchedAtSeconds } of booting)
          if (observation.nowSeconds - launchedAtSeconds > 800) expect(terminate).toContain(id);
        expect(why.from).toBe(observation.instances.length - terminate.length);
      }),
    );
  });

  test('any JSON in place of the state is understood or refused, never fatal', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (stored) => {
        expect(() => decide(readState(stored), idle, config)).not.toThrow();
      }),
    );
  });
});
