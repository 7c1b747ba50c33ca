import { backoffAfter, CloudError } from '../aws/errors.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { backoffMs } from '../retry.ts';
import type { Run, Scaler } from './scaler.ts';

export interface LoopOptions {
  readonly scaler: Scaler;
  readonly everyMs: number;
  /** Of a shift; for ever when absent. */
  readonly forMs: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Meeting another write is no reason to wait for a whole turn: the same run is tried again. */
const overtakenMs = 100;

/**
 * Runs again and again until `signal` aborts or the shift is over. A cloud that is in trouble is waited for.
 * @throws ImgrecError when the cluster is not provisioned; CloudError that no waiting mends
 */
export async function* runs(options: LoopOptions): AsyncGenerator<Run> {
  const { scaler, everyMs, clock, log, signal } = options;
  const endMs = options.forMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() + options.forMs;
  let failures = 0;
  for (let dueMs = clock.monotonicMs(); !signal.aborted; ) {
    try {
      const run = await scaler.run();
      failures = 0;
      if (run.kind === 'overtaken') {
        await clock.sleep(overtakenMs, signal);
        continue;
      }
      yield run;
    } catch (error) {
      if (!(error instanceof CloudError) || !error.transient) throw error;
      failures++;
      log.warn({ error: messageOf(error), failures }, 'nothing was decided');
      await clock.sleep(backoffMs(failures, backoffAfter(error)), signal);
    }
    // A run that took longer than its turn is followed at once by one other, not by all that were missed.
    dueMs = Math.max(dueMs + everyMs, clock.monotonicMs());
    if (dueMs > endMs) return;
    await clock.sleep(dueMs - clock.monotonicMs(), signal);
  }
}
