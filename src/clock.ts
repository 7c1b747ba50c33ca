/**
 * Time as a parameter, so that what waits can be tested without waiting.
 * Durations come from `monotonicMs`; `wallMs` is only for what people read.
 */
export interface Clock {
  /** Milliseconds since an arbitrary origin; never goes back, whatever happens to the wall clock. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch. */
  wallMs(): number;
  /** Resolves after `ms`, or at once when `signal` aborts (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  // Not node:timers/promises: it makes an exception, with its stack, for every sleep that is cut short.
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, Math.max(0, ms));
      signal?.addEventListener('abort', end, { once: true });
    }),
};

/** Waits for `work`, but no longer than `ms`. @returns whether it finished in time; a rejection of `work` passes through. */
export const finishesWithin = async (work: Promise<unknown>, ms: number, clock: Clock): Promise<boolean> => {
  const done = new AbortController();
  try {
    return await Promise.race([work.then(() => true), clock.sleep(ms, done.signal).then(() => false)]);
  } finally {
    done.abort();
  }
};

/** Resolves when `signal` aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
