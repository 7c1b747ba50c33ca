import type { Sqs } from '../aws/sqs.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';

/** Compares empty receives with the queue's own count: SQS's in-flight limit, and a lying count, look the same as no work. */
export interface BacklogWatch {
  /** A long poll brought nothing. Throws CloudError. */
  emptyReceive(): Promise<void>;
  /** How many brought nothing although the queue counted messages. */
  emptyReceivesWithBacklog(): number;
}

/** How often, at most, it looks: that is a request too. */
const lookMs = 30_000;

export const watchBacklog = (
  sqs: Pick<Sqs, 'attributes'>,
  queue: string,
  clock: Pick<Clock, 'monotonicMs'>,
  log: Log,
): BacklogWatch => {
  let found = 0;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  return {
    emptyReceive: async () => {
      const nowMs = clock.monotonicMs();
      if (nowMs - lookedAtMs < lookMs) return;
      lookedAtMs = nowMs;
      const attributes = await sqs.attributes(queue, ['ApproximateNumberOfMessages']);
      const backlog = Number(attributes?.['ApproximateNumberOfMessages'] ?? 0);
      if (backlog === 0) return;
      found++;
      log.warn({ backlog }, 'an empty receive although the queue counts messages');
    },
    emptyReceivesWithBacklog: () => found,
  };
};
