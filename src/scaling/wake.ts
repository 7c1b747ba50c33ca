import { z } from 'zod';
import type { Observation } from './observation.ts';

/**
 * Whether a lone count of one message is believed. SQS's counts are approximate and have been seen to say 1 for a queue that
 * is empty; waking a fleet for it costs a boot each time.
 */
export const wakeSchema = z.object({
  /** Since when a count of one has been all the evidence, and what it was. */
  since: z.number().nullable(),
  visible: z.number(),
  /** Workers were started for such a count and found nothing, this many times in a row. */
  vain: z.number().int().nonnegative(),
  /** Workers were started for it, and have not done an image yet. */
  trying: z.boolean(),
  /** A ready worker has looked long enough: this very reading is wrong. */
  refuted: z.boolean(),
});
export type Wake = z.infer<typeof wakeSchema>;

export const noWake: Wake = { since: null, visible: 0, vain: 0, trying: false, refuted: false };

/** Longer than the visibility timeout after which a message held by a lost worker can be received. */
const refutedAfterSeconds = 120;
/** After a vain start a count must last this long, twice as long after the next; a real message lasts. */
const lastsSeconds = 300;
const lastsMostSeconds = 3_600;

export interface Belief {
  readonly wake: Wake;
  readonly verdict: 'believed' | 'confirming' | 'phantom';
}

/** Judges the evidence of work. Only a count of one without any known arrival is ever doubted. */
export const judgeCount = (before: Wake, observation: Observation, fleetSize: number): Belief => {
  const { nowSeconds, visible, inFlight, delayed, arrivals, instances } = observation;
  const waiting = visible + inFlight + delayed;
  const certain = waiting > 1 || arrivals.some(({ count }) => count > 0);
  const worked = instances.some(({ imagesDone = 0 }) => imagesDone > 0);
  if (certain || (before.trying && worked)) return { wake: noWake, verdict: 'believed' };
  const gone = fleetSize === 0 && before.trying && (before.since === null || before.refuted);
  const vain = before.vain + (gone ? 1 : 0);
  const trying = before.trying && !gone;
  if (waiting === 0) return { wake: { ...noWake, vain, trying }, verdict: 'believed' };
  const same = before.since !== null && before.visible === visible;
  const since = same ? (before.since ?? nowSeconds) : nowSeconds;
  const wake: Wake = { since, visible, vain, trying, refuted: same && before.refuted };
  if (fleetSize > 0) {
    const readyFor = Math.max(
      -1,
      ...instances.flatMap(({ state, readyAtSeconds }) =>
        state === 'ready' && readyAtSeconds !== undefined ? [nowSeconds - readyAtSeconds] : [],
      ),
    );
    const looked = Math.min(readyFor, nowSeconds - since) >= refutedAfterSeconds;
    const refuted = wake.refuted || (looked && !worked);
    return { wake: { ...wake, refuted }, verdict: refuted ? 'phantom' : 'believed' };
  }
  if (wake.refuted) return { wake, verdict: 'phantom' };
  if (vain > 0 || trying) {
    const lasts = Math.min(lastsMostSeconds, lastsSeconds * 2 ** Math.max(0, vain - 1));
    if (nowSeconds - since < lasts) return { wake, verdict: 'phantom' };
  } else if (!same) return { wake, verdict: 'confirming' };
  return { wake: { ...wake, trying: true }, verdict: 'believed' };
};
