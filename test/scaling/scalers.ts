import { tagKeys } from '../../src/aws/names.ts';
import type { Log } from '../../src/log.ts';
import { openJournal } from '../../src/scaling/journal.ts';
import { openLease } from '../../src/scaling/lease.ts';
import { runs } from '../../src/scaling/loop.ts';
import type { ScaleConfig } from '../../src/scaling/plan.ts';
import { createScaler, type Run, type Scaler } from '../../src/scaling/scaler.ts';
import type { SimClock } from '../fixtures/sim-clock.ts';
import type { Fate, World } from './world.ts';

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export const configOf = (world: World, changes: Partial<ScaleConfig> = {}): ScaleConfig => ({
  policy: {
    policy: 'balanced',
    min: 0,
    max: 8,
    schedules: [],
    intervalSeconds: 10,
    priorRatePerSecond: 4,
    priorBootSeconds: 30,
  },
  pools: { instanceTypes: ['a.one'], subnetIds: [], spot: false },
  warm: 0,
  drainSeconds: 45,
  hoursPerDay: undefined,
  request: (slot, { instanceType, subnetId, market }, clientToken) => ({
    template: 'sim-worker',
    instanceType,
    ...(subnetId === undefined ? {} : { subnetId }),
    market,
    clientToken,
    tags: { [tagKeys.cluster]: world.names.cluster, [tagKeys.slot]: String(slot) },
  }),
  ...changes,
});

/** A scaler process in the world. */
export const startScaler = (world: World, clock: SimClock, config: ScaleConfig, fate: Fate): Scaler => {
  const { register, sources, hands } = world.seenBy(fate);
  return createScaler({
    lease: openLease({ register, clock }),
    sources,
    hands: { ...hands, log: silentLog },
    config,
    journal: openJournal({
      s3: {
        put: async (_bucket, key, body) => {
          if (!fate.dead) world.journal.set(key, String(body));
        },
      },
      bucket: world.names.opsBucket,
      clock,
      log: silentLog,
    }),
    log: silentLog,
  });
};

/** Runs a scaler until `signal` aborts, every `everyMs`. */
export const keepRunning = (
  scaler: Scaler,
  clock: SimClock,
  everyMs: number,
  signal: AbortSignal,
  onRun: (run: Run) => void = () => {},
): void => {
  void (async () => {
    for await (const run of runs({ scaler, everyMs, forMs: undefined, clock, log: silentLog, signal }))
      onRun(run);
  })();
};

/** mulberry32: a seed makes the same pauses again. */
export const randomOf = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};
