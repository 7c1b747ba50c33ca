import { createHash } from 'node:crypto';
import type { Batcher } from '../aws/batcher.ts';
import type { Cluster } from '../aws/cluster.ts';
import { CloudError } from '../aws/errors.ts';
import { type ImageLimits, inspectImage } from '../image/inspect.ts';
import { contractVersion, encode, imageKey, maxInlineBytes } from '../jobs/contract.ts';
import type { Log } from '../log.ts';
import { type Answer, answerOf, notAccepted, problem, refusal } from './answers.ts';
import type { Counters } from './counters.ts';
import type { Health } from './health.ts';
import type { Replies } from './replies.ts';
import type { Upload } from './upload.ts';

export interface SubmitOptions {
  readonly cluster: Cluster;
  readonly requests: Batcher<string, true>;
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
  id: string,
  upload: Upload,
  waitMs: number,
  over: AbortController,
): Promise<Answer> => {
  const { cluster, replies, counters, log } = options;
  const inspection = inspectImage(upload.bytes, options.limits);
  if (!inspection.ok) {
    counters.refused();
    return refusal(id, inspection);
  }
  const facts = {
    sha256: createHash('sha256').update(upload.bytes).digest('hex'),
    bytes: upload.bytes.length,
    type: inspection.header.mediaType,
  };
  const reply = replies.wait(id, waitMs, over.signal);
  try {
    const image =
      options.transport === 'inline' && upload.bytes.length <= maxInlineBytes
        ? { inline: upload.bytes.toString('base64'), ...facts }
        : { key: imageKey(id), ...facts };
    if ('key' in image)
      await cluster.s3.put(cluster.names.inputBucket, image.key, upload.bytes, image.type, image.sha256);
    await options.requests.add(
      encode({
        v: contractVersion,
        id,
        image,
        name: upload.name,
        replyTo: replies.webId(),
        topK: options.topK,
      }),
    );
    counters.accepted();
    options.health.stored();
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
