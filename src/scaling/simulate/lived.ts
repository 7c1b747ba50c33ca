import type { Arrivals } from '../observation.ts';
import { readState } from '../state.ts';
import type { Trace } from './trace.ts';

const binSeconds = 10;

/** What a journal's entry has of use here. */
export interface Lived {
  readonly observation: { readonly arrivals: readonly Arrivals[] };
  readonly before?: unknown;
}

/**
 * The arrivals that a cluster has lived through, from the decisions in its journal: each count is spread evenly over its
 * span. Undefined where no arrival was ever counted.
 */
export const traceOfJournal = (name: string, entries: readonly Lived[]): Trace | undefined => {
  const spans = entries
    .flatMap(({ observation }) => observation.arrivals)
    .filter(({ from, to }) => to > from);
  if (!spans.some(({ count }) => count > 0)) return undefined;
  const start = Math.floor(
    spans.reduce((least, { from }) => Math.min(least, from), Number.POSITIVE_INFINITY),
  );
  const end = spans.reduce((most, { to }) => Math.max(most, to), start);
  const counts = new Float64Array(Math.ceil((end - start) / binSeconds));
  for (const { from, to, count } of spans)
    for (let bin = Math.floor((from - start) / binSeconds); start + bin * binSeconds < to; bin += 1) {
      const binStart = start + bin * binSeconds;
      const shared = Math.min(to, binStart + binSeconds) - Math.max(from, binStart);
      counts[bin] = (counts[bin] ?? 0) + (count * shared) / (to - from);
    }
  return { name, startSeconds: start, binSeconds, counts };
};

/** Images a second of each instance type, as the policy had last learned them. */
export const learnedRates = (entries: readonly Lived[]): Record<string, number> => {
  const state = readState(entries.findLast(({ before }) => readState(before) !== undefined)?.before);
  return Object.fromEntries(
    Object.entries(state?.learned.kinds ?? {}).flatMap(([type, { rate }]) =>
      rate === undefined || type.endsWith('/warm') ? [] : [[type, rate]],
    ),
  );
};
