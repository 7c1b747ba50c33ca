import type { Cluster } from '../aws/cluster.ts';
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
   * Resolves with the result of a job, or undefined when `timeoutMs` has passed or `signal` aborts.
   * The last act before giving up is to look into the output bucket.
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

interface Waiter {
  /** Whose queue its reply goes to. */
  readonly webId: string;
  readonly resolve: (result: JobResult) => void;
}

const pollWaitSeconds = 20;
const chaseIntervalMs = 1_000;

/** The stored result of a job; undefined when there is none (yet). Throws CloudError. */
export const storedResult = async (cluster: Cluster, id: string): Promise<JobResult | undefined> => {
  const body = await cluster.s3.get(cluster.names.outputBucket, resultKey(id));
  if (body === undefined) return undefined;
  const decoded = decodeResult(body.toString());
  return decoded.kind === 'ok' ? decoded.value : undefined;
};

/** Makes the reply queue and starts polling it. Throws CloudError when the queue cannot be made. */
export const openReplies = async (options: RepliesOptions): Promise<Replies> => {
  const { cluster, clock, log } = options;
  const { sqs, names } = cluster;
  const waiters = new Map<string, Waiter>();
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
    waiters.get(reply.value.result.id)?.resolve(reply.value.result);
  };

  /**
   * Answers from S3 those whose reply goes to a queue that no longer exists; their jobs may still be running, so it looks
   * again until none is left.
   */
  const chase = async () => {
    const stranded = () => [...waiters].filter(([, waiter]) => waiter.webId !== webId);
    while (!closing.signal.aborted && stranded().length > 0) {
      for (const [id, { resolve }] of stranded()) {
        const result = await storedResult(cluster, id).catch(() => undefined);
        if (result !== undefined) resolve(result);
      }
      await clock.sleep(chaseIntervalMs, closing.signal);
    }
  };

  const renew = async () => {
    const next = newWebId();
    log.warn({ webId, next }, 'the reply queue has gone; making another');
    await createQueue(next);
    webId = next;
    remover = sqs.remover(names.replies(webId));
    void chase();
  };

  const poll = async () => {
    for (let failures = 0; !closing.signal.aborted; ) {
      try {
        const deliveries = await sqs.receive(names.replies(webId), 10, pollWaitSeconds);
        failures = 0;
        for (const delivery of deliveries) {
          deliver(delivery.body);
          remover.add(delivery.handle).catch((error: unknown) => {
            // It will be delivered again and dropped then: the waiter has its answer.
            log.debug({ error: messageOf(error) }, 'a reply could not be deleted');
          });
        }
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
        if (!renewed) await clock.sleep(backoffMs(failures), closing.signal);
      }
    }
  };

  await createQueue(webId);
  void poll();

  return {
    webId: () => webId,
    waiting: () => waiters.size,
    wait: async (id, timeoutMs, signal) => {
      const done = new AbortController();
      const replied = new Promise<JobResult>((resolve) => {
        waiters.set(id, { webId, resolve });
      });
      try {
        const early = await Promise.race([
          replied,
          clock.sleep(timeoutMs, AbortSignal.any([signal, done.signal])).then(() => undefined),
        ]);
        if (early !== undefined || signal.aborted) return early;
        return await storedResult(cluster, id).catch(() => undefined);
      } finally {
        done.abort();
        waiters.delete(id);
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
