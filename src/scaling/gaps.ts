import { z } from 'zod';

/**
 * What is remembered of one level of demand ("at least k workers are needed"): when it was last needed, and how long the
 * last pauses between two needs were, oldest first, in whole seconds.
 */
export const levelSchema = z.object({
  last: z.number(),
  gaps: z.array(z.number().int().nonnegative()),
});
export type Level = z.infer<typeof levelSchema>;

/** Pauses remembered: at most 20 of a level, and 400 in all, so that the state stays within 4 KB. */
const mostGaps = (bands: number): number => Math.min(20, Math.floor(400 / bands));
/** Below this many, there is nothing to learn from. */
const enoughGaps = 3;

/**
 * Levels that share one memory: 1, 2, … 8, and from there each band a quarter wider than the one before, so that a
 * thousand workers fit. Gives the first level of each band.
 */
export const bandsUpTo = (max: number): readonly number[] => {
  const bands: number[] = [];
  for (let first = 1; first <= max; first = first < 8 ? first + 1 : Math.ceil(first * 1.25))
    bands.push(first);
  return bands;
};

/** Notes that the level is needed now; a pause that has just ended is remembered. */
export const noteNeed = (
  level: Level | undefined,
  nowSeconds: number,
  intervalSeconds: number,
  bands: number,
): Level => {
  if (level === undefined) return { last: nowSeconds, gaps: [] };
  const gap = nowSeconds - level.last;
  if (gap <= 1.5 * intervalSeconds) return { last: nowSeconds, gaps: level.gaps };
  return { last: nowSeconds, gaps: [...level.gaps, Math.round(gap)].slice(-mostGaps(bands)) };
};

export interface Stakes {
  readonly bootSeconds: number;
  /** Instance-seconds that a launch costs: its boot, or what is billed at least. */
  readonly launchSeconds: number;
  /** Idle seconds that a missing worker is worth, on top of its launch: what punctuality may cost. */
  readonly priceSeconds: number;
  readonly intervalSeconds: number;
}

/** A worker is never kept longer than this for one pause, whatever the price. */
const keepMaxSeconds = 1_800;

interface Chance {
  /** Seconds from now until the level is needed again. */
  readonly in: number;
  readonly weight: number;
}

/**
 * How the present pause may end, soonest first: as one of the remembered ones, if that is longer than this one has lasted. Each
 * stands for its neighbourhood, as wide as the distance to its second nearest fellow: clockwork stays sharp, chance blurs
 * (a nearest-neighbour kernel estimate; Silverman 1986, section 5.2).
 */
const chancesOf = (gaps: readonly number[], elapsed: number, intervalSeconds: number): Chance[] =>
  gaps
    .flatMap((gap) => {
      if (gap * 1.3 < elapsed) return [];
      const fellow = gaps.map((other) => Math.abs(other - gap)).sort((a, b) => a - b)[2] ?? gap;
      const width = Math.min(0.3 * gap, Math.max(fellow, intervalSeconds));
      return [
        { in: gap - width - elapsed, weight: 0.25 },
        { in: gap - elapsed, weight: 0.5 },
        { in: gap + width - elapsed, weight: 0.25 },
      ];
    })
    .filter((chance) => chance.in > 0)
    .sort((a, b) => a.in - b.in);

/** A pause that is like none seen weighs as much as one that was. */
const unknown = 1;

/**
 * Least expected cost, in instance-seconds, of all plans that are up from `from` (seconds from now) until some later time,
 * where getting up costs `launch` and being needed while down costs `miss`. One pass over the chances, soonest first: with
 * each, the plan ends there, and the worker is up for it and for all before.
 */
const cheapestPlan = (chances: readonly Chance[], from: number, launch: number, miss: number): number => {
  let after = unknown;
  let cost = 0;
  for (const { in: at, weight } of chances)
    if (at < from) cost += weight * miss;
    else after += weight;
  let cheapest = Number.POSITIVE_INFINITY;
  for (const { in: to, weight } of chances) {
    if (to < from) continue;
    if (to - from > keepMaxSeconds) break;
    cost += weight * (launch + to - from);
    after -= weight;
    cheapest = Math.min(cheapest, cost + after * (launch + to - from + miss));
  }
  return cheapest;
};

/**
 * Whether the worker of a level that is not needed should be up now all the same: kept if it is up, started ahead if it is
 * not. Weighs every plan "up from a to b" against "down", under the pauses seen so far: ski rental with a learned
 * distribution, and the keep-alive and pre-warming windows of Shahrad et al., "Serverless in the Wild", ATC 2020. Before
 * three pauses are known, a worker that is up stays for the break-even time, which costs at most twice the optimum
 * (Karlin et al. 1988).
 */
export const shouldBeUp = (level: Level, nowSeconds: number, isUp: boolean, stakes: Stakes): boolean => {
  const { bootSeconds, launchSeconds, priceSeconds, intervalSeconds } = stakes;
  const elapsed = nowSeconds - level.last;
  const miss = launchSeconds + priceSeconds;
  if (level.gaps.length < enoughGaps) return isUp && elapsed < Math.min(miss, keepMaxSeconds);
  // A worker is started ahead only for pauses that have come about again and again.
  if (!isUp && level.gaps.filter((gap) => gap > elapsed).length < enoughGaps) return false;
  const chances = chancesOf(level.gaps, elapsed, intervalSeconds);
  const down = chances.reduce((sum, { weight }) => sum + weight, unknown) * miss;
  const now = isUp
    ? cheapestPlan(chances, 0, 0, miss)
    : cheapestPlan(chances, bootSeconds, launchSeconds, miss);
  if (now >= down) return false;
  // Being down until later, and up only then, may cost less still.
  return chances.every(
    ({ in: at }) =>
      at <= bootSeconds + intervalSeconds || cheapestPlan(chances, at, launchSeconds, miss) >= now,
  );
};
