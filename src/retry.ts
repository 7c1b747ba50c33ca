import type { Clock } from './clock.ts';

export interface BackoffLimits {
  readonly floorMs: number;
  readonly ceilingMs: number;
}

/** Loops that poll a cloud wait 1 to 20 s after failures: the SDK's own retries give up for good under load. */
export const pollBackoff: BackoffLimits = { floorMs: 1_000, ceilingMs: 20_000 };

/**
 * The longest pause where nobody answers at all: an attempt costs nobody anything there, and whoever was away for a minute should
 * not be kept waiting when it is back.
 */
export const silentBackoff: BackoffLimits = { floorMs: 1_000, ceilingMs: 4_000 };

/**
 * Exponential back-off with jitter: after n failures in a row between half and all of `floor * 2^(n-1)`, capped.
 * @param failures failures in a row, >= 1
 * @param random in [0, 1)
 */
export const backoffMs = (
  failures: number,
  limits: BackoffLimits = pollBackoff,
  random = Math.random(),
): number => {
  const full = Math.min(limits.ceilingMs, limits.floorMs * 2 ** Math.min(failures - 1, 30));
  return Math.max(limits.floorMs, full * (0.5 + random / 2));
};

/** Repeats `attempt` until it succeeds, with back-off between failures, or rejects with its last error after `attempts`. */
export const retry = async <T>(
  attempt: () => Promise<T>,
  options: {
    readonly attempts: number;
    readonly clock: Clock;
    readonly limits: BackoffLimits;
    readonly retryable: (error: unknown) => boolean;
    readonly signal?: AbortSignal;
  },
): Promise<T> => {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (failures >= options.attempts || options.signal?.aborted || !options.retryable(error)) throw error;
      await options.clock.sleep(backoffMs(failures, options.limits), options.signal);
    }
  }
};
