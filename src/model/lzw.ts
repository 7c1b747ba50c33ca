/**
 * How LZW codes lie in their bytes. GIF: least significant bit first, 2 to 8 bits a symbol, codes grow when the table
 * needs it. TIFF: most significant first, 8 bits, codes grow one entry early (TIFF 6.0, section 13).
 */
export interface LzwKind {
  readonly leastSignificantFirst: boolean;
  readonly symbolBits: number;
  readonly growsEarly: boolean;
}

const longestCode = 12;

/**
 * The number of symbols that LZW data stands for. Decoders in JavaScript follow the
 * chain of an entry that was never made for ever: what passes here they decode in time linear in their output.
 * @throws Error about a code that stands for nothing
 */
export const lzwLength = (data: Uint8Array, kind: LzwKind): number => {
  const { leastSignificantFirst, symbolBits, growsEarly } = kind;
  const clear = 1 << symbolBits;
  const end = clear + 1;
  const early = growsEarly ? 1 : 0;
  const lengths = new Uint32Array(1 << longestCode).fill(1, 0, clear);
  let total = 0;
  let next = end + 1;
  let width = symbolBits + 1;
  let previous = -1;
  let buffer = 0;
  let held = 0;
  for (const byte of data) {
    buffer = leastSignificantFirst ? buffer | (byte << held) : ((buffer << 8) | byte) & 0xffffff;
    held += 8;
    while (held >= width) {
      const mask = (1 << width) - 1;
      const code = leastSignificantFirst ? buffer & mask : (buffer >>> (held - width)) & mask;
      if (leastSignificantFirst) buffer >>>= width;
      held -= width;
      if (code === end) return total;
      if (code === clear) {
        next = end + 1;
        width = symbolBits + 1;
        previous = -1;
        continue;
      }
      if (previous < 0 ? code >= clear : code > next || (code === next && next >= lengths.length))
        throw new Error('the image data hold a code that stands for nothing');
      if (previous >= 0 && next < lengths.length) {
        lengths[next] = (lengths[previous] as number) + 1;
        next++;
        if (next + early >= 1 << width && width < longestCode) width++;
      }
      total += lengths[code] as number;
      previous = code;
    }
  }
  return total;
};
