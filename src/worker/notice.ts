import type { InstanceMetadata } from '../aws/instance-metadata.ts';
import type { Clock } from '../clock.ts';

/** AWS recommends to look every 5 s: an interruption is announced two minutes ahead. */
const lookEveryMs = 5_000;

const notices = [
  { path: '/latest/meta-data/spot/instance-action', means: 'spot interruption' },
  { path: '/latest/meta-data/events/recommendations/rebalance', means: 'rebalance recommendation' },
] as const;

/**
 * Resolves when EC2 announces that this instance will be taken away, or is likely to be; with undefined when `signal` aborts first.
 */
export const awaitNotice = async (
  metadata: InstanceMetadata,
  clock: Clock,
  signal: AbortSignal,
): Promise<(typeof notices)[number]['means'] | undefined> => {
  while (!signal.aborted) {
    for (const { path, means } of notices) if ((await metadata.read(path)) !== undefined) return means;
    await clock.sleep(lookEveryMs, signal);
  }
  return undefined;
};
