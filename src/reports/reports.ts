import { z } from 'zod';

/** `web/<web id>.json` in the ops bucket, written every 10 s: a web process's only heartbeat. */
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
