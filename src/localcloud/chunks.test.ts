import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesOf, joined, sliced } from './chunks.ts';

test('chunks are what their bytes are, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9 })), fc.nat(60), fc.nat(60), (pieces, start, end) => {
      const chunks = pieces.map((piece) => Buffer.from(piece));
      const whole = Buffer.concat(chunks);
      expect(bytesOf(chunks)).toBe(whole.length);
      expect(joined(chunks).equals(whole)).toBe(true);
      expect(joined(sliced(chunks, start, end)).equals(whole.subarray(start, end))).toBe(true);
    }),
  );
});
