import { setMaxListeners } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Cluster } from '../aws/cluster.ts';
import { CloudError } from '../aws/errors.ts';
import { readInstallId } from '../aws/install.ts';
import { tagKeys } from '../aws/names.ts';
import { queueAttributes } from '../aws/queue-attributes.ts';
import { aborted, type Clock, finishesWithin } from '../clock.ts';
import { exitCodes, ImgrecError, messageOf } from '../errors.ts';
import type { ImageLimits } from '../image/inspect.ts';
import type { Log } from '../log.ts';
import type { WebReport } from '../reports/reports.ts';
import type { ReplyForm } from './answers.ts';
import { createCounters } from './counters.ts';
import { createHealth } from './health.ts';
import { keepReporting, sweepReplyQueues, writeReport } from './heartbeat.ts';
import { companyMs, openReplies, type Replies } from './replies.ts';
import { createServer } from './server.ts';

export interface ServeOptions {
  readonly cluster: Cluster;
  readonly host: string;
  readonly port: number;
  readonly waitSeconds: number;
  readonly graceSeconds: number;
  readonly reply: ReplyForm;
  readonly topK: number;
  readonly transport: 'key' | 'inline';
  readonly limits: ImageLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly onReady: (port: number) => void;
}

/** Time to send what is left to say when the grace is over. */
const lastWordsMs = 1_000;

/** Replies are of no use after this long: whoever waited has been answered from S3 or has left. */
const replyRetentionSeconds = 3_600;

/** Why the port cannot be had, where that is known. */
const listenError = ({ host, port }: Pick<ServeOptions, 'host' | 'port'>, cause: unknown): unknown => {
  const { code = '' } = cause as NodeJS.ErrnoException;
  const ports: Readonly<Record<string, string>> = { EADDRINUSE: 'is taken', EACCES: 'may not be used' };
  const hosts = new Set(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN']);
  if (ports[code] !== undefined)
    return new ImgrecError(`port ${port} on ${host} ${ports[code]}`, {
      hint: 'choose another with --port',
      cause,
    });
  if (hosts.has(code))
    return new ImgrecError(`${host} is no address of this machine`, {
      hint: 'choose another with --host',
      exitCode: exitCodes.usage,
      cause,
    });
  return cause;
};

/**
 * Runs one web process until `signal` aborts: then it takes no more images, answers those it has, and deletes its reply queue.
 * @throws ImgrecError (exit 3) when the cluster is not provisioned, (exit 1) when the port is taken.
 */
export const serve = async (options: ServeOptions): Promise<void> => {
  const { cluster, clock, log, signal } = options;
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

  const counters = createCounters();
  const health = createHealth();
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
  const { webId } = replies;
  const { waiting } = replies;
  const requests = sqs.sender(names.requests, () => companyMs(waiting()));
  const giveUp = new AbortController();
  // One listener a request that waits.
  setMaxListeners(0, giveUp.signal);
  const app = await createServer({ ...options, requests, replies, counters, health, giveUp: giveUp.signal });

  const stopped = new AbortController();
  const reporting = keepReporting(cluster, () => report(webId()), health, clock, log, stopped.signal);
  sweepReplyQueues(cluster, webId()).then(
    (swept) =>
      swept.length > 0 && log.info({ swept }, 'reply queues of web processes that are gone were deleted'),
    (error: unknown) => log.warn({ error: messageOf(error) }, 'old reply queues could not be swept'),
  );

  try {
    await app.listen({ host: options.host, port: options.port });
    const { port } = app.server.address() as AddressInfo;
    options.onReady(port);
    await aborted(signal);
    // Closing waits for the requests that run; the grace bounds it.
    const closing = app.close();
    if (await finishesWithin(closing, options.graceSeconds * 1_000, clock)) return;
    giveUp.abort();
    if (await finishesWithin(closing, lastWordsMs, clock)) return;
    app.server.closeAllConnections();
  } catch (cause) {
    throw listenError(options, cause);
  } finally {
    stopped.abort();
    await requests.flush();
    await replies.close();
    await s3.remove(names.opsBucket, `web/${webId()}.json`).catch(() => undefined);
    await reporting;
  }
};
