import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareUtf8 } from './order.ts';

test('keys compare as their UTF-8 bytes do', () => {
  const key = fc.string({
    unit: fc.constantFrom(
      'a',
      'b',
      'é',
      '\uD7FF',
      '\uE000',
      '\uFFFD',
      '\u{10000}',
      '\u{1F600}',
      '\u{10FFFF}',
    ),
    maxLength: 4,
  });
  fc.assert(
    fc.property(key, key, (a, b) => {
      return Math.sign(compareUtf8(a, b)) === Buffer.compare(Buffer.from(a), Buffer.from(b));
    }),
    { numRuns: 500 },
  );
  expect(compareUtf8('\u{1F600}', '\uFFFD')).toBe(1);
});
