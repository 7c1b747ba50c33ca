import { type Clock, systemClock } from '../clock.ts';
import { exitCodes, ImgrecError } from '../errors.ts';
import { type ImageLimits, inspectImage } from '../image/inspect.ts';
import type { ClassifyOutcome } from './classification.ts';
import type { Model } from './model.ts';
import { startClassifier } from './process.ts';
import type { ClassifierAnswer } from './protocol.ts';
import { createSlot, type Job, type Slot, type SlotEvents } from './slot.ts';
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

const closedError = () => new ImgrecError('the classifiers were closed before the image was classified');

/** Starts the classifier processes at once and feeds them, in the order in which images come. */
export const createClassifierPool = (options: PoolOptions): ClassifierPool => {
  const { model, limits, jobTimeoutMs, clock = systemClock, nice = 10 } = options;
  const queue: Job[] = [];
  const closing = new AbortController();
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

  const nextJob = (): Job | undefined => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) if (!job.settled) return job;
    return undefined;
  };

  /**
   * Hands out queued jobs in order, each to the classifier that has the fewest. For one that must be alone a classifier is left to
   * run empty, while what came later goes to the others.
   */
  const feed = (): void => {
    let emptying: Slot | undefined;
    const kept: Job[] = [];
    for (let job = nextJob(); job !== undefined; job = nextJob()) {
      const next = job;
      const byLoad = slots.filter((each) => each !== emptying).sort((a, b) => a.load - b.load);
      const slot = byLoad.find((each) => each.takes(next));
      if (slot === undefined) kept.push(job);
      else slot.send(job);
      if (slot === undefined && !job.alone) break;
      if (slot === undefined) emptying ??= byLoad.find(({ isReady }) => isReady);
    }
    queue.unshift(...kept);
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

  const outcomeOf = (answer: ClassifierAnswer): ClassifyOutcome => {
    if (answer.kind === 'bad-image')
      return { kind: 'bad-image', reason: answer.reason, message: answer.message };
    const top = answer.top.map(([index, probability]) => ({ label: model.labels[index] ?? '', probability }));
    const best = top[0] ?? { label: '', probability: 0 };
    return { kind: 'classified', classification: { ...best, top, timings: answer.timings } };
  };

  const events: SlotEvents = {
    onReady: () => {
      starts.succeeded();
      settleReady.resolve();
      feed();
    },
    onUnusable: (message) => {
      const hint = 'check manifest.json and the labels, or the flags that describe an .onnx file';
      starts.giveUp(new ImgrecError(message, { hint, exitCode: exitCodes.usage }));
      noteTrouble();
    },
    onTakenBack: (jobs) => {
      queue.unshift(...jobs);
      if (closing.signal.aborted) rejectQueued(starts.trouble()?.error ?? closedError());
      else feed();
    },
    onRoom: feed,
    onGone: (how, wasReady) => {
      if (closing.signal.aborted) return undefined;
      if (wasReady) return 0;
      const isAnyReady = slots.some(({ isReady }) => isReady);
      const pauseMs = starts.failed(new ImgrecError(`the classifier does not start (${how})`), isAnyReady);
      noteTrouble();
      return pauseMs;
    },
  };

  const slots: readonly Slot[] = Array.from({ length: options.classifiers }, () =>
    createSlot(
      {
        start: (processEvents) =>
          startClassifier({ model, maxPixels: limits.maxPixels, nice }, processEvents),
        jobTimeoutMs,
        clock,
      },
      events,
    ),
  );

  return {
    size: options.classifiers,
    pids: () => slots.flatMap(({ pid }) => pid ?? []),
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
        let settled = false;
        const withdraw = () => job.reject(signal?.reason);
        const settle = (act: () => void): void => {
          if (settled) return;
          settled = true;
          signal?.removeEventListener('abort', withdraw);
          act();
        };
        const job: Job = {
          bytes,
          header,
          topK,
          alone,
          get settled() {
            return settled;
          },
          answer: (answer) => settle(() => resolve(outcomeOf(answer))),
          reject: (error) => settle(() => reject(error)),
        };
        signal?.addEventListener('abort', withdraw, { once: true });
        queue.push(job);
        feed();
      });
    },
    close: async () => {
      closing.abort();
      const error = starts.trouble()?.error ?? closedError();
      settleReady.reject(error);
      rejectQueued(error);
      await Promise.all(slots.map((slot) => slot.close(error)));
    },
  };
};
