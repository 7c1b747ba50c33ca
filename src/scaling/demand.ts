import { z } from 'zod';
import type { Arrivals } from './observation.ts';

/** What is known of the arrivals. */
export const demandSchema = z.object({
  /** Images a second. */
  rate: z.number().nonnegative(),
  /** Mean absolute change of the rate from one minute to the next. */
  deviation: z.number().nonnegative(),
  /** Variance of the counts over that of Poisson counts: 1 for independent clients, more for those that come in clumps. */
  clumping: z.number().min(1),
  /** Seconds over which the rate is a mean: since it last started anew. */
  age: z.number().nonnegative(),
  /** The minute being added up: seconds covered, images, and the rate of the minute before. */
  minute: z.object({
    seconds: z.number().nonnegative(),
    count: z.number().nonnegative(),
    before: z.number().nonnegative(),
  }),
});
export type Demand = z.infer<typeof demandSchema>;

/** As long as a boot with what it may take longer, and no longer than is usual on EC2: what happens faster, no launch can follow. */
const longestMemorySeconds = 90;
const memoryOf = (bootSeconds: number): number => Math.min(longestMemorySeconds, 1.5 * bootSeconds);

/** Standard deviations beyond which a count is no chance. Three would let ten-second counts of clumped arrivals through daily. */
const significant = 4;
const clumpingWeight = 0.02;
const deviationWeight = 0.15;

export const noDemand: Demand = {
  rate: 0,
  deviation: 0,
  clumping: 1,
  age: longestMemorySeconds,
  minute: { seconds: 0, count: 0, before: 0 },
};

/** Whether a count is too far from the expected one for chance, given how clumped the counts have been. */
const isNews = (count: number, expected: number, clumping: number): boolean =>
  Math.abs(count - expected) > significant * Math.sqrt(Math.max(expected, 1) * clumping);

/** The index of dispersion (variance over mean, Cox and Lewis 1966) with one more count; a change of the load counts as the largest chance. */
const withCount = (clumping: number, count: number, expected: number): number =>
  Math.max(
    1,
    clumping +
      clumpingWeight *
        (Math.min(significant ** 2, (count - expected) ** 2 / Math.max(expected, 1)) - clumping),
  );

/**
 * Follows the arrivals: a mean of the rate over the last 90 s, or one and a half boots where that is less, which starts anew
 * when a count cannot be chance.
 */
export const followArrivals = (
  before: Demand,
  arrivals: readonly Arrivals[],
  bootSeconds: number,
): Demand => {
  const memorySeconds = memoryOf(bootSeconds);
  let { rate, deviation, clumping, age, minute } = before;
  for (const { from, to, count } of arrivals) {
    const seconds = to - from;
    if (seconds <= 0) continue;
    const expected = rate * seconds;
    const fresh = count / seconds;
    const news = isNews(count, expected, clumping);
    clumping = withCount(clumping, count, expected);
    if (news) {
      rate = fresh;
      // The load changed somewhere in this span, so the span says half as much as a whole one.
      age = seconds / 2;
    } else {
      rate += Math.max(seconds / (seconds + age), 1 - Math.exp(-seconds / memorySeconds)) * (fresh - rate);
      age = Math.min(memorySeconds, age + seconds);
    }
    minute = { ...minute, seconds: minute.seconds + seconds, count: minute.count + count };
    if (minute.seconds < 60) continue;
    const full = minute.count / minute.seconds;
    deviation += deviationWeight * (Math.abs(full - minute.before) - deviation);
    minute = { seconds: 0, count: 0, before: full };
  }
  return { rate, deviation, clumping, age, minute };
};

/**
 * The most that can be arriving while nothing waits, as each arrival is in service then: Little's law on the F messages in
 * flight, three standard deviations up. Fresher than any average, so an end of the load is noticed at once.
 */
export const mostWhileNothingWaits = (inFlight: number, workerPerSecond: number): number =>
  workerPerSecond * (inFlight === 0 ? 0.5 : inFlight + 3 * Math.sqrt(inFlight));
