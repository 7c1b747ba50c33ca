import { contractVersion, imageKey } from '../../src/jobs/contract.ts';
import { newJobId } from '../../src/jobs/id.ts';
import type { Operation } from './history.ts';
import type { Lab } from './lab.ts';
import { type Photo, sha256Of, withComment } from './photos.ts';

/** A request as a web process writes it, to be changed by a test. */
export interface Draft {
  readonly id: string;
  readonly request: Readonly<Record<string, unknown>>;
  /** What is to be found in the store, as if a client had got an id and no answer. */
  readonly operation: Operation;
}

/** Stores an image as a web process does, without sending its request. Nobody waits at `nobody`. */
export const draftRequest = async (lab: Lab, photo: Photo, replyTo = 'nobody'): Promise<Draft> => {
  const id = newJobId();
  const bytes = withComment(photo.bytes, id);
  const sha256 = sha256Of(bytes);
  const { s3, names } = lab.cluster;
  const invokedAtMs = performance.now();
  await s3.put(names.inputBucket, imageKey(id), bytes, 'image/jpeg');
  return {
    id,
    request: {
      v: contractVersion,
      id,
      image: { key: imageKey(id), sha256, bytes: bytes.length, type: 'image/jpeg' },
      name: photo.name,
      replyTo,
      topK: 5,
    },
    operation: {
      sha256,
      invokedAtMs,
      expected: photo.expected,
      id,
      end: { kind: 'info', atMs: invokedAtMs, why: 'sent without a client' },
    },
  };
};

export const sendBody = async (lab: Lab, body: string): Promise<void> => {
  const { sqs, names } = lab.cluster;
  await sqs.sender(names.requests).add(body);
};
