import { z } from 'zod';
import { launchIntent } from '../fleet/intents.ts';
import { activity, leaving } from '../fleet/leaving.ts';
import { poolTrouble } from '../fleet/pools.ts';
import { flowMemory } from './flow.ts';
import { damaged } from './lease.ts';

/** What the scaler last saw and decided: what `status` shows. */
export const standing = z.object({
  atMs: z.number(),
  desired: z.number(),
  ready: z.number(),
  booting: z.number(),
  draining: z.number(),
  warm: z.number(),
  backlog: z.number(),
  oldestSeconds: z.number().optional(),
  arrivingPerSecond: z.number(),
});
export type ScalerStanding = z.infer<typeof standing>;

/** Everything that one run of the scaler leaves to the next. */
const memory = z.object({
  v: z.literal(1),
  /** The policy's own. */
  policy: z.unknown().optional(),
  intents: z.array(launchIntent),
  leaving: z.array(leaving),
  pools: z.record(z.string(), poolTrouble),
  activities: z.record(z.string(), activity),
  flow: flowMemory.optional(),
  /** Instances that had not been ready at the last look. */
  booting: z.array(z.string()),
  /** Instances that were. */
  ready: z.array(z.string()),
  /** Instances of the warm pool that were started again and live. */
  rewarmed: z.array(z.string()),
  /** Boots in a row that never became ready. */
  failedBoots: z.number().int().nonnegative(),
  /** Launches that nobody could serve since the last decision. */
  launchFailures: z.number().int().nonnegative(),
  /** Answers in a row that asked to be spared. */
  throttles: z.number().int().nonnegative(),
  launchAfterMs: z.number(),
  spend: z.object({ day: z.string(), seconds: z.number(), atMs: z.number() }),
  standing: standing.optional(),
});
export type Memory = z.infer<typeof memory>;

export const emptyMemory: Memory = {
  v: 1,
  policy: undefined,
  intents: [],
  leaving: [],
  pools: {},
  activities: {},
  booting: [],
  ready: [],
  rewarmed: [],
  failedBoots: 0,
  launchFailures: 0,
  throttles: 0,
  launchAfterMs: 0,
  spend: { day: '', seconds: 0, atMs: 0 },
};

/** After a loss, launches that were made just before may not be listed yet: nothing is launched for this long. */
const quietMs = 60_000;

/** The memory as it was stored. One that cannot be understood is lost, and then nothing is launched for a minute. */
export const readMemory = (stored: unknown, nowMs: number): Memory => {
  if (stored === undefined || stored === null) return emptyMemory;
  const parsed = stored === damaged ? undefined : memory.safeParse(stored).data;
  return parsed ?? { ...emptyMemory, launchAfterMs: nowMs + quietMs };
};
