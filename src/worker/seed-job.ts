import type { Cluster } from '../aws/cluster.ts';
import {
  type Attributes,
  decodeSeedRequest,
  encodeSeedReply,
  failureLabel,
  type SeedForm,
  stemOf,
  wireName,
} from '../jobs/seed.ts';
import { type Ending, endingAfter, type JobOptions, reasonOf, sendIfTaken } from './job.ts';
import type { Lease } from './leases.ts';

/** What a worker needs to speak the course project's messages; queue and buckets are the cluster's names. */
export interface SeedOptions {
  readonly responseQueue: string;
  readonly form: SeedForm;
}

type SeedJobOptions = Omit<JobOptions, 'reply' | 'model' | 'worker'> & { readonly seed: SeedOptions };

/** There is no dead-letter queue to send it to, so what nobody can read stays, and comes again ever later. */
const unreadableSeconds = (receiveCount: number): number => Math.min(600, 2 ** receiveCount);

const reply = (
  { cluster, seed, log }: SeedJobOptions,
  name: string,
  label: string,
  attributes: Attributes,
): Promise<void> =>
  sendIfTaken(log, { name }, () =>
    cluster.sqs.send(seed.responseQueue, encodeSeedReply(seed.form, { name, label }), attributes),
  );

const storeLabel = ({ s3, names }: Cluster, name: string, label: string): Promise<void> =>
  s3.put(names.outputBucket, stemOf(wireName(name)), label, 'text/plain; charset=utf-8');

/**
 * Takes one delivery of the seed's wire through its steps: store the image, classify, store the label, reply. The caller deletes
 * the message, last, or hands it back. Done twice, it stores and says the same twice: the wire has no ids to tell by.
 * @param onAnswered called when the image has its answer, which is then to be stored and sent
 * @throws CloudError when a call failed; the message is to be handed back
 */
export const runSeedJob = async (
  options: SeedJobOptions,
  lease: Lease,
  onAnswered: () => void = () => {},
): Promise<Ending> => {
  const { cluster, pool, log } = options;
  const { delivery, lost } = lease;
  const { attributes = {}, receiveCount, messageId } = delivery;
  const decoded = decodeSeedRequest(delivery.body, attributes);
  if (decoded.kind === 'malformed') {
    log.warn({ messageId, receiveCount, reason: decoded.reason }, 'a message that is no request');
    return { kind: 'hand-back', delaySeconds: unreadableSeconds(receiveCount), why: decoded.reason };
  }
  const { name, image } = decoded.value;
  await cluster.s3.put(cluster.names.inputBucket, wireName(name), image, 'application/octet-stream');

  const fail = async (reason: string): Promise<Ending> => {
    if (lost.aborted) return { kind: 'lost' };
    onAnswered();
    await reply(options, name, failureLabel(reason), attributes);
    return { kind: 'done', status: 'failed' };
  };

  const leave = await options.gate.enter();
  if (leave === undefined) return { kind: 'hand-back', delaySeconds: 0, why: 'draining' };
  let outcome: Awaited<ReturnType<typeof pool.classify>>;
  try {
    if (lost.aborted) return { kind: 'lost' };
    outcome = await pool.classify(image, { topK: 1, alone: receiveCount > 1, signal: lost });
  } catch (error) {
    const ending = endingAfter(options, lease, error);
    return ending.kind === 'dead-letter' ? fail(ending.reason) : ending;
  } finally {
    leave();
  }
  if (lost.aborted) return { kind: 'lost' };
  if (outcome.kind === 'bad-image') return fail(reasonOf(outcome.reason));
  const { label, timings } = outcome.classification;
  options.onBusy(timings.decodeMs + timings.resizeMs + timings.inferMs);
  onAnswered();
  await storeLabel(cluster, name, label);
  if (lost.aborted) return { kind: 'lost' };
  await reply(options, name, label, attributes);
  return { kind: 'done', status: 'ok' };
};
