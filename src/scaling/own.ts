import { z } from 'zod';
import { demandSchema, followArrivals, mostWhileNothingWaits, noDemand } from './demand.ts';
import { workersForRate } from './erlang.ts';
import { bandsUpTo, type Level, levelSchema, noteNeed, shouldBeUp } from './gaps.ts';
import type { Boot } from './learning.ts';
import type { Observation } from './observation.ts';
import { judgeCount, noWake, wakeSchema } from './wake.ts';
import type { Why } from './why.ts';

export const ownMemorySchema = z.object({
  demand: demandSchema,
  /** One for each band of `bandsUpTo(max)`. */
  levels: z.array(levelSchema.nullable()),
  wake: wakeSchema,
});
export type OwnMemory = z.infer<typeof ownMemorySchema>;
export const noOwnMemory: OwnMemory = { demand: noDemand, levels: [], wake: noWake };

export interface Fleet {
  /** Ready and booting, without hung and interrupted ones. */
  readonly size: number;
  readonly ready: number;
  /** Launched less than the least uptime ago. */
  readonly new: number;
  /** Seconds until each booting one is ready, ascending. */
  readonly readyIn: readonly number[];
}

export interface Situation {
  readonly observation: Observation;
  readonly fleet: Fleet;
  readonly workerPerSecond: number;
  readonly boot: Boot;
  /** What EC2 bills at least for a launch. */
  readonly minUptimeSeconds: number;
  readonly max: number;
  readonly intervalSeconds: number;
  /** The dial: how long a request may wait when the load has surprised the fleet. */
  readonly targetWaitSeconds: number;
}

export interface OwnDecision {
  readonly memory: OwnMemory;
  readonly desired: number;
  readonly arrivingPerSecond: number;
  readonly forRate: number;
  readonly forBacklog: number;
  readonly kept: number;
  readonly rule: Why['rule'];
}

/** Target waits of the three policies. */
export const targetWaits = { economy: 60, balanced: 30, latency: 15 } as const;

/** Share of the requests that may wait longer than a third of the target while the load is steady. */
const lateShare = 0.05;
/** Work that a worker launched now must still find when it is up, seconds: less where a boot is so short that it costs little. */
const usefulSeconds = (bootSeconds: number): number => Math.min(15, bootSeconds / 4);
/** Load of the ready workers up to which nobody is launched for a margin alone. */
const calmLoad = 0.9;
/** Below this rate, images a second, and with nothing there, the fleet may go to zero: one in a hundred seconds, or in two boots. */
const quietPerSecond = (bootSeconds: number): number => Math.max(0.01, 0.5 / bootSeconds);

/**
 * Idle seconds that a missing worker is worth, so that keeping workers for what may come has a price. Ours, measured in
 * docs/scaling.md with boots of one to two minutes: five minutes for a target wait of 30 s, and about six times as much for half
 * of it. Where boots are shorter it goes with them, and with their ratio to the wait: a worker that boots well within the wait
 * is hardly missed.
 */
export const priceOfMissing = (targetWaitSeconds: number, bootSeconds: number): number => {
  const boot = Math.min(60, bootSeconds);
  return 5 * boot * (boot / 2 / targetWaitSeconds) ** 2.5;
};

/**
 * Messages that will still wait when a worker launched now is up: a fluid projection of the queue over the fleet as it boots.
 * Launches under way are never ordered twice, and nobody is launched for a queue that the present fleet will have cleared.
 */
export const backlogAtBoot = (
  visible: number,
  arrivingPerSecond: number,
  fleet: Fleet,
  workerPerSecond: number,
  bootSeconds: number,
): number => {
  const step = Math.min(5, bootSeconds / 4);
  let backlog = visible;
  let up = fleet.ready;
  for (let at = 0; step > 0 && at < bootSeconds; at += step) {
    while (up - fleet.ready < fleet.readyIn.length && (fleet.readyIn[up - fleet.ready] ?? 0) <= at) up += 1;
    backlog = Math.max(0, backlog + step * (arrivingPerSecond - workerPerSecond * up));
  }
  return backlog;
};

/** Workers that clear a backlog within the target wait and serve what arrives meanwhile. */
const workersForBacklog = (
  backlog: number,
  arrivingPerSecond: number,
  { workerPerSecond, targetWaitSeconds }: Situation,
): number => Math.ceil((backlog / targetWaitSeconds + arrivingPerSecond) / workerPerSecond);

/** Nothing is late and the ready workers carry the load: then nobody is launched for the margin alone. */
const isCalm = (visible: number, arrivingPerSecond: number, situation: Situation): boolean => {
  const capacity = situation.workerPerSecond * situation.fleet.ready;
  return visible < (capacity * situation.targetWaitSeconds) / 3 && arrivingPerSecond <= calmLoad * capacity;
};

interface Need {
  readonly workers: number;
  readonly forRate: number;
}

/** Workers needed for what arrives and what waits. */
const needOf = (
  visible: number,
  waiting: number,
  arrivingPerSecond: number,
  deviation: number,
  situation: Situation,
): Need => {
  const { fleet, workerPerSecond, boot, max, targetWaitSeconds } = situation;
  const forRate = workersForRate(
    arrivingPerSecond === 0 ? 0 : arrivingPerSecond + deviation,
    workerPerSecond,
    targetWaitSeconds / 3,
    lateShare,
    max,
  );
  let workers = forRate;
  const left = backlogAtBoot(visible, arrivingPerSecond, fleet, workerPerSecond, boot.highSeconds);
  if (left > workerPerSecond * usefulSeconds(boot.seconds))
    workers = Math.max(workers, workersForBacklog(left, arrivingPerSecond, situation));
  else if (fleet.size < forRate && isCalm(visible, arrivingPerSecond, situation)) workers = fleet.size;
  // Workers that are there are in use while what is queued needs them.
  workers = Math.max(workers, Math.min(fleet.size, workersForBacklog(visible, arrivingPerSecond, situation)));
  return { workers: Math.min(max, waiting > 0 ? Math.max(1, workers) : workers), forRate };
};

/** The levels with this need noted, and the fleet that is worth having with the idle workers that may be needed soon. */
const keepWarm = (
  before: readonly (Level | null)[],
  need: number,
  situation: Situation,
): { readonly levels: (Level | null)[]; readonly worth: number } => {
  const { observation, fleet, boot, max, intervalSeconds, targetWaitSeconds } = situation;
  const bands = bandsUpTo(max);
  const stakes = {
    bootSeconds: boot.seconds,
    launchSeconds: Math.max(boot.seconds, situation.minUptimeSeconds),
    priceSeconds: priceOfMissing(targetWaitSeconds, boot.seconds),
    intervalSeconds,
  };
  let worth = need;
  const levels = bands.map((first, band) => {
    const level = before[band] ?? undefined;
    if (need >= first) return noteNeed(level, observation.nowSeconds, intervalSeconds, bands.length);
    if (level === undefined) return null;
    const isUp = fleet.size >= first;
    const last = (bands[band + 1] ?? max + 1) - 1;
    if (shouldBeUp(level, observation.nowSeconds, isUp, stakes))
      worth = Math.max(worth, isUp ? Math.min(fleet.size, last) : first);
    return level;
  });
  return { levels, worth };
};

/** Our policy: demand, backlog at boot, learned pauses. The caller clamps to min and max. */
export const decideOwn = (before: OwnMemory, situation: Situation): OwnDecision => {
  const { observation, fleet, workerPerSecond, max } = situation;
  const { inFlight, delayed } = observation;
  const demand = followArrivals(before.demand, observation.arrivals, situation.boot.seconds);
  const { wake, verdict } = judgeCount(before.wake, observation, fleet.size);
  const visible = verdict === 'believed' ? observation.visible : 0;
  const waiting = verdict === 'believed' ? visible + inFlight + delayed : 0;
  const isQuiet = waiting === 0 && demand.rate < quietPerSecond(situation.boot.seconds);
  const most =
    waiting === inFlight ? mostWhileNothingWaits(inFlight, workerPerSecond) : Number.POSITIVE_INFINITY;
  const arrivingPerSecond = isQuiet ? 0 : Math.min(demand.rate, most);
  const need = needOf(visible, waiting, arrivingPerSecond, demand.deviation, situation);
  const { levels, worth } = keepWarm(before.levels, need.workers, situation);
  const memory = { demand, levels, wake };
  const numbers = {
    arrivingPerSecond,
    forRate: need.forRate,
    forBacklog: Math.max(0, need.workers - need.forRate),
  };
  // What comes in within a second is on its way to a worker rather than waiting for one.
  const workWaits = visible > arrivingPerSecond;
  const least = Math.min(max, workWaits ? fleet.size : fleet.new);
  const rule = verdict !== 'believed' ? verdict : workWaits && worth < least ? 'work-waits' : 'none';
  const desired = Math.max(worth, least);
  return { memory, desired, ...numbers, kept: desired - need.workers, rule };
};
