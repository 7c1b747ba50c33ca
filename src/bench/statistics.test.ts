import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { percentile, summarizeLatencies } from './statistics.ts';

describe('summarizeLatencies', () => {
  // Golden values: numpy 2.4.6, np.percentile(a, q, method='inverted_cdf') and np.mean(a).
  it.each([
    {
      values: [12.5, 3.25, 7, 99.75, 41, 41, 0.5, 18, 26.125, 5],
      summary: { mean: 25.41, p50: 12.5, p90: 41, p95: 99.75, p99: 99.75, max: 99.75 },
    },
    {
      values: Array.from({ length: 250 }, (_, at) => (((at + 1) ** 2 * 7_919) % 1_009) / 4),
      summary: { mean: 125.1, p50: 122, p90: 223.5, p95: 234, p99: 246.75, max: 249 },
    },
  ])('agrees with numpy on $values.length values', ({ values, summary }) => {
    expect(summarizeLatencies(values)).toEqual(summary);
  });

  it('has no numbers where nothing was measured', () => {
    expect(summarizeLatencies([])).toEqual({
      mean: null,
      p50: null,
      p90: null,
      p95: null,
      p99: null,
      max: null,
    });
  });

  it('of one value is that value', () => {
    expect(summarizeLatencies([7])).toEqual({ mean: 7, p50: 7, p90: 7, p95: 7, p99: 7, max: 7 });
  });
});

it('a percentile is a measured value, at least so many do not exceed it, and no smaller one will do', () => {
  const values = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 100 }), (measured, percent) => {
      const sorted = [...measured].sort((a, b) => a - b);
      const value = percentile(sorted, percent);
      expect(sorted).toContain(value);
      const notAbove = sorted.filter((each) => each <= Number(value)).length;
      const below = sorted.filter((each) => each < Number(value)).length;
      expect(notAbove * 100).toBeGreaterThanOrEqual(percent * sorted.length);
      expect(below * 100).toBeLessThan(percent * sorted.length);
    }),
  );
});
