import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { topOf } from './top.ts';

describe('topOf', () => {
  it('is the start of a stable sort by falling probability', () => {
    const probabilities = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(probabilities, fc.integer({ min: 1, max: 50 }), (values, k) => {
        const sorted = values.map((value, index) => [index, value] as const).sort((a, b) => b[1] - a[1]);
        expect(topOf(Float32Array.from(values), k)).toEqual(sorted.slice(0, k));
      }),
    );
  });

  it('rounds to four decimals', () => {
    expect(topOf(Float32Array.from([0.123456, 0.87654]), 2)).toEqual([
      [1, 0.8765],
      [0, 0.1235],
    ]);
  });
});
