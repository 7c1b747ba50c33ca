import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LzwKind, lzwLength } from './lzw.ts';

const gif = (symbolBits: number): LzwKind => ({ leastSignificantFirst: true, symbolBits, growsEarly: false });
const tiff: LzwKind = { leastSignificantFirst: false, symbolBits: 8, growsEarly: true };

describe('the length of LZW data', () => {
  it('is that of the example in "What\'s in a GIF" (M. Flickinger): 10 x 10 pixels of 2 bits', () => {
    const data = '8c2d99872a1cdc33a00275ec95faa8de608c04914c01';
    expect(lzwLength(Buffer.from(data, 'hex'), gif(2))).toBe(100);
  });

  it('is that of the example in the TIFF 6.0 specification, section 13: 7 7 7 8 8 7 7 6 6', () => {
    // Clear, 7, 258, 8, 8, 258, 6, 6, end; nine bits each, as section 13 lists them.
    const bits = [256, 7, 258, 8, 8, 258, 6, 6, 257]
      .map((code) => code.toString(2).padStart(9, '0'))
      .join('');
    const bytes = Uint8Array.from(bits.match(/.{1,8}/g) ?? [], (each) =>
      Number.parseInt(each.padEnd(8, '0'), 2),
    );
    expect(lzwLength(bytes, tiff)).toBe(9);
  });

  it.each([
    ['the first code is no symbol', [6]],
    ['a code was not made yet', [4, 1, 7]],
  ])('refuses data where %s', (_, codes) => {
    const packed = codes.reduce((sum, code, i) => sum | (code << (3 * i)), 0);
    expect(() => lzwLength(Uint8Array.of(packed & 255, packed >> 8, 0), gif(2))).toThrow(
      'stands for nothing',
    );
  });

  it('ends for any bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3_000 }),
        fc.constantFrom(gif(0), gif(2), gif(8), tiff),
        (data, kind) => {
          try {
            expect(lzwLength(data, kind)).toBeGreaterThanOrEqual(0);
          } catch (error) {
            expect((error as Error).message).toContain('stands for nothing');
          }
        },
      ),
    );
  });
});
