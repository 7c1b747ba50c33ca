import type { Cluster } from '../aws/cluster.ts';
import { backoffAfter } from '../aws/errors.ts';
import type { InstanceMetadata } from '../aws/instance-metadata.ts';
import type { Delivery } from '../aws/sqs.ts';
import { aborted, type Clock, finishesWithin } from '../clock.ts';
import { exitCodes, ImgrecError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Model } from '../model/model.ts';
import type { ClassifierPool } from '../model/pool.ts';
import { backoffMs } from '../retry.ts';
import { awaitAbandoned } from './abandoned.ts';
import { watchBacklog } from './backlog.ts';
import { createConclusions, type WorkerTotals } from './conclude.ts';
import { createGate } from './gate.ts';
import { type JobOptions, runJob } from './job.ts';
import { createLeases, type Lease } from './leases.ts';
import { awaitNotice } from './notice.ts';
import { createPrefetch } from './prefetch.ts';
import { createReplySenders } from './reply-senders.ts';
import { createReporter, silentReporter } from './report.ts';
import { runSeedJob, type SeedOptions } from './seed-job.ts';

export interface WorkerOptions {
  readonly cluster: Cluster;
  readonly pool: ClassifierPool;
  readonly model: Model;
  /** Names this worker in replies and logs: the instance id where there is one. */
  readonly name: string;
  readonly visibilitySeconds: number;
  readonly maxReceives: number;
  readonly pollWaitSeconds: number;
  /** Between two reports to the scaler. */
  readonly reportIntervalSeconds: number;
  readonly jobTimeoutSeconds: number;
  readonly graceSeconds: number;
  /** Without work and without a scaler for this long it ends by itself; never when absent. */
  readonly idleExitSeconds?: number | undefined;
  /** Speaks the course project's messages instead of this cluster's own, over queues and buckets that exist. */
  readonly seed?: SeedOptions;
  readonly clock: Clock;
  readonly log: Log;
  /** The instance's metadata service, where there is one: a notice that the instance will be taken away means drain. */
  readonly metadata?: InstanceMetadata;
  /** The first SIGTERM or SIGINT: drain. */
  readonly signal: AbortSignal;
}

/**
 * Messages whose results are being stored and sent, for each classifier: nothing ages there, but they take as long as the network
 * and a throttled service need, and classifying must not wait for them. A bound on memory and on what a crash does twice.
 */
const answeredPerClassifier = 16;
/** As many as a classifier may have in its hands: jobs beyond can still be handed back at once. */
const admittedPerClassifier = 8;
const receiveBatch = 10;

/** With more jobs than classifiers, a reply waits a little so that one call takes several. */
const busyLingerMs = 25;
/** While more requests wait than fit into one receive, they wait for longer than this anyway. */
const backlogLingerMs = 100;

/** How often a worker without classifiers looks whether it has one again. */
const troubleLookMs = 200;

/** The last report is worth a moment, not a grace period. */
const lastReportMs = 2_000;

/** A job that keeps its message for longer than this many job time-outs is given up. */
const leaseCapFactor = 10;

/**
 * Receives, classifies and answers until `signal` aborts; then it finishes what runs, hands back what has not started, and returns.
 * While no classifier can be started it receives nothing.
 * @throws ImgrecError (exit 3) when the request queue does not exist, and the pool's own, after draining, when it has given up
 * starting classifiers; CloudError never: it waits for the cloud to come back
 */
export const runWorker = async (options: WorkerOptions): Promise<WorkerTotals> => {
  const { cluster, pool, clock, log, visibilitySeconds } = options;
  const { sqs, names } = cluster;
  if ((await sqs.attributes(names.requests, ['QueueArn'])) === undefined)
    throw new ImgrecError(`queue ${names.requests} does not exist`, {
      hint: options.seed
        ? '--transport seed works on queues and buckets that exist already'
        : 'run "imgrec provision" first',
      exitCode: exitCodes.cloud,
    });

  const noticed = new AbortController();
  const brokeDown = new AbortController();
  const forgotten = new AbortController();
  const signal = AbortSignal.any([options.signal, noticed.signal, brokeDown.signal, forgotten.signal]);
  const running = new Set<Promise<void>>();
  let busyMs = 0;
  let oldestWaitMs: number | undefined;
  let workedAtMs = clock.monotonicMs();

  const backlog = watchBacklog(sqs, names.requests, clock, log);
  const prefetch = createPrefetch(pool.size);
  let unanswered = 0;
  /** The last receive brought as many as one can. */
  let isBacklogged = false;
  /** Called whenever a place becomes free. */
  let wake = () => {};
  const gate = createGate(admittedPerClassifier * pool.size);
  const replies = createReplySenders(cluster, () =>
    isBacklogged ? backlogLingerMs : running.size > pool.size ? busyLingerMs : 0,
  );
  const leases = createLeases({
    sqs,
    queue: names.requests,
    visibilitySeconds,
    capMs: options.jobTimeoutSeconds * 1_000 * leaseCapFactor,
    clock,
    log,
  });
  const jobOptions: JobOptions = {
    ...options,
    worker: options.name,
    gate,
    reply: replies.send,
    onBusy: (ms) => {
      busyMs += ms;
      prefetch.classified(ms);
    },
  };

  const conclusions = createConclusions({ cluster, leases, job: jobOptions, log });
  const figures = () => {
    const { ok, failed, expired } = conclusions.totals();
    const oldest = oldestWaitMs;
    oldestWaitMs = undefined;
    return {
      imagesDone: ok + failed + expired,
      busySeconds: busyMs / 1_000,
      emptyReceivesWithBacklog: backlog.emptyReceivesWithBacklog(),
      classifiers: pool.size,
      ...(oldest === undefined ? {} : { oldestWaitSeconds: oldest / 1_000 }),
    };
  };
  // The seed's wire has no bucket for reports, and nobody who reads them.
  const reporter = options.seed
    ? silentReporter
    : createReporter({
        cluster,
        name: options.name,
        everySeconds: options.reportIntervalSeconds,
        figures,
        clock,
        log,
      });

  const work = async (lease: Lease, onAnswered: () => void): Promise<void> => {
    const { messageId } = lease.delivery;
    try {
      const ending = await (options.seed === undefined
        ? runJob(jobOptions, lease, onAnswered)
        : runSeedJob({ ...jobOptions, seed: options.seed }, lease, onAnswered));
      log.debug({ messageId, ...ending }, 'delivery ended');
      await conclusions.conclude(lease, ending);
    } catch (error) {
      log.warn({ messageId, error: messageOf(error) }, 'a message is handed back');
      await conclusions.handBackAfterTrouble(lease);
    }
  };

  const start = (delivery: Delivery) => {
    if (delivery.ageMs !== undefined) oldestWaitMs = Math.max(oldestWaitMs ?? 0, delivery.ageMs);
    let isUnanswered = true;
    unanswered++;
    const answered = () => {
      if (isUnanswered) unanswered--;
      isUnanswered = false;
      wake();
    };
    const job = work(leases.hold(delivery), answered).finally(() => {
      running.delete(job);
      workedAtMs = clock.monotonicMs();
      answered();
    });
    running.add(job);
  };

  const pollForever = async () => {
    let failures = 0;
    while (!signal.aborted) {
      const trouble = pool.trouble();
      if (trouble?.final) return brokeDown.abort(trouble.error);
      if (trouble !== undefined) {
        await clock.sleep(troubleLookMs, signal);
        continue;
      }
      const capacity = prefetch.capacity();
      const mostHeld = capacity + answeredPerClassifier * pool.size;
      const free = Math.min(capacity - unanswered, mostHeld - running.size);
      // Half empty before it asks: a message a request would cost ten times as many requests.
      if (free < Math.min(receiveBatch, capacity / 2)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      try {
        const deliveries = await sqs.receive(
          names.requests,
          Math.min(receiveBatch, free),
          options.pollWaitSeconds,
          visibilitySeconds,
          { attributes: options.seed !== undefined },
        );
        failures = 0;
        isBacklogged = deliveries.length === receiveBatch;
        if (deliveries.length === 0) await backlog.emptyReceive();
        if (signal.aborted)
          await Promise.all(deliveries.map((delivery) => leases.release(leases.hold(delivery), 0)));
        else deliveries.forEach(start);
      } catch (error) {
        failures++;
        log.warn({ error: messageOf(error), failures }, 'requests cannot be received');
        await clock.sleep(backoffMs(failures, backoffAfter(error)), signal);
      }
    }
  };

  const drained = async () => {
    gate.close();
    await Promise.all(running);
    await Promise.all([conclusions.flush(), replies.flush()]);
  };

  const watchForNotice = async (metadata: InstanceMetadata) => {
    const notice = await awaitNotice(metadata, clock, signal);
    if (notice !== undefined) log.warn({ notice }, 'this instance will be taken away: draining');
    noticed.abort(notice);
  };

  const watchForScaler = async (idleMs: number) => {
    const isAbandoned = await awaitAbandoned({
      s3: cluster.s3,
      bucket: names.opsBucket,
      idleMs,
      idleSinceMs: () => (running.size > 0 ? undefined : workedAtMs),
      clock,
      log,
      signal,
    });
    if (isAbandoned) log.warn({ idleMs }, 'neither work nor a scaler was seen: ending');
    forgotten.abort();
  };

  try {
    if (options.metadata !== undefined) void watchForNotice(options.metadata);
    if (options.idleExitSeconds !== undefined) void watchForScaler(options.idleExitSeconds * 1_000);
    const polling = pollForever();
    reporter.enter('ready');
    await aborted(signal);
    reporter.enter('draining');
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
    reporter.enter('stopped');
    await finishesWithin(reporter.close(), lastReportMs, clock);
  }
  brokeDown.signal.throwIfAborted();
  return conclusions.totals();
};
