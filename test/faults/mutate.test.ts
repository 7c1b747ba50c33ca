import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mutate } from './mutate.ts';
import { randomFrom } from './random.ts';

test('any file can be damaged, repeatably, and the original is left as it was', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 9, maxLength: 4_000 }), fc.nat(), (bytes, seed) => {
      const original = Buffer.from(bytes);
      const before = Buffer.from(original);
      const once = mutate(original, randomFrom(seed));
      expect(original.equals(before)).toBe(true);
      expect(once.equals(mutate(original, randomFrom(seed)))).toBe(true);
    }),
  );
});

test('most damage changes something', () => {
  const random = randomFrom(1);
  const original = Buffer.from(Array.from({ length: 2_000 }, (_, index) => index % 251));
  const same = Array.from({ length: 500 }, () => mutate(original, random)).filter((each) =>
    each.equals(original),
  );
  expect(same.length).toBeLessThan(25);
});
