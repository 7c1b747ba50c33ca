import type { S3 } from '../aws/s3.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { scalerLockKey } from '../reports/reports.ts';

export interface AbandonedOptions {
  readonly s3: Pick<S3, 'head'>;
  readonly bucket: string;
  /** How long there must have been neither work nor a scaler. */
  readonly idleMs: number;
  /** Monotonic time of the last work; undefined while there is some. */
  readonly idleSinceMs: () => number | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const looks = 4;
const mostPauseMs = 60_000;

/**
 * Resolves with true when this worker has had no work, and nobody has written the scaler's lock, for `idleMs`: a machine that
 * everybody has forgotten must not be paid for. Resolves with false when `signal` aborts first.
 * No wall clock is read: what counts is whether the lock's date changes. A cloud that cannot be asked counts as a scaler.
 */
export const awaitAbandoned = async (options: AbandonedOptions): Promise<boolean> => {
  const { s3, bucket, idleMs, idleSinceMs, clock, log, signal } = options;
  let written: number | undefined;
  let seenMs = clock.monotonicMs();
  while (!signal.aborted) {
    await clock.sleep(Math.min(mostPauseMs, idleMs / looks), signal);
    try {
      const lock = await s3.head(bucket, scalerLockKey);
      if (lock?.lastModifiedMs !== written) seenMs = clock.monotonicMs();
      written = lock?.lastModifiedMs;
    } catch (error) {
      log.debug({ error: messageOf(error) }, 'the scaler cannot be looked for');
      seenMs = clock.monotonicMs();
    }
    const sinceMs = idleSinceMs();
    const nowMs = clock.monotonicMs();
    if (sinceMs !== undefined && nowMs - sinceMs >= idleMs && nowMs - seenMs >= idleMs)
      return !signal.aborted;
  }
  return false;
};
