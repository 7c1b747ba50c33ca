import { z } from 'zod';

/** A report as it was stored; undefined for what is none, or one of a version that is not known here. */
export const parseReport = <T>(form: z.ZodType<T>, stored: Buffer): T | undefined => {
  try {
    return form.safeParse(JSON.parse(stored.toString())).data;
  } catch {
    return undefined;
  }
};

/** `web/<web id>.json` in the ops bucket, written every 10 s or more often: a web process's only heartbeat. */
export const webReport = z.object({
  v: z.literal(1),
  webId: z.string(),
  acceptedTotal: z.number().int().nonnegative(),
  answeredTotal: z.number().int().nonnegative(),
  refusedTotal: z.number().int().nonnegative(),
  waiting: z.number().int().nonnegative(),
});
export type WebReport = z.infer<typeof webReport>;

export const webReportPrefix = 'web/';
export const webReportKey = (webId: string): string => `${webReportPrefix}${webId}.json`;

export const webReportIntervalMs = 10_000;
/** By S3's clock; reply queues of web processes silent for longer are deleted. */
export const webReportMaxAgeMs = 300_000;

/** Web processes whose report is missing or too old, and whose reply queues nobody reads any more. */
export const orphanedWebs = (
  webIds: readonly string[],
  reports: readonly { readonly key: string; readonly lastModifiedMs: number }[],
  nowMs: number,
): string[] => {
  const writtenMs = new Map(reports.map(({ key, lastModifiedMs }) => [key, lastModifiedMs]));
  return webIds.filter(
    (webId) => nowMs - (writtenMs.get(webReportKey(webId)) ?? Number.NEGATIVE_INFINITY) > webReportMaxAgeMs,
  );
};

/** `fleet/<instance>.json` in the ops bucket, written every 20 s, unless told otherwise, and on each change of state. */
export const fleetReport = z.object({
  v: z.literal(1),
  instance: z.string(),
  state: z.enum(['starting', 'ready', 'draining', 'stopped']),
  /** A length, not a moment: the report's own date is S3's, and no worker's wall clock is ever read. */
  readyForSeconds: z.number().nonnegative(),
  /** Images answered since the start, whatever the answer. */
  imagesDone: z.number().int().nonnegative(),
  /** Time that this worker's classifiers spent on images, summed over all of them. */
  busySeconds: z.number().nonnegative(),
  /** Long polls that brought nothing although the queue counted messages: SQS's in-flight limit, or a lying count. */
  emptyReceivesWithBacklog: z.number().int().nonnegative(),
  /** Why it ended before it was ready: written by the boot script, or by whatever it started. */
  reason: z.string().optional(),
  /** Where a web instance listens. */
  port: z.number().int().optional(),
  /** Images that it works on at the same time, 1 when absent: `busySeconds` is summed over them. */
  classifiers: z.number().int().positive().optional(),
  /** Age at receipt of the oldest message received since the report before; absent when there was none. */
  oldestWaitSeconds: z.number().nonnegative().optional(),
});
export type FleetReport = z.infer<typeof fleetReport>;

export const fleetReportPrefix = 'fleet/';
export const fleetReportKey = (instance: string): string => `${fleetReportPrefix}${instance}.json`;
export const fleetReportIntervalMs = 20_000;

/** In the ops bucket; written at every run of a scaler, so that its date is the scaler's heartbeat. */
export const scalerLockKey = 'locks/scale';
