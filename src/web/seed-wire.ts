import type { Cluster } from '../aws/cluster.ts';
import { backoffAfter, CloudError } from '../aws/errors.ts';
import type { Delivery } from '../aws/sqs.ts';
import type { Clock } from '../clock.ts';
import { exitCodes, ImgrecError, messageOf } from '../errors.ts';
import { type ImageLimits, inspectImage } from '../image/inspect.ts';
import { contractVersion, type JobResult } from '../jobs/contract.ts';
import { newJobId } from '../jobs/id.ts';
import {
  encodeSeedRequest,
  failureOf,
  readSeedReply,
  type SeedForm,
  seedIdAttribute,
  stemOf,
} from '../jobs/seed.ts';
import type { Log } from '../log.ts';
import { backoffMs } from '../retry.ts';
import { type Answer, answerOf, notAccepted, problem, refusal } from './answers.ts';
import type { Counters } from './counters.ts';
import type { Exchange, Order } from './exchange.ts';
import type { Health } from './health.ts';
import { createSeedNames } from './seed-names.ts';
import type { Upload } from './upload.ts';

/** What the seed's wire needs besides the cluster's request queue and buckets. */
export interface SeedQueues {
  readonly responseQueue: string;
  readonly form: SeedForm;
}

export interface SeedWireOptions {
  readonly cluster: Cluster;
  readonly seed: SeedQueues;
  readonly limits: ImageLimits;
  readonly counters: Counters;
  readonly health: Health;
  readonly clock: Clock;
  readonly log: Log;
}

const pollWaitSeconds = 20;
const receiveBatch = 10;
/** SQS's own limit, for a queue that does not say its. */
const sqsMessageBytes = 1_048_576;
const sqsVisibilitySeconds = 30;
/** What a worker may need for the second try of an image whose first reply has come. */
const repeatMarginSeconds = 30;

/**
 * How long a reply that nobody here waits for stays away: not at all the first time, so that whoever it is for gets it, and then
 * ever longer, so that it is not received again and again.
 */
const releaseSeconds = (receiveCount: number): number =>
  receiveCount <= 1 ? 0 : Math.min(300, 2 ** (receiveCount - 1));

/** As SQS counts it: names and values of attributes belong to the message. */
const messageBytes = (body: string, attributes: Readonly<Record<string, string>>): number =>
  Object.entries(attributes).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + 'String'.length + Buffer.byteLength(value),
    Buffer.byteLength(body),
  );

const resultOf = (id: string, label: string): JobResult => {
  const reason = failureOf(label);
  const base = { v: contractVersion, id, probability: null, top: [], model: { name: 'unknown', sha256: '' } };
  return reason === undefined
    ? { ...base, v: contractVersion, status: 'ok', label }
    : { ...base, v: contractVersion, status: 'failed', label: null, error: { reason, message: label } };
};

/**
 * The course project's messages: the image in the request, one response queue for all. There can be one web process only.
 * @throws ImgrecError (exit 3) when a queue does not exist, CloudError when a bucket does not
 */
export const openSeedWire = async (options: SeedWireOptions): Promise<Exchange> => {
  const { cluster, seed, counters, health, clock, log } = options;
  const { sqs, s3, names } = cluster;
  const { responseQueue, form } = seed;

  const found = async (queue: string) => {
    const attributes = await sqs.attributes(queue);
    if (attributes !== undefined) return attributes;
    throw new ImgrecError(`queue ${queue} does not exist`, {
      hint: '--transport seed works on queues and buckets that exist already',
      exitCode: exitCodes.cloud,
    });
  };
  const [requestQueue] = await Promise.all([
    found(names.requests),
    found(responseQueue),
    // Any key will do: a bucket that is not there says so.
    ...[names.inputBucket, names.outputBucket].map((bucket) =>
      s3.get(bucket, 'imgrec', { deniedIsAbsent: true }),
    ),
  ]);
  const limitBytes = Number(requestQueue['MaximumMessageSize'] ?? sqsMessageBytes);

  const repeatMs =
    (Number(requestQueue['VisibilityTimeout'] ?? sqsVisibilitySeconds) + repeatMarginSeconds) * 1_000;
  const jobs = createSeedNames(clock, repeatMs);
  const remover = sqs.remover(responseQueue);
  const closing = new AbortController();

  /** Deletes a reply of a job of this process. @returns false when it is another's */
  const settle = ({ body, handle, attributes, ageMs }: Delivery): boolean => {
    const reply = { id: attributes?.[seedIdAttribute], readings: readSeedReply(body), ageMs };
    if (!jobs.settle(reply)) return false;
    remover.add(handle).catch((error: unknown) => {
      log.debug({ error: messageOf(error) }, 'a reply could not be deleted; it is known when it comes again');
    });
    return true;
  };

  /** Releases others' replies after all of its own have been given out: a release may fail, and take its time. */
  const take = async (deliveries: readonly Delivery[]): Promise<void> => {
    for (const delivery of deliveries.filter((each) => !settle(each))) {
      const { body, handle, receiveCount, messageId } = delivery;
      log.warn({ messageId, receiveCount, body: body.slice(0, 200) }, 'a reply that nobody waits for');
      await sqs.release(responseQueue, [handle], releaseSeconds(receiveCount));
    }
  };

  const poll = async () => {
    for (let failures = 0; !closing.signal.aborted; ) {
      try {
        await take(
          await sqs.receive(responseQueue, receiveBatch, pollWaitSeconds, undefined, { attributes: true }),
        );
        failures = 0;
      } catch (error) {
        if (closing.signal.aborted) return;
        failures++;
        log.warn({ error: messageOf(error), failures }, 'replies cannot be received');
        await clock.sleep(backoffMs(failures, backoffAfter(error)), closing.signal);
      }
    }
  };
  void poll();

  const tooLarge = (id: string, imageBytes: number, bytes: number): Answer =>
    problem(
      id,
      413,
      'Image too large for the queue',
      `the image travels in its message: ${imageBytes} bytes make a message of ${bytes}, and queue ${names.requests} takes ${limitBytes}`,
    );

  const submit = async (
    { id }: Order,
    upload: Upload,
    waitMs: number,
    over: AbortController,
  ): Promise<Answer> => {
    const inspection = inspectImage(upload.bytes, options.limits);
    if (!inspection.ok) {
      counters.refused();
      return refusal(id, inspection);
    }
    const job = jobs.begin(id, upload.name);
    const body = encodeSeedRequest(form, { name: job.wireName, image: upload.bytes });
    const attributes = { [seedIdAttribute]: id };
    const bytes = messageBytes(body, attributes);
    if (bytes > limitBytes) {
      jobs.cancel(id);
      counters.refused();
      return tooLarge(id, upload.bytes.length, bytes);
    }
    try {
      await s3.put(names.inputBucket, job.wireName, upload.bytes, inspection.header.mediaType);
      await sqs.send(names.requests, body, attributes);
      counters.accepted();
      health.stored();
      const label = await Promise.race([job.label, clock.sleep(waitMs, over.signal).then(() => undefined)]);
      if (label === undefined)
        return problem(
          id,
          504,
          'No answer in time',
          `the label will be object ${stemOf(job.wireName)} of bucket ${names.outputBucket}`,
        );
      counters.answered();
      return answerOf(resultOf(id, label), upload.name);
    } catch (error) {
      if (!(error instanceof CloudError)) throw error;
      counters.refused();
      health.notStored(error.message);
      log.warn({ id, error: error.message }, 'an image was refused: the cloud does not take it');
      return notAccepted(id);
    } finally {
      jobs.leave(id);
      over.abort('settled');
    }
  };

  return {
    // The wire has no ids that a worker would know again.
    order: () => ({ id: newJobId(), idempotent: false }),
    submit,
    result: async (id) => {
      const label = jobs.labelOf(id);
      return label === undefined ? undefined : resultOf(id, label);
    },
    waiting: jobs.waiting,
    close: async () => {
      closing.abort();
      await remover.flush();
    },
  };
};
