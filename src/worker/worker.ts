import type { Batcher } from '../aws/batcher.ts';
import type { Cluster } from '../aws/cluster.ts';
import type { Delivery } from '../aws/sqs.ts';
import { aborted, type Clock, finishesWithin } from '../clock.ts';
import { exitCodes, ImgrecError, messageOf } from '../errors.ts';
import { contractVersion } from '../jobs/contract.ts';
import type { Log } from '../log.ts';
import type { Model } from '../model/model.ts';
import type { ClassifierPool } from '../model/pool.ts';
import { backoffMs } from '../retry.ts';
import { createGate } from './gate.ts';
import { type Ending, type JobOptions, runJob, sendReply } from './job.ts';
import { createLeases, type Lease } from './leases.ts';

export interface WorkerOptions {
  readonly cluster: Cluster;
  readonly pool: ClassifierPool;
  readonly model: Model;
  /** Names this worker in replies and logs: the instance id where there is one. */
  readonly name: string;
  readonly visibilitySeconds: number;
  readonly maxReceives: number;
  readonly pollWaitSeconds: number;
  readonly jobTimeoutSeconds: number;
  readonly graceSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
  /** The first SIGTERM or SIGINT: drain. */
  readonly signal: AbortSignal;
}

/** What a worker did, by how its deliveries ended. */
export type WorkerTotals = Readonly<
  Record<'ok' | 'failed' | 'expired' | 'deadLettered' | 'handedBack' | 'lost', number>
>;

/**
 * Messages held at a time for each classifier: two in it (one running, one ahead) and as many being fetched or stored.
 * More would only age in this worker's hands.
 */
const heldPerClassifier = 4;
const admittedPerClassifier = 2;
const receiveBatch = 10;

/** With more jobs than classifiers, a reply waits a little so that one call takes several. */
const busyLingerMs = 10;

/** A job that keeps its message for longer than this many job time-outs is given up. */
const leaseCapFactor = 10;

/** After a failed call a message becomes visible again later with each delivery, so that an outage does not use up its receives. */
const cloudTroubleSeconds = (receiveCount: number) => Math.min(60, 2 ** receiveCount);

/**
 * Receives, classifies and answers until `signal` aborts; then it finishes what runs, hands back what has not started, and returns.
 * @throws ImgrecError (exit 3) when the request queue does not exist; CloudError never: it waits for the cloud to come back
 */
export const runWorker = async (options: WorkerOptions): Promise<WorkerTotals> => {
  const { cluster, pool, clock, log, signal, visibilitySeconds } = options;
  const { sqs, names } = cluster;
  if ((await sqs.attributes(names.requests, ['QueueArn'])) === undefined)
    throw new ImgrecError(`queue ${names.requests} does not exist`, {
      hint: 'run "imgrec provision" first',
      exitCode: exitCodes.cloud,
    });

  const capacity = heldPerClassifier * pool.size;
  const gate = createGate(admittedPerClassifier * pool.size);
  const remover = sqs.remover(names.requests);
  const senders = new Map<string, Batcher<string, true>>();
  const senderOf = (suffix: string) => {
    const sender =
      senders.get(suffix) ??
      sqs.sender(names.replies(suffix), () => (running.size > pool.size ? busyLingerMs : 0));
    senders.set(suffix, sender);
    return sender;
  };
  const leases = createLeases({
    sqs,
    queue: names.requests,
    visibilitySeconds,
    capMs: options.jobTimeoutSeconds * 1_000 * leaseCapFactor,
    clock,
    log,
  });
  const totals = { ok: 0, failed: 0, expired: 0, deadLettered: 0, handedBack: 0, lost: 0 };
  const jobOptions: JobOptions = {
    ...options,
    worker: options.name,
    gate,
    reply: async (suffix, body) => void (await senderOf(suffix).add(body)),
  };

  const deadLetter = async (lease: Lease, ending: Extract<Ending, { kind: 'dead-letter' }>) => {
    log.warn(
      { messageId: lease.delivery.messageId, reason: ending.reason },
      'a message goes to the dead letters',
    );
    await sqs.sendDeadLetter(names.deadLetters, lease.delivery.body, ending.reason);
    if (ending.request === undefined) return;
    // The client need not wait for its time-out. Nothing is stored: a redriven dead letter is classified anew.
    const { id } = ending.request;
    await sendReply(jobOptions, ending.request, {
      v: contractVersion,
      worker: options.name,
      result: {
        v: contractVersion,
        id,
        status: 'failed',
        label: null,
        probability: null,
        top: [],
        error: {
          reason: 'dead-letter',
          message: `set aside after ${lease.delivery.receiveCount} tries: ${ending.reason}`,
        },
        model: { name: options.model.name, sha256: options.model.sha256 },
      },
    });
  };

  const remove = (lease: Lease) => {
    leases.settle(lease);
    return remover.add(lease.delivery.handle);
  };

  const conclude = async (lease: Lease, ending: Ending): Promise<void> => {
    switch (ending.kind) {
      case 'done':
        await remove(lease);
        totals[ending.status]++;
        return;
      case 'dead-letter':
        await deadLetter(lease, ending);
        await remove(lease);
        totals.deadLettered++;
        return;
      case 'hand-back':
        await leases.release(lease, ending.delaySeconds);
        totals.handedBack++;
        return;
      case 'lost':
        leases.settle(lease);
        totals.lost++;
    }
  };

  const work = async (lease: Lease): Promise<void> => {
    const { messageId, receiveCount } = lease.delivery;
    try {
      const ending = await runJob(jobOptions, lease);
      log.debug({ messageId, ...ending }, 'delivery ended');
      await conclude(lease, ending);
    } catch (error) {
      log.warn({ messageId, error: messageOf(error) }, 'a message is handed back');
      await leases.release(lease, cloudTroubleSeconds(receiveCount));
      totals.handedBack++;
    }
  };

  const running = new Set<Promise<void>>();
  const start = (delivery: Delivery) => {
    const job = work(leases.hold(delivery)).finally(() => running.delete(job));
    running.add(job);
  };

  const pollForever = async () => {
    let failures = 0;
    while (!signal.aborted) {
      const free = capacity - running.size;
      // Half empty before it asks: a message a request would cost ten times as many requests.
      if (free < Math.min(receiveBatch, capacity / 2)) {
        await Promise.race(running);
        continue;
      }
      try {
        const deliveries = await sqs.receive(
          names.requests,
          Math.min(receiveBatch, free),
          options.pollWaitSeconds,
          visibilitySeconds,
        );
        failures = 0;
        if (signal.aborted)
          await Promise.all(deliveries.map((delivery) => leases.release(leases.hold(delivery), 0)));
        else deliveries.forEach(start);
      } catch (error) {
        failures++;
        log.warn({ error: messageOf(error), failures }, 'requests cannot be received');
        await clock.sleep(backoffMs(failures), signal);
      }
    }
  };

  const drained = async () => {
    gate.close();
    await Promise.all(running);
    await Promise.all([remover.flush(), ...[...senders.values()].map((sender) => sender.flush())]);
  };

  try {
    const polling = pollForever();
    await aborted(signal);
    // The poll that is under way is left to end: aborted, it would strand what it was about to deliver.
    gate.close();
    const finished = await finishesWithin(polling.then(drained), options.graceSeconds * 1_000, clock);
    if (!finished)
      log.warn(
        { held: leases.held() },
        'the grace period is over; what is held becomes visible again by itself',
      );
  } finally {
    leases.close();
  }
  return totals;
};
