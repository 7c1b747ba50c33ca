import { z } from 'zod';
import type { Arrivals } from './observation.ts';

/** A cumulative counter as its process last reported it. */
export interface Counter {
  /** Names the process; a new process has a new name or starts at 0 again. */
  readonly name: string;
  readonly total: number;
  /** When it was reported, by the cloud's clock. */
  readonly atMs: number;
  /** How long that process has been counting, if known. */
  readonly forSeconds?: number;
  /** Its process has gone: no other report will come. */
  readonly final?: boolean;
}

/** Whoever has been silent for this long is not waited for: two reports of a worker were due, or more. */
const patienceMs = 45_000;
/** Being ahead is forgotten by half in this time: after a purge, arrivals would be hidden until as many had come again. */
const forgetAheadMs = 60_000;

/** What one side is ahead by. */
const lead = z.object({
  by: z.number(),
  /** When it last grew: what has been ahead for less than a report takes is no more than a report that has not come. */
  sinceMs: z.number(),
});
type Lead = z.infer<typeof lead>;

/** The lead after `by` at a moment, and what is forgotten of it until the next. */
const leadAfter = (before: Lead, by: number, fromMs: number, toMs: number): Lead => {
  if (by > before.by) return { by, sinceMs: toMs };
  const stale = toMs - Math.max(fromMs, before.sinceMs + patienceMs);
  return { by: stale > 0 ? by * 0.5 ** (stale / forgetAheadMs) : by, sinceMs: before.sinceMs };
};

const totals = z.record(z.string(), z.number());

/** What of the counters has been accounted for, up to one moment. */
export const flowMemory = z.object({
  atMs: z.number(),
  /** Messages in the queue, in any state, at that moment. */
  backlog: z.number(),
  /** When `backlog` was last counted, and how many there were. */
  countedAtMs: z.number(),
  counted: z.number(),
  done: totals,
  accepted: totals,
  /** How far what was reported as arrived is ahead of what the queue, and the web processes, account for. */
  ahead: z.object({ queue: lead, web: lead }),
});
export type FlowMemory = z.infer<typeof flowMemory>;

/** A counter that is this much older than what is remembered was counting before anybody looked. */
const oldMs = 60_000;

/** A counter's value at `atMs`, on the straight line from what was accounted for to its last report. */
const valueAt = (counter: Counter, base: number, baseAtMs: number, atMs: number): number => {
  if (counter.atMs <= atMs || counter.atMs <= baseAtMs) return counter.total;
  return base + ((counter.total - base) * (atMs - baseAtMs)) / (counter.atMs - baseAtMs);
};

const baseOf = (counter: Counter, known: Readonly<Record<string, number>>, sinceMs: number): number => {
  const base = known[counter.name];
  // Fewer than before: it has started anew under the same name.
  if (base !== undefined) return base <= counter.total ? base : 0;
  const startedMs = counter.atMs - (counter.forSeconds ?? 0) * 1_000;
  return startedMs < sinceMs - oldMs ? counter.total : 0;
};

const advance = (
  counters: readonly Counter[],
  known: Readonly<Record<string, number>>,
  fromMs: number,
  toMs: number,
): { readonly count: number; readonly values: Record<string, number> } => {
  let count = 0;
  const values: Record<string, number> = {};
  for (const counter of counters) {
    const base = baseOf(counter, known, fromMs);
    const value = Math.max(base, valueAt(counter, base, fromMs, toMs));
    count += value - base;
    values[counter.name] = value;
  }
  return { count, values };
};

export interface FlowInput {
  readonly nowMs: number;
  /** Visible, in flight and delayed. */
  readonly backlog: number;
  /** Images done, a worker. */
  readonly done: readonly Counter[];
  /** Images accepted, a web process; none where others fill the queue. */
  readonly accepted: readonly Counter[];
}

/**
 * What has arrived: what the queue gained plus what the workers took out of it, or what the web processes say they put in, whichever
 * is larger (reports get lost, counts are approximate, and others may send too). Accounted for only up to the moment that every
 * process has reported: no image is counted twice, and none that is merely not reported yet looks like a pause.
 */
export const noteFlow = (
  memory: FlowMemory | undefined,
  input: FlowInput,
): { readonly memory: FlowMemory; readonly arrivals: readonly Arrivals[] } => {
  const { nowMs, backlog, done, accepted } = input;
  const counted = { countedAtMs: nowMs, counted: backlog };
  const totalsOf = (counters: readonly Counter[]) =>
    Object.fromEntries(counters.map(({ name, total }) => [name, total]));
  if (memory === undefined)
    return {
      memory: {
        atMs: nowMs,
        backlog,
        ...counted,
        done: totalsOf(done),
        accepted: totalsOf(accepted),
        ahead: { queue: { by: 0, sinceMs: nowMs }, web: { by: 0, sinceMs: nowMs } },
      },
      arrivals: [],
    };
  const awaited = [...done, ...accepted].filter(({ atMs, final }) => !final && nowMs - atMs < patienceMs);
  const toMs = Math.min(nowMs, ...awaited.map(({ atMs }) => atMs));
  if (toMs <= memory.atMs) return { memory: { ...memory, ...counted }, arrivals: [] };
  const taken = advance(done, memory.done, memory.atMs, toMs);
  const put = advance(accepted, memory.accepted, memory.atMs, toMs);
  // The count that was nearest to that moment, from either side.
  const since = nowMs - memory.countedAtMs;
  const share = since > 0 ? Math.min(1, Math.max(0, (toMs - memory.countedAtMs) / since)) : 1;
  const then = memory.counted + (backlog - memory.counted) * share;
  const { ahead, atMs } = memory;
  const queue = ahead.queue.by - (then - memory.backlog + taken.count);
  const web = ahead.web.by - put.count;
  const count = Math.max(0, -Math.min(queue, web));
  return {
    memory: {
      atMs: toMs,
      backlog: then,
      ...counted,
      done: taken.values,
      accepted: put.values,
      ahead: {
        queue: leadAfter(ahead.queue, queue + count, atMs, toMs),
        web: leadAfter(ahead.web, web + count, atMs, toMs),
      },
    },
    arrivals: [{ from: memory.atMs / 1_000, to: toMs / 1_000, count }],
  };
};
