import { Cron } from 'croner';

/** From the times of a cron expression (UTC) on, until another one's time comes, there are at least `min` workers. */
export interface Schedule {
  readonly cron: string;
  readonly min: number;
}

/** The minimum that the schedule which came last has set; 0 while none has. */
const scheduledMin = (schedules: readonly Schedule[], atSeconds: number): number => {
  // croner looks strictly before its reference.
  const reference = new Date((Math.floor(atSeconds) + 1) * 1_000);
  let latest = Number.NEGATIVE_INFINITY;
  let least = 0;
  for (const { cron, min } of schedules) {
    const at = new Cron(cron, { timezone: 'UTC' }).previousRuns(1, reference)[0]?.getTime();
    if (at === undefined || at < latest) continue;
    least = at === latest ? Math.max(least, min) : min;
    latest = at;
  }
  return least;
};

/** The minimum by schedule, now and a boot ahead: workers are up at the time that the schedule names. */
export const minBySchedule = (
  schedules: readonly Schedule[],
  nowSeconds: number,
  bootSeconds: number,
): number =>
  schedules.length === 0
    ? 0
    : Math.max(scheduledMin(schedules, nowSeconds), scheduledMin(schedules, nowSeconds + bootSeconds));
