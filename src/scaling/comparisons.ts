import { z } from 'zod';
import type { Observation } from './observation.ts';

/** What the policies of others see: counts, and the fleet with those that boot. */
export interface Seen {
  readonly observation: Observation;
  readonly size: number;
  readonly ready: number;
  readonly workerPerSecond: number;
  readonly min: number;
  readonly max: number;
  /** The one number that a policy may be given: workers of `fixed`, messages a worker of `keda`, seconds of `target-tracking`. */
  readonly parameter?: number | undefined;
}

interface Outcome<Memory> {
  readonly memory: Memory;
  readonly desired: number;
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

// --- the course's rule

export const seedMemorySchema = z.object({ zeroSince: z.number().nullable() });
type SeedMemory = z.infer<typeof seedMemorySchema>;
export const noSeedMemory: SeedMemory = { zeroSince: null };

/**
 * The course project's controller: ceil(visible / 2) workers, 1 to 19; surplus is ended at once, and after nothing has
 * waited for 60 s, all.
 */
export const decideSeed = (memory: SeedMemory, { observation, size }: Seen): Outcome<SeedMemory> => {
  const { visible, nowSeconds } = observation;
  if (visible > 0) return { memory: { zeroSince: null }, desired: clamp(Math.ceil(visible / 2), 1, 19) };
  const zeroSince = memory.zeroSince ?? nowSeconds;
  return { memory: { zeroSince }, desired: nowSeconds - zeroSince >= 60 ? 0 : size };
};

// --- AWS Auto Scaling, target tracking on the backlog of an instance

export const targetTrackingMemorySchema = z.object({
  points: z.array(z.number().nullable()),
  pointAt: z.number().nullable(),
});
type TargetTrackingMemory = z.infer<typeof targetTrackingMemorySchema>;
export const noTargetTrackingMemory: TargetTrackingMemory = { points: [], pointAt: null };

/**
 * Messages that may wait for one worker: the longest acceptable wait over the time a message takes. AWS's example is
 * 10 s / 0.1 s = 100 ("Scaling based on Amazon SQS", EC2 Auto Scaling User Guide); Copilot's 10 min / 250 ms = 2,400
 * (`queue_delay`, AWS Copilot CLI manifest of worker services).
 */
export const acceptableBacklog = (acceptableSeconds: number, secondsPerMessage: number): number =>
  acceptableSeconds / secondsPerMessage;

/** ceil(messages / acceptable backlog), the capacity that brings the backlog of an instance to its target. */
export const workersForBacklog = (messages: number, acceptable: number): number =>
  Math.ceil(messages / acceptable);

/**
 * AWS target tracking with a one-minute metric: out when 3 of 3 points are above the target, in when 15 of 15 are below
 * 90 % of it and no instance is warming up (120 s). The metric has no value while no instance is in service.
 */
export const decideTargetTracking = (
  memory: TargetTrackingMemory,
  seen: Seen,
): Outcome<TargetTrackingMemory> => {
  const { observation, size, ready, workerPerSecond, parameter = 10 } = seen;
  const { nowSeconds, visible, instances } = observation;
  const min = Math.max(1, seen.min);
  const floor = Math.max(size, min);
  if (memory.pointAt !== null && nowSeconds - memory.pointAt < 59) return { memory, desired: floor };
  const target = acceptableBacklog(parameter, 1 / workerPerSecond);
  const points = [...memory.points, ready > 0 ? visible / ready : null].slice(-15);
  const isHigh = points.length >= 3 && points.slice(-3).every((point) => point !== null && point > target);
  const isLow = points.length === 15 && points.every((point) => point !== null && point < 0.9 * target);
  const warming = instances.some(
    ({ state, readyAtSeconds = nowSeconds }) => state !== 'ready' || nowSeconds - readyAtSeconds < 120,
  );
  const wanted = workersForBacklog(visible, target);
  let desired = floor;
  if (isHigh) desired = Math.max(floor, clamp(wanted, min, seen.max));
  else if (isLow && !warming) desired = clamp(wanted, min, floor);
  return { memory: { points: desired < size ? [] : points, pointAt: nowSeconds }, desired };
};

// --- KEDA

export const kedaMemorySchema = z.object({
  recommended: z.array(z.tuple([z.number(), z.number()])),
  activeAt: z.number().nullable(),
  polledAt: z.number().nullable(),
});
type KedaMemory = z.infer<typeof kedaMemorySchema>;
export const noKedaMemory: KedaMemory = { recommended: [], activeAt: null, polledAt: null };

/**
 * KEDA's aws-sqs-queue scaler over the Kubernetes autoscaler (queueLength 5, visible and in flight counted): tolerance
 * 0.1, up by at most 4 or to twice as many a run, down to the most recommended within 300 s; between 0 and 1 by KEDA
 * itself, which polls every 30 s and cools down for 300 s.
 */
export const decideKeda = (memory: KedaMemory, seen: Seen): Outcome<KedaMemory> => {
  const { observation, size, min, max, parameter: queueLength = 5 } = seen;
  const { nowSeconds, visible, inFlight } = observation;
  const messages = visible + inFlight;
  const activeAt = messages > 0 ? nowSeconds : memory.activeAt;
  const polls = memory.polledAt === null || nowSeconds - memory.polledAt >= 30;
  const polledAt = polls ? nowSeconds : memory.polledAt;
  const rest = { recommended: [], activeAt, polledAt };
  if (size === 0) return { memory: rest, desired: Math.max(min, messages > 0 && polls ? 1 : 0) };
  const cooled = activeAt === null || nowSeconds - activeAt >= 300;
  if (messages === 0 && cooled && polls && min === 0) return { memory: rest, desired: 0 };
  const isOff = Math.abs(1 - messages / (queueLength * size)) > 0.1;
  const wanted = clamp(isOff ? workersForBacklog(messages, queueLength) : size, Math.max(1, min), max);
  const recommended: [number, number][] = [
    ...memory.recommended.filter(([at]) => nowSeconds - at < 300),
    [nowSeconds, wanted],
  ];
  const most = Math.max(...recommended.map(([, workers]) => workers));
  const desired = wanted < size ? Math.min(size, most) : Math.min(wanted, Math.max(size + 4, size * 2));
  return { memory: { recommended, activeAt, polledAt }, desired };
};

// --- Knative

export const kpaMemorySchema = z.object({
  samples: z.array(z.tuple([z.number(), z.number()])),
  panicAt: z.number().nullable(),
  panicMost: z.number(),
  zeroSince: z.number().nullable(),
});
type KpaMemory = z.infer<typeof kpaMemorySchema>;
export const noKpaMemory: KpaMemory = { samples: [], panicAt: null, panicMost: 0, zeroSince: null };

/**
 * Knative's pod autoscaler on concurrency: one request a worker at 70 % utilisation, a stable window of 60 s and a panic
 * window of 6 s, panic at twice the ready capacity, at most halving at once, 30 s of grace before zero.
 */
export const decideKpa = (memory: KpaMemory, { observation, size, ready, max }: Seen): Outcome<KpaMemory> => {
  const { nowSeconds, visible, inFlight } = observation;
  const target = 0.7;
  const samples: [number, number][] = [
    ...memory.samples.filter(([at]) => nowSeconds - at < 60),
    [nowSeconds, visible + inFlight],
  ];
  const mean = (windowSeconds: number): number => {
    const window = samples.filter(([at]) => nowSeconds - at < windowSeconds);
    return window.reduce((sum, [, value]) => sum + value, 0) / window.length;
  };
  const up = Math.max(1, ready);
  const least = Math.floor(up / 2);
  const stable = clamp(Math.ceil(mean(60) / target), least, 1_000 * up);
  const panicking = Math.ceil(mean(6) / target);
  const panicAt =
    panicking / up >= 2
      ? nowSeconds
      : memory.panicAt !== null && nowSeconds - memory.panicAt > 60
        ? null
        : memory.panicAt;
  const panicMost =
    panicAt === null ? 0 : Math.max(memory.panicMost, stable, clamp(panicking, least, 1_000 * up));
  const wanted = panicAt === null ? stable : panicMost;
  const zeroSince = wanted === 0 ? (memory.zeroSince ?? nowSeconds) : null;
  const desired = zeroSince !== null && nowSeconds - zeroSince < 30 ? Math.min(1, size) : wanted;
  return { memory: { samples, panicAt, panicMost, zeroSince }, desired: Math.min(desired, max) };
};
