import { type Clock, systemClock } from '../clock.ts';
import { exitCodes, ImgrecError } from '../errors.ts';
import { type ImageHeader, type ImageLimits, inspectImage } from '../image/inspect.ts';
import { ClassifierFailure, type ClassifyOutcome } from './classification.ts';
import type { Model } from './model.ts';
import { type ClassifierProcess, startClassifier } from './process.ts';
import type { ClassifierReply } from './protocol.ts';
import { countStarts, type Trouble } from './starts.ts';

export interface ClassifyOptions {
  readonly topK: number;
  /** It was delivered before, so it may be what killed its last classifier: no other image is in a classifier with it. */
  readonly alone?: boolean;
  /** Withdraws the image; what a classifier has already got it finishes, and the answer is dropped. */
  readonly signal?: AbortSignal;
}

export interface ClassifierPool {
  /**
   * Answers about one image file.
   * @throws ClassifierFailure when its classifier died or exceeded the job time-out
   * @throws ImgrecError when the model does not fit, no classifier starts, or the pool is closed
   */
  classify(bytes: Uint8Array, options: ClassifyOptions): Promise<ClassifyOutcome>;
  /** Number of classifier processes. */
  readonly size: number;
  /** Why no image can be classified now, while no classifier can be started. */
  trouble(): Trouble | undefined;
  /** Process ids of the classifiers, for diagnostics. */
  pids(): readonly number[];
  /** Resolves once one classifier has its model open; rejects when the model does not fit or none can be started. */
  ready(): Promise<void>;
  /** Rejects what is not answered yet and kills the classifiers; resolves when they have gone. */
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly model: Model;
  readonly classifiers: number;
  /** Counted from when a classifier starts on the image. */
  readonly jobTimeoutMs: number;
  /** Priority of the classifiers, as nice(1): they must not starve what keeps leases and answers clients. */
  readonly nice?: number;
  readonly limits: ImageLimits;
  readonly clock?: Clock;
}

interface Job {
  readonly bytes: Uint8Array;
  readonly header: ImageHeader;
  readonly topK: number;
  readonly alone: boolean;
  /** Nobody waits for the answer any more. */
  settled: boolean;
  resolve(outcome: ClassifyOutcome): void;
  reject(error: unknown): void;
}

interface Dispatched {
  readonly id: number;
  readonly job: Job;
}

/** One place for a classifier process; a process that goes is replaced by another in the same slot. */
interface Slot {
  state: 'gone' | 'starting' | 'ready';
  process: ClassifierProcess | undefined;
  running: Dispatched | undefined;
  /** Sent ahead, so that the classifier never waits for this process between two images. */
  waiting: Dispatched | undefined;
  /** What runs takes so long that nothing is sent ahead. */
  slow: boolean;
  /** It was killed for taking too long. */
  overdue: boolean;
  stopTimer: () => void;
}

/** From here on a job counts as slow, and what waits behind it goes to another classifier. */
const slowMs = 500;
/** Opening the default model takes 0.3 s on an idle core; a small loaded machine may need many times that. */
const startTimeoutMs = 60_000;

/** Starts the classifier processes at once and feeds them, in the order in which images come. */
export const createClassifierPool = (options: PoolOptions): ClassifierPool => {
  const { model, limits, jobTimeoutMs, clock = systemClock, nice = 10 } = options;
  const queue: Job[] = [];
  const closing = new AbortController();
  let sequence = 0;
  const starts = countStarts(options.classifiers);
  let settleReady: { resolve(): void; reject(error: unknown): void } = {
    resolve: () => {},
    reject: () => {},
  };
  const becameReady = new Promise<void>((resolve, reject) => {
    settleReady = { resolve, reject };
  });
  // Whoever does not ask gets the same error from classify().
  becameReady.catch(() => {});

  /** Calls `act` after `ms` unless the returned function is called before. */
  const after = (ms: number, act: () => void): (() => void) => {
    const cancelled = new AbortController();
    void clock.sleep(ms, cancelled.signal).then(() => {
      if (!cancelled.signal.aborted) act();
    });
    return () => cancelled.abort();
  };

  const slots: readonly Slot[] = Array.from({ length: options.classifiers }, () => ({
    state: 'gone',
    process: undefined,
    running: undefined,
    waiting: undefined,
    slow: false,
    overdue: false,
    stopTimer: () => {},
  }));

  /** A job that was not started: to the front, since it came before all that are queued. */
  const takeBack = (slot: Slot): void => {
    if (slot.waiting === undefined) return;
    slot.process?.send({ kind: 'recall', id: slot.waiting.id });
    queue.unshift(slot.waiting.job);
    slot.waiting = undefined;
  };

  const kill = (slot: Slot): void => {
    slot.overdue = true;
    void slot.process?.kill();
  };

  const run = (slot: Slot, dispatched: Dispatched | undefined): void => {
    slot.stopTimer();
    slot.running = dispatched;
    slot.slow = false;
    if (dispatched === undefined) return;
    const firstMs = Math.min(slowMs, jobTimeoutMs);
    slot.stopTimer = after(firstMs, () => {
      slot.slow = true;
      takeBack(slot);
      slot.stopTimer = after(jobTimeoutMs - firstMs, () => kill(slot));
      feed();
    });
  };

  const nextJob = (): Job | undefined => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) if (!job.settled) return job;
    return undefined;
  };

  const dispatch = (slot: Slot, job: Job): void => {
    const { bytes, header, topK } = job;
    const id = sequence++;
    slot.process?.send({ kind: 'classify', id, bytes, header, topK });
    if (slot.running === undefined) run(slot, { id, job });
    else slot.waiting = { id, job };
  };

  /**
   * Hands out queued jobs: first to the idle, then one ahead to the busy, in order: one that must be alone waits for the next idle
   * classifier, and what came later waits behind it.
   */
  const feed = (): void => {
    const open = slots.filter((slot) => slot.state === 'ready' && !slot.overdue);
    const idle = open.filter((slot) => slot.running === undefined);
    const ahead = open.filter((slot) => slot.waiting === undefined && !slot.slow);
    for (const slot of [...idle, ...ahead]) {
      if (slot.running?.job.alone) continue;
      const job = nextJob();
      if (job === undefined) return;
      if (job.alone && slot.running !== undefined) return void queue.unshift(job);
      dispatch(slot, job);
    }
  };

  const rejectQueued = (error: ImgrecError): void => {
    for (let job = nextJob(); job !== undefined; job = nextJob()) job.reject(error);
  };

  /** Nobody waits for classifiers that do not start, and after the last try there is no other. */
  const noteTrouble = (): void => {
    const trouble = starts.trouble();
    if (trouble === undefined) return;
    settleReady.reject(trouble.error);
    rejectQueued(trouble.error);
    if (trouble.final) closing.abort();
  };

  const outcomeOf = (reply: Extract<ClassifierReply, { id: number }>): ClassifyOutcome => {
    if (reply.kind === 'bad-image')
      return { kind: 'bad-image', reason: reply.reason, message: reply.message };
    const top = reply.top.map(([index, probability]) => ({ label: model.labels[index] ?? '', probability }));
    const best = top[0] ?? { label: '', probability: 0 };
    return { kind: 'classified', classification: { ...best, top, timings: reply.timings } };
  };

  const onReply = (slot: Slot, reply: ClassifierReply): void => {
    if (reply.kind === 'ready') {
      slot.state = 'ready';
      slot.stopTimer();
      starts.succeeded();
      settleReady.resolve();
    } else if (reply.kind === 'unusable') {
      const hint = 'check manifest.json and the labels, or the flags that describe an .onnx file';
      starts.giveUp(new ImgrecError(reply.message, { hint, exitCode: exitCodes.usage }));
      noteTrouble();
    } else if (reply.id === slot.running?.id) {
      slot.running.job.resolve(outcomeOf(reply));
      const next = slot.waiting;
      slot.waiting = undefined;
      run(slot, next);
    }
    feed();
  };

  const onGone = (slot: Slot, how: string): void => {
    const wasReady = slot.state === 'ready';
    const { running, overdue } = slot;
    takeBack(slot);
    run(slot, undefined);
    slot.state = 'gone';
    slot.process = undefined;
    running?.job.reject(
      overdue
        ? new ClassifierFailure('timed-out', `the image took more than ${jobTimeoutMs} ms to classify`)
        : new ClassifierFailure('crashed', `the classifier died while it worked on the image (${how})`),
    );
    if (closing.signal.aborted) return;
    if (wasReady) {
      start(slot);
    } else {
      const isAnyReady = slots.some(({ state }) => state === 'ready');
      const pauseMs = starts.failed(new ImgrecError(`the classifier does not start (${how})`), isAnyReady);
      if (pauseMs !== undefined) slot.stopTimer = after(pauseMs, () => start(slot));
      noteTrouble();
    }
    feed();
  };

  const start = (slot: Slot): void => {
    if (closing.signal.aborted) return;
    slot.state = 'starting';
    slot.overdue = false;
    slot.process = startClassifier(
      { model, maxPixels: limits.maxPixels, nice },
      { onReply: (reply) => onReply(slot, reply), onGone: (how) => onGone(slot, how) },
    );
    slot.stopTimer = after(startTimeoutMs, () => kill(slot));
  };

  for (const slot of slots) start(slot);

  return {
    size: options.classifiers,
    pids: () => slots.flatMap((slot) => slot.process?.pid ?? []),
    trouble: starts.trouble,
    ready: () => becameReady,
    classify: async (bytes, { topK, alone = false, signal }) => {
      signal?.throwIfAborted();
      const trouble = starts.trouble();
      if (trouble !== undefined) throw trouble.error;
      if (closing.signal.aborted) throw new ImgrecError('the classifiers are closed');
      const inspection = inspectImage(bytes, limits);
      if (!inspection.ok)
        return { kind: 'bad-image', reason: inspection.reason, message: inspection.message };
      const { header } = inspection;
      return new Promise<ClassifyOutcome>((resolve, reject) => {
        const withdraw = () => job.reject(signal?.reason);
        const settle = (act: () => void): void => {
          if (job.settled) return;
          job.settled = true;
          signal?.removeEventListener('abort', withdraw);
          act();
        };
        const job: Job = {
          bytes,
          header,
          topK,
          alone,
          settled: false,
          resolve: (outcome) => settle(() => resolve(outcome)),
          reject: (error) => settle(() => reject(error)),
        };
        signal?.addEventListener('abort', withdraw, { once: true });
        queue.push(job);
        feed();
      });
    },
    close: async () => {
      closing.abort();
      const error =
        starts.trouble()?.error ??
        new ImgrecError('the classifiers were closed before the image was classified');
      settleReady.reject(error);
      for (const { running, waiting, stopTimer } of slots) {
        stopTimer();
        running?.job.reject(error);
        waiting?.job.reject(error);
      }
      rejectQueued(error);
      await Promise.all(slots.map((slot) => slot.process?.kill()));
    },
  };
};
