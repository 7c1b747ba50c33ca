/** Milliseconds with two decimals; null where nothing was measured. */
export interface LatencySummary {
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

/**
 * The exact percentile by nearest rank (Hyndman and Fan 1996, definition 1): the smallest value that at least `percent`
 * of all values do not exceed; never one that was not measured.
 * @param sorted ascending
 * @param percent in (0, 100]
 */
export const percentile = (sorted: ArrayLike<number>, percent: number): number | undefined =>
  sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];

/** Rounds for people and reports. */
export const rounded = (value: number, decimals: number): number =>
  Math.round(value * 10 ** decimals) / 10 ** decimals;

export const summarizeLatencies = (latenciesMs: readonly number[]): LatencySummary => {
  const sorted = Float64Array.from(latenciesMs).sort();
  const at = (percent: number): number | null => {
    const value = percentile(sorted, percent);
    return value === undefined ? null : rounded(value, 2);
  };
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return {
    mean: sorted.length === 0 ? null : rounded(mean, 2),
    p50: at(50),
    p90: at(90),
    p95: at(95),
    p99: at(99),
    max: at(100),
  };
};
