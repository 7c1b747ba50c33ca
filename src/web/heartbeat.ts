import type { Cluster } from '../aws/cluster.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import {
  orphanedWebs,
  type WebReport,
  webReportIntervalMs,
  webReportKey,
  webReportPrefix,
} from '../reports/reports.ts';
import type { Health } from './health.ts';

/** Writes a web process's report: its only heartbeat. Throws CloudError. */
export const writeReport = async ({ s3, names }: Cluster, report: WebReport): Promise<void> =>
  s3.put(names.opsBucket, webReportKey(report.webId), JSON.stringify(report), 'application/json');

export interface HeartbeatOptions {
  readonly cluster: Cluster;
  readonly reportIntervalSeconds: number;
  readonly health: Health;
  readonly clock: Clock;
  readonly log: Log;
}

/** While the cloud stores nothing: a load balancer sends no images to an unhealthy process, so only a report shows that it is over. */
const troubledIntervalMs = 1_000;

/** Writes the report until `signal` aborts, every 10 s or more often. A report that cannot be written is logged; the next one may. */
export const keepReporting = async (
  report: () => WebReport,
  options: HeartbeatOptions,
  signal: AbortSignal,
): Promise<void> => {
  const { cluster, health, clock, log } = options;
  const everyMs = Math.min(webReportIntervalMs, options.reportIntervalSeconds * 1_000);
  for (;;) {
    await clock.sleep(health.trouble() === undefined ? everyMs : troubledIntervalMs, signal);
    if (signal.aborted) return;
    try {
      await writeReport(cluster, report());
      health.stored();
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'the report could not be written');
      health.notStored(messageOf(error));
    }
  }
};

/**
 * Deletes reply queues of web processes that are gone: those whose report is missing or over 300 s old.
 * Time is S3's own: `ownWebId`'s report was written just now, so its date is the present. Throws CloudError.
 * @returns the names of the queues deleted
 */
export const sweepReplyQueues = async (cluster: Cluster, ownWebId: string): Promise<string[]> => {
  const { sqs, s3, names } = cluster;
  const queues = await sqs.list(names.replyPrefix);
  const reports = await s3.list(names.opsBucket, webReportPrefix);
  const now = reports.find(({ key }) => key === webReportKey(ownWebId))?.lastModifiedMs;
  if (now === undefined) return [];
  const webIds = queues.map((queue) => queue.slice(names.replyPrefix.length));
  const orphans = orphanedWebs(webIds, reports, now);
  for (const webId of orphans) {
    await sqs.destroy(names.replies(webId));
    await s3.remove(names.opsBucket, webReportKey(webId));
  }
  return orphans.map(names.replies);
};
