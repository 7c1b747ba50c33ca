import { createHash } from 'node:crypto';
import type { Cluster } from '../aws/cluster.ts';
import type { Clock } from '../clock.ts';
import { imageKey, type JobResult } from '../jobs/contract.ts';
import { storedResult } from './replies.ts';

/** One image of a client that may send it again under the same id. */
export interface RepeatableImage {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly type: string;
}

export type Acceptance =
  /** It is queued, by this request or by an earlier one: its reply will come. */
  | { readonly kind: 'queued' }
  | { readonly kind: 'done'; readonly result: JobResult }
  /** The key came with other bytes before. */
  | { readonly kind: 'another-image' };

/** Accepts each image once, however often and wherever its client sends it. */
export interface Once {
  /** @param send queues the request of the image. Throws CloudError, as it does itself */
  accept(image: RepeatableImage, send: () => Promise<unknown>): Promise<Acceptance>;
}

/**
 * After an image turns out to be stored already, its result is looked for after these pauses. Then it is queued again: whoever
 * stored it may have died before he queued it, and a second message costs no second result.
 */
const lookPausesMs = [0, 500, 1_000, 1_500];

interface UnderWay {
  readonly sha256: string;
  readonly acceptance: Promise<Acceptance>;
}

export const createOnce = ({
  cluster,
  clock,
}: {
  readonly cluster: Cluster;
  readonly clock: Clock;
}): Once => {
  const { s3, names } = cluster;
  const underWay = new Map<string, UnderWay>();

  const findEarlier = async ({ id, sha256 }: RepeatableImage): Promise<Acceptance | undefined> => {
    const earlier = await s3.get(names.inputBucket, imageKey(id), { deniedIsAbsent: true });
    if (earlier !== undefined && createHash('sha256').update(earlier).digest('hex') !== sha256)
      return { kind: 'another-image' };
    for (const pauseMs of lookPausesMs) {
      await clock.sleep(pauseMs);
      const result = await storedResult(cluster, id);
      if (result !== undefined) return { kind: 'done', result };
    }
    return undefined;
  };

  const acceptFirst = async (image: RepeatableImage, send: () => Promise<unknown>): Promise<Acceptance> => {
    const written = await s3.putOnce(names.inputBucket, imageKey(image.id), image.bytes, image.type);
    const earlier = written === 'exists' ? await findEarlier(image) : undefined;
    if (earlier !== undefined) return earlier;
    await send();
    return { kind: 'queued' };
  };

  return {
    accept: async (image, send) => {
      const other = underWay.get(image.id);
      if (other !== undefined)
        return other.sha256 === image.sha256 ? other.acceptance : { kind: 'another-image' };
      const acceptance = acceptFirst(image, send);
      underWay.set(image.id, { sha256: image.sha256, acceptance });
      try {
        return await acceptance;
      } finally {
        underWay.delete(image.id);
      }
    },
  };
};
