import { type Clock, systemClock } from '../clock.ts';
import { usageError } from '../errors.ts';
import { readTruth, rightLabels, type Truth } from '../image/truth.ts';
import { runClosedLoop } from './closed-loop.ts';
import { type BenchImage, readImages } from './images.ts';
import { findLateResults } from './late.ts';
import { settle, unansweredIds } from './ledger.ts';
import { encodeUploads } from './multipart.ts';
import { type Problem, problemsOf } from './problems.ts';
import { type BenchReport, reportOf } from './report.ts';
import { sampleImages } from './samples.ts';
import { createSender } from './sender.ts';
import { type Verdict, verdictOf } from './thresholds.ts';

/** What is sent, and what is right. */
export interface Workload {
  readonly images: readonly BenchImage[];
  readonly truth: Truth | undefined;
  /** Accuracy to be reached unless the user says otherwise. */
  readonly minAccuracy: number | undefined;
}

export interface WorkloadOptions {
  /** Folder of images; the built-in samples when absent. */
  readonly images: string | undefined;
  readonly truth: string | undefined;
  readonly requests: number;
  readonly minAccuracy: number | undefined;
}

/** The built-in model gets 92 of the 100 varied samples right. */
const samplesMinAccuracy = 0.8;

/**
 * Reads images and truth into memory.
 * @throws ImgrecError (exit 64) when they cannot be read or do not belong together
 */
export const prepareWorkload = async (options: WorkloadOptions): Promise<Workload> => {
  const { truth: truthFile, minAccuracy } = options;
  if (options.images === undefined) {
    if (truthFile !== undefined)
      throw usageError('--truth without --images', 'the built-in samples bring their own truth');
    return { ...(await sampleImages()), minAccuracy: minAccuracy ?? samplesMinAccuracy };
  }
  if (truthFile === undefined && minAccuracy !== undefined)
    throw usageError('--min-accuracy without --truth', 'name the right labels with --truth FILE');
  const truth = truthFile === undefined ? undefined : await readTruth(truthFile);
  const images = await readImages(options.images, options.requests);
  if (truth && !images.some(({ name }) => rightLabels(truth, name)))
    throw usageError(
      `${truthFile} knows none of the images in ${options.images}`,
      `the first image is ${images[0]?.name}, the first name ${[...truth.byName.keys()][0]}`,
    );
  return { images, truth, minAccuracy };
};

export interface BenchOptions {
  readonly url: URL;
  readonly workload: Workload;
  /** Sent with each request to a web tier that asks for one. */
  readonly apiKey?: string | undefined;
  readonly requests: number;
  readonly concurrency: number;
  /** Longest silence of the server before a request is given up. */
  readonly timeoutMs: number;
  /** How long after the run an accepted image may be without a result before it counts as lost. */
  readonly lostAfterMs: number;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  readonly onProgress?: (text: string) => void;
}

export interface BenchOutcome {
  readonly report: BenchReport;
  readonly verdict: Verdict;
  readonly problems: readonly Problem[];
}

/** After an interruption, answers that are under way are waited for this long. */
const interruptGraceMs = 5_000;
const lookUpTimeoutMs = 10_000;
const lookUpConnections = 16;
const progressIntervalMs = 100;

/** Sends the workload, looks up what was not answered, and judges. Everything that goes wrong is in the outcome. */
export const runBench = async (options: BenchOptions): Promise<BenchOutcome> => {
  const { url, apiKey, workload, requests, concurrency, signal, clock = systemClock, onProgress } = options;
  const sender = createSender({ url, apiKey, connections: concurrency, timeoutMs: options.timeoutMs });
  const done = new AbortController();
  signal.addEventListener(
    'abort',
    () => void clock.sleep(interruptGraceMs, done.signal).then(() => sender.close()),
    { signal: done.signal },
  );
  let shownAtMs = Number.NEGATIVE_INFINITY;
  const { entries, ending } = await runClosedLoop({
    uploads: encodeUploads(workload.images),
    requests,
    concurrency,
    send: sender.send,
    clock,
    signal,
    onEnd: (ended) => {
      if (onProgress === undefined || clock.monotonicMs() - shownAtMs < progressIntervalMs) return;
      shownAtMs = clock.monotonicMs();
      onProgress(`${ended} of ${requests} requests`);
    },
  });
  done.abort();
  await sender.close();

  const ids = unansweredIds(entries);
  if (ids.length > 0) onProgress?.(`looking up ${ids.length} unanswered`);
  const lookUp = createSender({
    url,
    apiKey,
    connections: lookUpConnections,
    timeoutMs: lookUpTimeoutMs,
  });
  const found = await findLateResults({
    ids,
    lookUp: lookUp.result,
    lostAfterMs: options.lostAfterMs,
    clock,
    signal,
  });
  await lookUp.close();

  const settled = settle(entries, found);
  const report = reportOf(settled, workload.truth);
  return {
    report,
    verdict: verdictOf(report, ending, workload.minAccuracy),
    problems: problemsOf(settled, workload.truth),
  };
};
