import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOf, digestOfChunks, prepareHmac } from './digest.ts';

test('digests are those of node:crypto, in one piece and in several', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('md5', 'sha1', 'sha256'),
      fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 4 }),
      (algorithm, pieces) => {
        const chunks = pieces.map((piece) => Buffer.from(piece));
        const whole = Buffer.concat(chunks);
        const expected = createHash(algorithm).update(whole).digest('hex');
        expect(digestOf(algorithm, whole, 'hex')).toBe(expected);
        expect(digestOfChunks(algorithm, chunks, 'hex')).toBe(expected);
      },
    ),
  );
});

test('a prepared HMAC is that of node:crypto, for one text after another', () => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 64 });
  fc.assert(
    fc.property(
      key,
      fc.array(fc.string({ unit: 'binary', maxLength: 2_000 }), { maxLength: 5 }),
      (bytes, texts) => {
        const prepared = prepareHmac(Buffer.from(bytes));
        for (const text of texts)
          expect(prepared(text)).toBe(createHmac('sha256', bytes).update(text).digest('hex'));
      },
    ),
  );
});
