import type { Clock } from '../clock.ts';

/** The cloud's own time, as its answers tell it: this machine's wall clock may be hours off. */
export interface CloudTime {
  /** Told with each answer. @param ms of its Date header, cut to whole seconds; NaN when it had none */
  heard(ms: number): void;
  /** Milliseconds since the Unix epoch. Before anything was heard: this machine's wall clock. */
  nowMs(): number;
}

/** A later answer that is this far from what was expected means that the cloud's clock was set. */
const jumpMs = 5_000;

/**
 * A Date is cut to its second, so the true offset to the monotonic clock is at most a second above the one that it shows: of
 * several, the highest is nearest.
 */
export const createCloudTime = (clock: Clock): CloudTime => {
  let offsetMs: number | undefined;
  return {
    heard: (ms) => {
      if (Number.isNaN(ms)) return;
      const shownMs = ms - clock.monotonicMs();
      const known = offsetMs !== undefined && Math.abs(shownMs - offsetMs) < jumpMs;
      offsetMs = known && offsetMs !== undefined ? Math.max(offsetMs, shownMs) : shownMs;
    },
    nowMs: () => (offsetMs === undefined ? clock.wallMs() : clock.monotonicMs() + offsetMs),
  };
};
