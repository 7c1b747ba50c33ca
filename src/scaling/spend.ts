import type { Memory } from './memory.ts';

type Spend = Memory['spend'];

/** Between two runs that are further apart than this nobody knows what ran. */
const mostGapMs = 600_000;

/** Adds what `alive` instances cost since the last run, in instance-seconds of this UTC day. */
export const noteSpend = (before: Spend, alive: number, nowMs: number): Spend => {
  const day = new Date(nowMs).toISOString().slice(0, 10);
  const passedMs = before.atMs === 0 ? 0 : Math.min(mostGapMs, Math.max(0, nowMs - before.atMs));
  const startOfDayMs = Date.parse(day);
  const todayMs = Math.min(passedMs, nowMs - startOfDayMs);
  return {
    day,
    seconds: (before.day === day ? before.seconds : 0) + (alive * todayMs) / 1_000,
    atMs: nowMs,
  };
};

export const hoursSpent = ({ seconds }: Spend): number => seconds / 3_600;
