import { z } from 'zod';
import type { Member } from './members.ts';

/** An instance on its way out, across the runs of the controller. */
export const leaving = z.object({
  id: z.string(),
  sinceMs: z.number(),
  /** Then it is ended, whatever its worker does; the queue delivers again what it held. */
  deadlineMs: z.number(),
  /** Whether it has been asked to drain. Before that it may still be kept. */
  told: z.boolean(),
  /** What becomes of it when its worker has ended. */
  fate: z.enum(['terminate', 'stop']),
});
export type Leaving = z.infer<typeof leaving>;

export interface Departure {
  readonly id: string;
  readonly fate: Leaving['fate'];
  readonly why: 'drained' | 'deadline';
}

/**
 * Who of those that drain can be ended now, and who is still under way.
 * An instance that EC2 has already ended, or stopped where it was to be stopped, needs nothing more.
 */
export const departures = (
  entries: readonly Leaving[],
  members: ReadonlyMap<string, Member>,
  nowMs: number,
): { readonly remaining: readonly Leaving[]; readonly due: readonly Departure[] } => {
  const remaining: Leaving[] = [];
  const due: Departure[] = [];
  for (const entry of entries) {
    const member = members.get(entry.id);
    if (member === undefined || member.standing === 'gone') continue;
    if (entry.fate === 'stop' && (member.standing === 'stopping' || member.standing === 'stopped')) continue;
    // It stays until EC2 says that it is gone: the call that ends it may fail, and is then made again.
    remaining.push(entry);
    if (member.standing === 'ended') due.push({ id: entry.id, fate: entry.fate, why: 'drained' });
    else if (nowMs >= entry.deadlineMs) due.push({ id: entry.id, fate: entry.fate, why: 'deadline' });
  }
  return { remaining, due };
};

/** What a worker's last two reports say of it. */
export const activity = z.object({
  atMs: z.number(),
  imagesDone: z.number(),
  busySeconds: z.number(),
  /** Nothing was added between them. */
  idle: z.boolean(),
});
export type Activity = z.infer<typeof activity>;

/** The activities after the reports of these members have been read; those of members that are no more are forgotten. */
export const noteActivity = (
  before: Readonly<Record<string, Activity>>,
  members: readonly Member[],
): Record<string, Activity> =>
  Object.fromEntries(
    members.flatMap(({ instance: { id }, dated }) => {
      if (dated === undefined) return [];
      const { imagesDone, busySeconds } = dated.report;
      const last = before[id];
      if (last !== undefined && last.atMs === dated.atMs && last.imagesDone === imagesDone)
        return [[id, last]];
      const idle = last !== undefined && last.imagesDone === imagesDone && last.busySeconds === busySeconds;
      return [[id, { atMs: dated.atMs, imagesDone, busySeconds, idle }]];
    }),
  );

/**
 * Those to end first: idle ones before busy ones, the newest first among each, so that a few old ones carry the load.
 * One that boots has no work either.
 */
export const victims = (
  candidates: readonly Member[],
  activities: Readonly<Record<string, Activity>>,
  count: number,
): string[] => {
  const isIdle = ({ instance, standing }: Member): boolean =>
    standing === 'booting' || activities[instance.id]?.idle === true;
  return [...candidates]
    .sort(
      (a, b) => Number(isIdle(b)) - Number(isIdle(a)) || b.instance.launchedAtMs - a.instance.launchedAtMs,
    )
    .slice(0, Math.max(0, count))
    .map(({ instance }) => instance.id);
};
