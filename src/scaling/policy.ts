import {
  decideKeda,
  decideKpa,
  decideSeed,
  decideTargetTracking,
  noKedaMemory,
  noKpaMemory,
  noSeedMemory,
  noTargetTrackingMemory,
  type Seen,
} from './comparisons.ts';
import { type Boot, bootOf, learn, nothingLearned, rateOf } from './learning.ts';
import type { Observation, ObservedInstance } from './observation.ts';
import { decideOwn, type Fleet, noOwnMemory, targetWaits } from './own.ts';
import { minBySchedule, type Schedule } from './schedule.ts';
import type { PolicyState } from './state.ts';
import type { Why } from './why.ts';

export const policyNames = [
  'economy',
  'balanced',
  'latency',
  'seed',
  'target-tracking',
  'keda',
  'kpa',
  'fixed',
] as const;
export type PolicyName = (typeof policyNames)[number];

/** How a policy is tuned. */
export interface PolicyConfig {
  readonly policy: PolicyName;
  readonly min: number;
  readonly max: number;
  /** Further minimums by time: `{cron: "0 8 * * 1-5", min: 3}` and `{cron: "0 18 * * *", min: 0}`, UTC. */
  readonly schedules: readonly Schedule[];
  /** Time between two runs. */
  readonly intervalSeconds: number;
  /** Replaces the target wait of economy (60 s), balanced (30 s) and latency (15 s). */
  readonly targetWaitSeconds?: number;
  /** The number that a comparison takes: workers of `fixed`, messages a worker of `keda`, seconds of `target-tracking`. */
  readonly parameter?: number;
  /** Until the first images and boots have been measured. */
  readonly priorRatePerSecond: number;
  readonly priorBootSeconds: number;
  /** For so long after a launch as many workers are kept (by our policies). 60 when absent, which EC2 bills at least. */
  readonly minUptimeSeconds?: number;
}

const billedSeconds = 60;

export interface Decision {
  readonly state: PolicyState;
  /** Workers wanted, as an absolute number: ready and booting, without interrupted ones and those in `terminate`. */
  readonly desired: number;
  /** Instances whose boot is given up. */
  readonly terminate: readonly string[];
  readonly why: Why;
}

interface Outcome extends Pick<Why, 'arrivingPerSecond' | 'forRate' | 'forBacklog' | 'kept' | 'rule'> {
  readonly memory: PolicyState['memory'];
  readonly desired: number;
}

/** The numbers of policies that only count messages. */
const countsOnly = { arrivingPerSecond: 0, forRate: 0, forBacklog: 0, kept: 0, rule: 'none' } as const;

const decideComparison = (
  policy: Exclude<PolicyName, keyof typeof targetWaits>,
  memory: PolicyState['memory'] | undefined,
  seen: Seen,
): Outcome => {
  switch (policy) {
    case 'seed': {
      const known = memory?.of === policy ? memory.seed : noSeedMemory;
      const { memory: seed, desired } = decideSeed(known, seen);
      return { ...countsOnly, desired, memory: { of: policy, seed } };
    }
    case 'target-tracking': {
      const known = memory?.of === policy ? memory.targetTracking : noTargetTrackingMemory;
      const { memory: targetTracking, desired } = decideTargetTracking(known, seen);
      return { ...countsOnly, desired, memory: { of: policy, targetTracking } };
    }
    case 'keda': {
      const known = memory?.of === policy ? memory.keda : noKedaMemory;
      const { memory: keda, desired } = decideKeda(known, seen);
      return { ...countsOnly, desired, memory: { of: policy, keda } };
    }
    case 'kpa': {
      const known = memory?.of === policy ? memory.kpa : noKpaMemory;
      const { memory: kpa, desired } = decideKpa(known, seen);
      return { ...countsOnly, desired, memory: { of: policy, kpa } };
    }
    case 'fixed':
      return { ...countsOnly, desired: seen.parameter ?? seen.max, memory: { of: policy } };
  }
};

/** A worker gives its classifiers a minute to start: on a small loaded machine even what usually boots in a second may need it. */
const shortestHangSeconds = 90;

/** A boot that has lasted three times as long as nearly all others will not end. */
const isHung = ({ state, launchedAtSeconds }: ObservedInstance, nowSeconds: number, boot: Boot): boolean =>
  state !== 'ready' && nowSeconds - launchedAtSeconds > Math.max(shortestHangSeconds, 3 * boot.highSeconds);

/** Refused launches are tried again after 30 s, doubling to 5 min (exponential back-off). */
const backOff = (
  before: PolicyState['refused'],
  { launchFailures, nowSeconds }: Observation,
  isReached: boolean,
): PolicyState['refused'] => {
  if (launchFailures > 0)
    return {
      runs: before.runs + 1,
      untilSeconds: nowSeconds + Math.min(300, 30 * 2 ** before.runs),
    };
  return isReached ? { runs: 0, untilSeconds: nowSeconds } : before;
};

const fleetOf = (
  counted: readonly ObservedInstance[],
  nowSeconds: number,
  boot: Boot,
  minUptimeSeconds: number,
): Fleet => {
  const booting = counted.filter(({ state }) => state !== 'ready');
  return {
    size: counted.length,
    ready: counted.length - booting.length,
    new: counted.filter(({ launchedAtSeconds }) => nowSeconds - launchedAtSeconds < minUptimeSeconds).length,
    // One that is late is expected any moment.
    readyIn: booting
      .map(({ launchedAtSeconds }) =>
        Math.max(Math.min(5, boot.seconds), launchedAtSeconds + boot.seconds - nowSeconds),
      )
      .sort((a, b) => a - b),
  };
};

const newestOf = (instances: readonly ObservedInstance[]): ObservedInstance | undefined => {
  let newest: ObservedInstance | undefined;
  for (const instance of instances)
    if (newest === undefined || instance.launchedAtSeconds > newest.launchedAtSeconds) newest = instance;
  return newest;
};

/** The number within its limits, and which of them overruled it. */
const limit = (
  wanted: number,
  { min, max }: PolicyConfig,
  scheduled: number,
): { readonly to: number; readonly rule: Why['rule'] } => {
  const least = Math.min(max, Math.max(min, scheduled));
  if (wanted > max) return { to: max, rule: 'max' };
  if (wanted >= least) return { to: wanted, rule: 'none' };
  return { to: least, rule: scheduled > min ? 'schedule' : 'min' };
};

/**
 * Decides how many workers there should be. Pure: no clock, no randomness, no I/O; the same input gives the same output.
 * `state` is undefined at the first run and when it was lost: then the present fleet stays for a run.
 */
export const decide = (
  state: PolicyState | undefined,
  observation: Observation,
  config: PolicyConfig,
): Decision => {
  const { nowSeconds, visible, inFlight, delayed, instances } = observation;
  const { policy } = config;
  const learned = learn(state?.learned ?? nothingLearned, instances);
  const next = observation.next ?? newestOf(instances);
  const boot = bootOf(learned, next, config);
  const workerPerSecond = rateOf(learned, next?.type, config);
  const hung = instances.filter((instance) => isHung(instance, nowSeconds, boot));
  const counted = instances.filter(
    (instance) => instance.interruptAtSeconds === undefined && !hung.includes(instance),
  );
  const minUptimeSeconds = config.minUptimeSeconds ?? billedSeconds;
  const fleet = fleetOf(counted, nowSeconds, boot, minUptimeSeconds);
  const { size: from, ready } = fleet;

  const isOurs = policy === 'economy' || policy === 'balanced' || policy === 'latency';
  const seen = { observation, size: from, ready, workerPerSecond, ...config };
  const outcome = isOurs
    ? ourOutcome(state, {
        ...seen,
        fleet,
        boot,
        minUptimeSeconds,
        targetWaitSeconds: Math.max(1, config.targetWaitSeconds ?? targetWaits[policy]),
      })
    : decideComparison(policy, state?.memory, seen);

  const isLost = state === undefined;
  const scheduled = minBySchedule(config.schedules, nowSeconds, boot.seconds);
  const limited = limit(isLost ? from : outcome.desired, config, scheduled);
  const refused = backOff(
    state?.refused ?? { runs: 0, untilSeconds: nowSeconds },
    observation,
    from >= limited.to,
  );
  const isRefused = limited.to > from && nowSeconds < refused.untilSeconds;
  const to = isRefused ? from : limited.to;
  const rule = isRefused
    ? 'refused'
    : limited.rule !== 'none'
      ? limited.rule
      : isLost
        ? 'state-lost'
        : outcome.rule;
  const { arrivingPerSecond, forRate, forBacklog, kept } = outcome;
  return {
    state: { v: 1, atSeconds: nowSeconds, learned, refused, memory: outcome.memory },
    desired: to,
    terminate: hung.map(({ id }) => id),
    why: {
      policy,
      from,
      to,
      ready,
      booting: from - ready,
      waiting: visible + inFlight + delayed,
      arrivingPerSecond,
      workerPerSecond,
      bootSeconds: boot.seconds,
      forRate,
      forBacklog,
      kept: Math.max(0, kept),
      hung: hung.length,
      rule,
    },
  };
};

const ourOutcome = (state: PolicyState | undefined, situation: Parameters<typeof decideOwn>[1]): Outcome => {
  const { memory: own, ...rest } = decideOwn(
    state?.memory.of === 'own' ? state.memory.own : noOwnMemory,
    situation,
  );
  return { ...rest, memory: { of: 'own', own } };
};
