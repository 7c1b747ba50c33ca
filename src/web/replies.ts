import type { Cluster } from '../aws/cluster.ts';
import { backoffAfter } from '../aws/errors.ts';
import { isMissingQueue } from '../aws/sqs.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { decodeReply, decodeResult, type JobResult, resultKey } from '../jobs/contract.ts';
import { newWebId } from '../jobs/id.ts';
import type { Log } from '../log.ts';
import { backoffMs } from '../retry.ts';

/** This process's own reply queue, and those who wait for what arrives in it. */
export interface Replies {
  /** The suffix that requests name as `replyTo`. It changes when the queue had to be made anew. */
  webId(): string;
  /**
   * Resolves with the result of a job, or undefined when `timeoutMs` has passed or `signal` aborts. The caller aborts it when
   * he is done, however that came.
   * Now and then, and last before giving up, it looks into the output bucket: a reply may have been lost, a result is not.
   */
  wait(id: string, timeoutMs: number, signal: AbortSignal): Promise<JobResult | undefined>;
  waiting(): number;
  /** Stops polling and deletes the queue. */
  close(): Promise<void>;
}

export interface RepliesOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with each new web id before its queue is made, so that no queue is ever without a report. */
  readonly announce: (webId: string) => Promise<void>;
  readonly attributes: (queue: string) => Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

const pollWaitSeconds = 20;
const receiveBatch = 10;

/** Up to so many clients, nothing waits for company; beyond, a millisecond for each client, since that is what the queue costs them anyway. */
const quietWaiters = 8;
const longestCompanyMs = 50;

/**
 * How long a message may wait so that one call takes several: nothing while few clients wait, and never long against the time
 * that a client spends in the queue when many do.
 */
export const companyMs = (waiting: number): number =>
  waiting <= quietWaiters ? 0 : Math.min(longestCompanyMs, waiting);

/** A reply may be lost with its queue: whoever waits looks into the store himself, first after this long, then ever less often. */
const firstLookMs = 5_000;

/** The stored result of a job; undefined when there is none (yet). Throws CloudError. */
export const storedResult = async (cluster: Cluster, id: string): Promise<JobResult | undefined> => {
  const body = await cluster.s3.get(cluster.names.outputBucket, resultKey(id), { deniedIsAbsent: true });
  if (body === undefined) return undefined;
  const decoded = decodeResult(body.toString());
  return decoded.kind === 'ok' ? decoded.value : undefined;
};

/** Makes the reply queue and starts polling it. Throws CloudError when the queue cannot be made. */
export const openReplies = async (options: RepliesOptions): Promise<Replies> => {
  const { cluster, clock, log } = options;
  const { sqs, names } = cluster;
  /** More than one waits for a job whose client sent it more than once. */
  const waiters = new Map<string, Set<(result: JobResult) => void>>();
  const closing = new AbortController();
  let webId = newWebId();
  let remover = sqs.remover(names.replies(webId));

  const createQueue = async (id: string) => {
    await options.announce(id);
    const queue = names.replies(id);
    await sqs.create(queue, options.attributes(queue), options.tags);
  };

  const deliver = (body: string) => {
    const reply = decodeReply(body);
    if (reply.kind !== 'ok')
      return log.warn({ reply: reply.kind }, 'a reply that cannot be read was dropped');
    for (const resolve of waiters.get(reply.value.result.id) ?? []) resolve(reply.value.result);
  };

  /** The queue has gone, and with it replies that may have been sent: whoever still waits finds his result in the store. */
  const renew = async () => {
    const next = newWebId();
    log.warn({ webId, next }, 'the reply queue has gone; making another');
    await createQueue(next);
    webId = next;
    remover = sqs.remover(names.replies(webId));
  };

  const poll = async () => {
    for (let failures = 0; !closing.signal.aborted; ) {
      try {
        const deliveries = await sqs.receive(names.replies(webId), receiveBatch, pollWaitSeconds);
        failures = 0;
        for (const delivery of deliveries) {
          deliver(delivery.body);
          remover.add(delivery.handle).catch((error: unknown) => {
            // It will be delivered again and dropped then: the waiter has its answer.
            log.debug({ error: messageOf(error) }, 'a reply could not be deleted');
          });
        }
        // Replies come one by one: a pause lets one receive fetch several of them.
        const pauseMs = deliveries.length < receiveBatch ? companyMs(waiters.size) : 0;
        if (pauseMs > 0) await clock.sleep(pauseMs, closing.signal);
      } catch (error) {
        if (closing.signal.aborted) return;
        failures++;
        log.warn({ error: messageOf(error), failures }, 'replies cannot be received');
        const renewed =
          isMissingQueue(error) &&
          (await renew().then(
            () => true,
            () => false,
          ));
        if (!renewed) await clock.sleep(backoffMs(failures, backoffAfter(error)), closing.signal);
      }
    }
  };

  await createQueue(webId);
  void poll();

  return {
    webId: () => webId,
    waiting: () => waiters.size,
    wait: async (id, timeoutMs, signal) => {
      let resolve: (result: JobResult) => void = () => {};
      const replied = new Promise<JobResult>((settle) => {
        resolve = settle;
      });
      const beside = waiters.get(id) ?? new Set();
      waiters.set(id, beside.add(resolve));
      try {
        for (let waitedMs = 0; ; ) {
          const nextMs = Math.min(Math.max(firstLookMs, waitedMs), timeoutMs - waitedMs);
          const reply = await Promise.race([replied, clock.sleep(nextMs, signal).then(() => undefined)]);
          if (reply !== undefined || signal.aborted) return reply;
          const result = await storedResult(cluster, id).catch(() => undefined);
          waitedMs += nextMs;
          if (result !== undefined || waitedMs >= timeoutMs) return result;
        }
      } finally {
        beside.delete(resolve);
        if (beside.size === 0) waiters.delete(id);
      }
    },
    close: async () => {
      closing.abort();
      await remover.flush();
      await sqs.destroy(names.replies(webId)).catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, 'the reply queue could not be deleted; others will sweep it');
      });
    },
  };
};
