import type { Cluster } from '../aws/cluster.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { orphanedWebs, webReportKey, webReportPrefix } from '../reports/reports.ts';

const everyMs = 300_000;

/**
 * Deletes reply queues of web processes that are gone, every five minutes. Trouble is logged: the next sweep may do better.
 * @returns to be called at every run
 */
export const createSweeper = (
  { sqs, s3, names }: Pick<Cluster, 'sqs' | 's3' | 'names'>,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): ((nowMs: number) => Promise<void>) => {
  let dueMs = clock.monotonicMs();
  return async (nowMs) => {
    if (clock.monotonicMs() < dueMs) return;
    dueMs = clock.monotonicMs() + everyMs;
    try {
      // The queues first: one that is made meanwhile has its report before it.
      const queues = await sqs.list(names.replyPrefix);
      const reports = await s3.list(names.opsBucket, webReportPrefix);
      const webIds = queues.map((queue) => queue.slice(names.replyPrefix.length));
      for (const webId of orphanedWebs(webIds, reports, nowMs)) {
        log.info({ webId }, 'deleting the reply queue of a web process that is gone');
        await sqs.destroy(names.replies(webId));
        await s3.remove(names.opsBucket, webReportKey(webId));
      }
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'reply queues could not be swept');
    }
  };
};
