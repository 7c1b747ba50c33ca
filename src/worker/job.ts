import { createHash } from 'node:crypto';
import type { Cluster } from '../aws/cluster.ts';
import { isAccessDenied } from '../aws/errors.ts';
import { isMissingQueue } from '../aws/sqs.ts';
import { messageOf } from '../errors.ts';
import {
  contractVersion,
  decodeRequest,
  decodeResult,
  encode,
  type FailureReason,
  type JobReply,
  type JobRequest,
  type JobResult,
  resultKey,
  roundProbability,
} from '../jobs/contract.ts';
import type { Log } from '../log.ts';
import { type BadImageReason, ClassifierFailure } from '../model/classification.ts';
import type { Model } from '../model/model.ts';
import type { ClassifierPool } from '../model/pool.ts';
import type { Gate } from './gate.ts';
import type { Lease } from './leases.ts';

/** How a delivery ended, and what is to be done with its message. */
export type Ending =
  | { readonly kind: 'done'; readonly status: JobResult['status'] }
  | { readonly kind: 'dead-letter'; readonly reason: string; readonly request?: JobRequest }
  | { readonly kind: 'hand-back'; readonly delaySeconds: number; readonly why: string }
  /** The message may be somebody else's: nothing more is done with it. */
  | { readonly kind: 'lost' };

export interface JobOptions {
  readonly cluster: Cluster;
  readonly pool: ClassifierPool;
  readonly model: Model;
  readonly maxReceives: number;
  readonly worker: string;
  /** Admits as many jobs as the classifiers can be busy with; closed while draining. */
  readonly gate: Gate;
  /** Sends a reply; resolves when the queue has it. */
  readonly reply: (suffix: string, body: string) => Promise<void>;
  /** Told how long a classifier worked on an image. */
  readonly onBusy: (ms: number) => void;
  readonly clock: { monotonicMs(): number };
  readonly log: Log;
}

/** A newer version's messages wait for a newer worker: a rollout of web before workers loses nothing. */
const newerVersionSeconds = 60;
/** Reads in a row of an image whose bytes do not match: a cut-off answer is worth another try, here and then by another worker. */
const corruptReads = 3;
const corruptSeconds = 2;
/** After a classifier failed on it, an image is tried again soon, but not before a classifier can be back. */
const failedClassifierSeconds = 2;

/** Reasons of the contract for those of a decoder; `image-undecodable` for all others. */
const reasons: Readonly<Partial<Record<BadImageReason, FailureReason>>> = {
  'unsupported-type': 'image-unsupported',
  'too-many-bytes': 'image-too-large',
  'too-many-pixels': 'image-too-large',
};

export const reasonOf = (reason: BadImageReason): FailureReason => reasons[reason] ?? 'image-undecodable';

type Timings = NonNullable<JobReply['timings']>;

interface Outcome {
  readonly result: JobResult;
  readonly timings?: Timings;
}

/**
 * Takes one delivery through its steps: look for a result (if it was delivered before), fetch, classify, store, reply.
 * The caller deletes the message, last, or hands it back.
 * @param onAnswered called when the image has its answer, which is then to be stored and sent
 * @throws CloudError when a call failed; the message is to be handed back
 */
export const runJob = async (
  options: JobOptions,
  lease: Lease,
  onAnswered: () => void = () => {},
): Promise<Ending> => {
  const { cluster, pool, model, clock, log } = options;
  const { s3, names } = cluster;
  const { delivery, lost } = lease;
  const decoded = decodeRequest(delivery.body);
  if (decoded.kind === 'newer')
    return {
      kind: 'hand-back',
      delaySeconds: newerVersionSeconds,
      why: `contract version ${decoded.version}`,
    };
  if (decoded.kind === 'malformed') return { kind: 'dead-letter', reason: decoded.reason };
  const request = decoded.value;
  const { id } = request;

  const base = { v: contractVersion, id, model: { name: model.name, sha256: model.sha256 } } as const;
  const failed = (reason: FailureReason, message: string): Outcome => ({
    result: {
      ...base,
      status: 'failed',
      label: null,
      probability: null,
      top: [],
      error: { reason, message },
    },
  });
  const expired = (): Outcome => ({
    result: { ...base, status: 'expired', label: null, probability: null, top: [] },
  });

  const ageMs = () => (delivery.ageMs ?? 0) + clock.monotonicMs() - delivery.receivedAtMs;
  const isExpired = () => request.budgetMs !== undefined && ageMs() > request.budgetMs;

  const stored = async (): Promise<JobResult | undefined> => {
    const body = await s3.get(names.outputBucket, resultKey(id), { deniedIsAbsent: true });
    if (body === undefined) return undefined;
    const result = decodeResult(body.toString());
    return result.kind === 'ok' ? result.value : undefined;
  };

  const matches = (bytes: Buffer) =>
    createHash('sha256').update(bytes).digest('hex') === request.image.sha256;

  const fetchImage = async (): Promise<Buffer | FailureReason> => {
    const { image } = request;
    if ('inline' in image) {
      const bytes = Buffer.from(image.inline, 'base64');
      return matches(bytes) ? bytes : 'image-corrupt';
    }
    for (let read = 1; ; read++) {
      const bytes = await s3.get(names.inputBucket, image.key, { deniedIsAbsent: true });
      if (bytes === undefined) {
        // Gone, or denied: without s3:ListBucket, S3 does not tell one from the other, and neither can this.
        log.warn({ id, key: image.key }, 'an image is not there, or this worker may not read it');
        return 'image-gone';
      }
      if (matches(bytes)) return bytes;
      log.warn(
        { id, bytes: bytes.length, expected: image.bytes, read },
        'an image does not match its sha256',
      );
      if (read >= corruptReads) return 'image-corrupt';
    }
  };

  const classify = async (bytes: Buffer, fetchMs: number, queuedMs: number): Promise<Outcome> => {
    const alone = delivery.receiveCount > 1;
    const outcome = await pool.classify(bytes, { topK: request.topK, alone, signal: lost });
    if (outcome.kind === 'bad-image') return failed(reasonOf(outcome.reason), outcome.message);
    const { label, probability, top, timings } = outcome.classification;
    options.onBusy(timings.decodeMs + timings.resizeMs + timings.inferMs);
    return {
      result: {
        ...base,
        status: 'ok',
        label,
        probability: roundProbability(probability),
        top: top.map((entry) => ({ label: entry.label, probability: roundProbability(entry.probability) })),
      },
      timings: { queuedMs, fetchMs, ...timings },
    };
  };

  /** Stores the result unless there is one already; whoever comes second publishes what is stored. */
  const store = async (outcome: Outcome): Promise<Outcome> => {
    const written = await s3.putOnce(
      names.outputBucket,
      resultKey(id),
      encode(outcome.result),
      'application/json',
    );
    if (written === 'written') return outcome;
    const first = await stored();
    return first === undefined ? outcome : { result: first };
  };

  const publish = async ({ result, timings }: Outcome): Promise<Ending> => {
    if (lost.aborted) return { kind: 'lost' };
    const body: JobReply = {
      v: contractVersion,
      result,
      worker: options.worker,
      ...(timings ? { timings } : {}),
    };
    await sendReply(options, request, body);
    return { kind: 'done', status: result.status };
  };

  if (delivery.receiveCount > 1) {
    const earlier = await stored();
    if (earlier !== undefined) return publish({ result: earlier });
  }
  if (isExpired()) return publish(await store(expired()));

  const startedAtMs = clock.monotonicMs();
  const queuedMs = ageMs();
  const image = await fetchImage();
  if (image === 'image-gone') return publish(await store(failed(image, 'the image is no longer stored')));
  if (typeof image === 'string' && 'key' in request.image && delivery.receiveCount < options.maxReceives)
    return { kind: 'hand-back', delaySeconds: corruptSeconds, why: 'the image was changed on its way' };
  if (typeof image === 'string')
    return publish(await store(failed(image, 'the stored image is not the one that was sent')));
  const fetchMs = clock.monotonicMs() - startedAtMs;

  const leave = await options.gate.enter();
  if (leave === undefined) return { kind: 'hand-back', delaySeconds: 0, why: 'draining' };
  let outcome: Outcome;
  try {
    if (lost.aborted) return { kind: 'lost' };
    outcome = isExpired() ? expired() : await classify(image, fetchMs, queuedMs);
  } catch (error) {
    const ending = endingAfter(options, lease, error);
    return ending.kind === 'dead-letter' ? { ...ending, request } : ending;
  } finally {
    leave();
  }
  if (lost.aborted) return { kind: 'lost' };
  onAnswered();
  return publish(await store(outcome));
};

/**
 * How a delivery ends whose image could not be classified.
 * @throws `error` itself when it is no failure of a classifier
 */
export const endingAfter = (
  { pool, maxReceives, log }: Pick<JobOptions, 'pool' | 'maxReceives' | 'log'>,
  { delivery, lost }: Lease,
  error: unknown,
): Exclude<Ending, { readonly kind: 'done' }> => {
  if (lost.aborted) return { kind: 'lost' };
  if (!(error instanceof ClassifierFailure)) {
    if (pool.trouble() === undefined) throw error;
    // Not this image's fault, and another worker may have classifiers: this one receives nothing while it has none.
    return { kind: 'hand-back', delaySeconds: 0, why: messageOf(error) };
  }
  const { messageId, receiveCount } = delivery;
  log.warn({ messageId, failure: error.kind, receiveCount }, 'a classifier failed on an image');
  return receiveCount >= maxReceives
    ? { kind: 'dead-letter', reason: `classifier ${error.kind}` }
    : { kind: 'hand-back', delaySeconds: failedClassifierSeconds, why: error.message };
};

/**
 * Sends a reply. A reply queue that has gone, or was never this cluster's, is no reason to keep the message: the result is in S3.
 * @param about says in the log which reply it is
 */
export const sendIfTaken = async (log: Log, about: object, send: () => Promise<void>): Promise<void> => {
  try {
    await send();
  } catch (error) {
    if (!isMissingQueue(error) && !isAccessDenied(error)) throw error;
    log.warn({ ...about, error: messageOf(error) }, 'nobody takes this reply any more');
  }
};

export const sendReply = (
  { reply, log }: Pick<JobOptions, 'reply' | 'log'>,
  { id, replyTo }: JobRequest,
  body: JobReply,
): Promise<void> => sendIfTaken(log, { id, replyTo }, () => reply(replyTo, encode(body)));
