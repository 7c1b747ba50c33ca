import { z } from 'zod';
import type { LaunchKind, ObservedInstance } from './observation.ts';

/** What has been measured of one kind of instance. */
const kindSchema = z.object({
  /** Images a second of one worker; absent until enough images have been done. */
  rate: z.number().positive().optional(),
  /** Boot time in seconds, and its mean absolute deviation. */
  boot: z.number().nonnegative().optional(),
  bootDev: z.number().nonnegative().default(20),
  /** The fleet's totals when the rate was last measured, and a name for that very fleet. */
  done: z.number().optional(),
  busy: z.number().optional(),
  fleet: z.number().optional(),
});
type KindLearned = z.infer<typeof kindSchema>;

/** Learned by kind of launch: `c7a.medium`, or `c7a.medium/warm` for one that is started again. */
export const learnedSchema = z.object({
  kinds: z.record(z.string(), kindSchema),
  /** When the newest instance became ready whose boot was learned. */
  readyUpTo: z.number().nullable(),
});
export type Learned = z.infer<typeof learnedSchema>;

export const nothingLearned: Learned = { kinds: {}, readyUpTo: null };

const bootWeight = 0.2;
/** Images after which a measured rate counts as known; before, it would be the rate of a few odd images. */
const enoughImages = 8;
/** Kinds remembered: those of the present fleet and the last ones before. */
const mostKinds = 6;

const kindOf = ({ type, warm }: LaunchKind): string => (warm === true ? `${type}/warm` : type);

const mostFirstDev = 20;
/** Twenty seconds, but half of a short boot: RFC 6298 starts with half of the first round trip. */
const firstBootDev = (seconds: number): number => Math.min(mostFirstDev, seconds / 2);

const unknownKind: KindLearned = { bootDev: mostFirstDev };

/** A number for a set of instances: equal sets have equal ones (FNV-1a over the ids, which are in order). */
const fleetName = (ids: readonly string[]): number => {
  let hash = 0x811c9dc5;
  for (const id of ids)
    for (let index = 0; index < id.length; index += 1)
      hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return hash >>> 0;
};

/** Boot time: exponentially weighted mean and mean absolute deviation, as TCP estimates a round trip (RFC 6298). */
const learnBoot = (kind: KindLearned, seconds: number): KindLearned => {
  if (kind.boot === undefined) return { ...kind, boot: seconds, bootDev: firstBootDev(seconds) };
  return {
    ...kind,
    boot: kind.boot + bootWeight * (seconds - kind.boot),
    bootDev: kind.bootDev + bootWeight * (Math.abs(seconds - kind.boot) - kind.bootDev),
  };
};

/**
 * Images a second of one worker = images done / busy seconds x images at a time. From what the same fleet did since the
 * last measurement; where the fleet has changed, from all that its present workers have done.
 */
const learnRate = (kind: KindLearned, workers: readonly ObservedInstance[]): KindLearned => {
  let done = 0;
  let busy = 0;
  let atATime = 0;
  for (const { imagesDone = 0, busySeconds = 0, classifiers = 1 } of workers) {
    done += imagesDone;
    busy += busySeconds;
    atATime += classifiers;
  }
  const fleet = fleetName(workers.map(({ id }) => id));
  const same = kind.fleet === fleet && done >= (kind.done ?? 0) && busy >= (kind.busy ?? 0);
  const newDone = same ? done - (kind.done ?? 0) : done;
  const newBusy = same ? busy - (kind.busy ?? 0) : busy;
  if (workers.length === 0 || newDone < enoughImages || newBusy <= 0) return kind;
  const measured = (newDone / newBusy) * (atATime / workers.length);
  // A measurement weighs as much as its images against those of about the last hundred.
  const weight = kind.rate === undefined ? 1 : newDone / (newDone + 100);
  const rate = (kind.rate ?? measured) + weight * (measured - (kind.rate ?? measured));
  return { ...kind, rate, done, busy, fleet };
};

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

/** Learns boot times and rates from what the instances report. */
export const learn = (before: Learned, instances: readonly ObservedInstance[]): Learned => {
  const kinds = new Map(Object.entries(before.kinds));
  const update = (name: string, change: (kind: KindLearned) => KindLearned) => {
    const changed = change(kinds.get(name) ?? unknownKind);
    // The kind used last stands last; the first are forgotten first.
    kinds.delete(name);
    kinds.set(name, changed);
  };
  let readyUpTo = before.readyUpTo;
  const byType = new Map<string, ObservedInstance[]>();
  for (const instance of instances) {
    if (instance.state !== 'ready') continue;
    const { type, readyAtSeconds, launchedAtSeconds } = instance;
    const ofType = byType.get(type);
    if (ofType === undefined) byType.set(type, [instance]);
    else ofType.push(instance);
    // Seen again, the same boot is up to a second off.
    if (readyAtSeconds === undefined || readyAtSeconds <= (before.readyUpTo ?? -Infinity) + 1) continue;
    readyUpTo = Math.max(readyUpTo ?? -Infinity, readyAtSeconds);
    update(kindOf(instance), (kind) => learnBoot(kind, rounded(readyAtSeconds - launchedAtSeconds)));
  }
  for (const [type, workers] of byType) update(type, (kind) => learnRate(kind, workers));
  return { kinds: Object.fromEntries([...kinds].slice(-mostKinds)), readyUpTo };
};

export interface Priors {
  readonly priorRatePerSecond: number;
  readonly priorBootSeconds: number;
}

/** Images a second of one worker of this type. */
export const rateOf = (learned: Learned, type: string | undefined, priors: Priors): number =>
  (type === undefined ? undefined : learned.kinds[type]?.rate) ??
  Object.values(learned.kinds).findLast(({ rate }) => rate !== undefined)?.rate ??
  priors.priorRatePerSecond;

export interface Boot {
  readonly seconds: number;
  /** Seldom exceeded: mean and 1.5 mean absolute deviations. */
  readonly highSeconds: number;
}

/** How long such an instance takes from launch to work. */
export const bootOf = (learned: Learned, kind: LaunchKind | undefined, priors: Priors): Boot => {
  const own = kind === undefined ? undefined : learned.kinds[kindOf(kind)];
  const known =
    own?.boot === undefined && kind?.warm !== true
      ? Object.entries(learned.kinds).findLast(
          ([name, { boot }]) => boot !== undefined && !name.endsWith('/warm'),
        )?.[1]
      : own;
  const seconds = known?.boot ?? priors.priorBootSeconds;
  return { seconds, highSeconds: seconds + 1.5 * (known?.bootDev ?? firstBootDev(seconds)) };
};
