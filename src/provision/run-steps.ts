import type { Clock } from '../clock.ts';
import type { Step } from './diff.ts';
import { type Key, keyOf } from './resources.ts';

export interface RunOptions {
  /** Ends it: what runs is finished, nothing more is started. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly onDone?: ((step: Step, seconds: number) => void) | undefined;
}

/** Calls at once: far below what any of the services throttles. */
const atOnce = 8;

/**
 * Carries out steps, those that do not wait for each other at once. After a failure what runs is finished and nothing more
 * is started.
 * @returns those that are done, in the order in which they were: fewer than there are when `signal` aborted
 * @throws the first failure
 */
export const runSteps = async (
  steps: readonly Step[],
  act: (step: Step) => Promise<void>,
  { signal, clock, onDone }: RunOptions,
): Promise<readonly Step[]> => {
  const waiting = new Map<Key, Step>(steps.map((step) => [keyOf(step), step]));
  const running = new Map<Key, Promise<void>>();
  const failures: unknown[] = [];
  const done: Step[] = [];
  const isBlocked = ({ after }: Step) => after.some((key) => waiting.has(key) || running.has(key));

  const start = (key: Key, step: Step): void => {
    waiting.delete(key);
    const startedMs = clock.monotonicMs();
    const work = act(step).then(
      () => {
        done.push(step);
        onDone?.(step, (clock.monotonicMs() - startedMs) / 1_000);
      },
      (error: unknown) => void failures.push(error),
    );
    running.set(
      key,
      work.finally(() => running.delete(key)),
    );
  };

  for (;;) {
    if (!signal.aborted && failures.length === 0)
      for (const [key, step] of waiting) {
        if (running.size >= atOnce) break;
        if (!isBlocked(step)) start(key, step);
      }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  if (failures.length > 0) throw failures[0];
  return done;
};
