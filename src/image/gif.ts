/** The first picture of a GIF file, located without decoding it. */
export interface GifStart {
  /** Pixels: the logical screen, grown to hold the whole first frame, as Pillow and browsers grow it. */
  readonly width: number;
  readonly height: number;
  /** Pixels of the first frame alone. */
  readonly pixels: number;
  /** Position of the first frame's symbol size, which its data follow in sub-blocks. */
  readonly dataAt: number;
  /** Just behind the first frame's data. */
  readonly end: number;
}

const colourTableBytes = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));

/** The position behind a chain of data sub-blocks (GIF89a, section 15); undefined when it leaves the file. */
const behindSubBlocks = (bytes: Uint8Array, start: number): number | undefined => {
  let at = start;
  for (let length = bytes[at]; length !== undefined; length = bytes[at]) {
    at += 1 + length;
    if (length === 0) return at;
  }
  return undefined;
};

/** Walks the blocks to the first image descriptor and over its data; undefined when they are broken or cut off. */
export const findFirstGifFrame = (bytes: Uint8Array): GifStart | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 13) return undefined;
  let at: number | undefined = 13 + colourTableBytes(view.getUint8(10));
  while (at !== undefined && at < bytes.length) {
    const kind = view.getUint8(at);
    if (kind === 0x21) {
      at = behindSubBlocks(bytes, at + 2);
    } else if (kind === 0x2c && at + 10 < bytes.length) {
      const data = at + 10 + colourTableBytes(view.getUint8(at + 9));
      // The least number of bits of an LZW code: 8 with 256 colours.
      if ((bytes[data] ?? 255) > 8) return undefined;
      const end = behindSubBlocks(bytes, data + 1);
      if (end === undefined) return undefined;
      const frameWidth = view.getUint16(at + 5, true);
      const frameHeight = view.getUint16(at + 7, true);
      return {
        width: Math.max(view.getUint16(6, true), view.getUint16(at + 1, true) + frameWidth),
        height: Math.max(view.getUint16(8, true), view.getUint16(at + 3, true) + frameHeight),
        pixels: frameWidth * frameHeight,
        dataAt: data,
        end,
      };
    } else {
      return undefined;
    }
  }
  return undefined;
};
