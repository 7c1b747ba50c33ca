import { createHash } from 'node:crypto';
import type { Cluster } from '../aws/cluster.ts';
import { CloudError } from '../aws/errors.ts';
import { type ImageLimits, inspectImage } from '../image/inspect.ts';
import { contractVersion, encode, imageKey, type JobRequest, maxInlineBytes } from '../jobs/contract.ts';
import type { Log } from '../log.ts';
import { type Answer, answerOf, notAccepted, problem, refusal } from './answers.ts';
import type { Counters } from './counters.ts';
import type { Order } from './exchange.ts';
import type { Health } from './health.ts';
import type { Acceptance, Once } from './once.ts';
import type { Replies } from './replies.ts';
import type { Upload } from './upload.ts';

export interface SubmitOptions {
  readonly cluster: Cluster;
  /** Queues a request; resolves when the queue has it. */
  readonly send: (body: string) => Promise<unknown>;
  readonly once: Once;
  readonly replies: Replies;
  readonly limits: ImageLimits;
  readonly topK: number;
  /** `inline` sends images of up to 128 KiB in the message itself; larger ones, and all with `key`, through the input bucket. */
  readonly transport: 'key' | 'inline';
  readonly counters: Counters;
  readonly health: Health;
  readonly log: Log;
}

/** Takes one image through the cluster: stored, queued, and answered when its reply arrives. See Exchange. */
export const submit = async (
  options: SubmitOptions,
  { id, idempotent }: Order,
  upload: Upload,
  waitMs: number,
  over: AbortController,
): Promise<Answer> => {
  const { cluster, replies, counters, log } = options;
  const { bytes } = upload;
  const inspection = inspectImage(bytes, options.limits);
  if (!inspection.ok) {
    counters.refused();
    return refusal(id, inspection);
  }
  const facts = {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    type: inspection.header.mediaType,
  };
  const send = async (image: JobRequest['image']) => {
    const { topK } = options;
    const replyTo = replies.webId();
    await options.send(encode({ v: contractVersion, id, image, name: upload.name, replyTo, topK }));
    counters.accepted();
    options.health.stored();
  };

  const accept = async (): Promise<Acceptance> => {
    const stored = { key: imageKey(id), ...facts };
    // That it was accepted is shown by its object, so there must be one.
    if (idempotent) return options.once.accept({ id, ...facts, bytes }, () => send(stored));
    if (options.transport === 'inline' && bytes.length <= maxInlineBytes)
      await send({ inline: bytes.toString('base64'), ...facts });
    else {
      await cluster.s3.put(cluster.names.inputBucket, stored.key, bytes, facts.type, facts.sha256);
      await send(stored);
    }
    return { kind: 'queued' };
  };

  const reply = replies.wait(id, waitMs, over.signal);
  try {
    const acceptance = await accept();
    if (acceptance.kind === 'another-image')
      return problem(id, 422, 'Key used before', 'this Idempotency-Key came with another image before');
    if (acceptance.kind === 'done') return answerOf(acceptance.result, upload.name);
    const result = await reply;
    if (result === undefined)
      return problem(id, 504, 'No answer in time', `the result will be at /v1/results/${id}`);
    counters.answered();
    return answerOf(result, upload.name);
  } catch (error) {
    if (!(error instanceof CloudError)) throw error;
    counters.refused();
    options.health.notStored(error.message);
    log.warn({ id, error: error.message }, 'an image was refused: the cloud does not take it');
    return notAccepted(id);
  } finally {
    // Whatever happened, no waiter is left behind. (A reason of our own: the default one is an exception with a stack.)
    over.abort('settled');
  }
};
