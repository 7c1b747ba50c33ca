/**
 * How many messages a worker holds that it has not answered: enough that its classifiers never wait for the queue, and that images
 * go through the model together; no more, since messages age in its hands while other workers may be idle.
 */
export interface Prefetch {
  /** Messages to hold now, for all classifiers together. */
  capacity(): number;
  /** Tells how long a classifier worked on an image. */
  classified(ms: number): void;
}

/** One in the classifier, and one behind it. */
const least = 2;
/** Eight in the classifier (two batches of four), and four being fetched. More changed nothing (docs/design/prefetch.md). */
const most = 12;
/** The work that a classifier has in front of it, beyond which the wait for the next poll does not matter. */
const aheadMs = 250;
/** Weight of the latest image in the average. */
const smoothing = 0.1;

/** Starts with the least, until it knows how long an image takes. */
export const createPrefetch = (classifiers: number): Prefetch => {
  let imageMs: number | undefined;
  return {
    capacity: () => {
      const each = imageMs === undefined ? least : Math.floor(aheadMs / Math.max(imageMs, 1));
      return classifiers * Math.min(most, Math.max(least, each));
    },
    classified: (ms) => {
      imageMs = imageMs === undefined ? ms : imageMs + smoothing * (ms - imageMs);
    },
  };
};
