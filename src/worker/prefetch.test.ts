import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPrefetch } from './prefetch.ts';

const after = (...imageMs: readonly number[]) => {
  const prefetch = createPrefetch(2);
  for (const ms of imageMs) prefetch.classified(ms);
  return prefetch.capacity();
};

test.each([
  ['two a classifier while nothing is known', [], 4],
  ['twelve of images that take 10 ms each', [10, 10], 24],
  ['five of images that take 50 ms', [50], 10],
  ['two of images that take a second', [1_000, 1_000], 4],
  ['fewer as soon as images take longer', [10, ...Array<number>(40).fill(100)], 4],
] as const)('holds %s', (_, imageMs, expected) => {
  expect(after(...imageMs)).toBe(expected);
});

test('holds two to twelve a classifier, whatever an image takes', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 60_000, noNaN: true })), (imageMs) => {
      const capacity = after(...imageMs);
      expect(capacity).toBeGreaterThanOrEqual(4);
      expect(capacity).toBeLessThanOrEqual(24);
    }),
  );
});
