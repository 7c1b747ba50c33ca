import type { Cluster } from '../aws/cluster.ts';
import { CloudError } from '../aws/errors.ts';
import { readInstallId } from '../aws/install.ts';
import { tagKeys } from '../aws/names.ts';
import { queueAttributes } from '../aws/queue-attributes.ts';
import type { Clock } from '../clock.ts';
import { exitCodes, ImgrecError, messageOf } from '../errors.ts';
import type { ImageLimits } from '../image/inspect.ts';
import { jobIdOfKey, newJobId } from '../jobs/id.ts';
import type { Log } from '../log.ts';
import { type WebReport, webReportKey } from '../reports/reports.ts';
import type { Counters } from './counters.ts';
import type { Exchange } from './exchange.ts';
import type { Health } from './health.ts';
import { keepReporting, sweepReplyQueues, writeReport } from './heartbeat.ts';
import { createOnce } from './once.ts';
import { companyMs, openReplies, type Replies, storedResult } from './replies.ts';
import { submit } from './submit.ts';

export interface OwnWireOptions {
  readonly cluster: Cluster;
  readonly transport: 'key' | 'inline';
  readonly topK: number;
  readonly limits: ImageLimits;
  readonly reportIntervalSeconds: number;
  readonly counters: Counters;
  readonly health: Health;
  readonly clock: Clock;
  readonly log: Log;
}

/** Replies are of no use after this long: whoever waited has been answered from S3 or has left. */
const replyRetentionSeconds = 3_600;

/**
 * The cluster's own messages, with a reply queue of this process.
 * @throws ImgrecError (exit 3) when the cluster is not provisioned
 */
export const openOwnWire = async (options: OwnWireOptions): Promise<Exchange> => {
  const { cluster, counters, clock, log } = options;
  const { names, sqs, s3 } = cluster;
  const { account, region, arn } = cluster.identity;
  const [requestQueue, installId] = await Promise.all([
    sqs.attributes(names.requests, ['QueueArn']),
    readInstallId(s3, names.opsBucket).catch((error: unknown) => {
      if (error instanceof CloudError && error.code === 'NoSuchBucket') return undefined;
      throw error;
    }),
  ]);
  if (requestQueue === undefined || installId === undefined)
    throw new ImgrecError(`cluster ${names.cluster} is not provisioned`, {
      hint: 'run "imgrec provision" first',
      exitCode: exitCodes.cloud,
    });
  const place = { account, region, partition: arn.split(':')[1] ?? 'aws' };

  let replies: Replies | undefined;
  const report = (webId: string): WebReport => ({
    v: 1,
    webId,
    waiting: replies?.waiting() ?? 0,
    ...counters.totals(),
  });
  replies = await openReplies({
    cluster,
    clock,
    log,
    announce: (webId) => writeReport(cluster, report(webId)),
    attributes: (queue) => queueAttributes(place, queue, replyRetentionSeconds),
    tags: { [tagKeys.cluster]: names.cluster, [tagKeys.install]: installId, [tagKeys.role]: 'replies' },
  });
  const { webId, waiting, close: closeReplies } = replies;
  const requests = sqs.sender(names.requests, () => companyMs(waiting()));
  const stopped = new AbortController();
  const reporting = keepReporting(() => report(webId()), options, stopped.signal);
  sweepReplyQueues(cluster, webId()).then(
    (swept) =>
      swept.length > 0 && log.info({ swept }, 'reply queues of web processes that are gone were deleted'),
    (error: unknown) => log.warn({ error: messageOf(error) }, 'old reply queues could not be swept'),
  );
  const send = (body: string) => requests.add(body);
  const once = createOnce({ cluster, clock });
  const submitOptions = { ...options, send, once, replies };

  return {
    order: (key) =>
      key === undefined
        ? { id: newJobId(), idempotent: false }
        : { id: jobIdOfKey(key, installId), idempotent: true },
    submit: (order, upload, waitMs, over) => submit(submitOptions, order, upload, waitMs, over),
    result: (id) => storedResult(cluster, id),
    waiting,
    close: async () => {
      stopped.abort();
      await requests.flush();
      await closeReplies();
      // A report that is being written would come after its removal.
      await reporting;
      await s3.remove(names.opsBucket, webReportKey(webId())).catch(() => undefined);
    },
  };
};
