import type { ImgrecError } from '../errors.ts';
import { type BackoffLimits, backoffMs } from '../retry.ts';

/** Why no image can be classified now. */
export interface Trouble {
  readonly error: ImgrecError;
  /** No further start is tried: a new process, or a new machine, may have better luck. */
  readonly final: boolean;
}

/** What became of the starts of a pool's classifiers, and so whether there is hope. */
export interface Starts {
  trouble(): Trouble | undefined;
  /** A classifier has its model open. */
  succeeded(): void;
  /**
   * Counts a start that failed.
   * @param isAnyReady another classifier is there: images wait for it
   * @returns milliseconds until the next try; undefined when there is to be none
   */
  failed(error: ImgrecError, isAnyReady: boolean): number | undefined;
  /** What is wrong stays wrong, such as a model that does not fit. */
  giveUp(error: ImgrecError): void;
}

const startBackoff: BackoffLimits = { floorMs: 100, ceilingMs: 10_000 };
/** Failed starts of every classifier in a row, after which images are rejected instead of kept waiting: about a second. */
const hopelessRounds = 4;
/** And after which no further start is tried: about ten seconds. */
const finalRounds = 8;

/** @param classifiers how many are started side by side */
export const countStarts = (classifiers: number): Starts => {
  let failures = 0;
  let trouble: Trouble | undefined;
  return {
    trouble: () => trouble,
    succeeded: () => {
      failures = 0;
      trouble = undefined;
    },
    failed: (error, isAnyReady) => {
      failures++;
      const rounds = Math.ceil(failures / classifiers);
      if (!isAnyReady && rounds >= hopelessRounds) trouble = { error, final: rounds >= finalRounds };
      return trouble?.final ? undefined : backoffMs(rounds, startBackoff);
    },
    giveUp: (error) => {
      trouble = { error, final: true };
    },
  };
};
