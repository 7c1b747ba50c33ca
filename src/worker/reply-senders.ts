import type { Batcher } from '../aws/batcher.ts';
import type { Cluster } from '../aws/cluster.ts';

/** Sends replies in batches, to as many reply queues as there are web processes. */
export interface ReplySenders {
  /** Resolves when the queue has it. Throws CloudError. */
  send(suffix: string, body: string): Promise<void>;
  /** Sends those that still wait for company. */
  flush(): Promise<void>;
}

/** @param lingerMs how long a reply may wait for others, asked for each batch */
export const createReplySenders = (
  { sqs, names }: Pick<Cluster, 'sqs' | 'names'>,
  lingerMs: () => number,
): ReplySenders => {
  const senders = new Map<string, Batcher<string, true>>();
  const senderOf = (suffix: string): Batcher<string, true> => {
    const sender = senders.get(suffix) ?? sqs.sender(names.replies(suffix), lingerMs);
    senders.set(suffix, sender);
    return sender;
  };
  return {
    send: async (suffix, body) => {
      await senderOf(suffix).add(body);
    },
    flush: async () => {
      await Promise.all([...senders.values()].map((sender) => sender.flush()));
    },
  };
};
