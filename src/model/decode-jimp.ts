import { inflateSync } from 'node:zlib';
import { defaultFormats } from 'jimp';
import { findFirstGifFrame } from '../image/gif.ts';
import { isTransposed, readTiffDirectory, type TiffDirectory, tiffNumbers, tiffTags } from '../image/tiff.ts';
import { type LzwKind, lzwLength } from './lzw.ts';

/** Interleaved 8-bit RGBA. */
export interface RgbaPixels {
  readonly rgba: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export type JimpType = 'gif' | 'bmp' | 'tiff';

/** A kind of file that jimp would read wrongly, or that could make it take any amount of memory. */
const refuse = (what: string): Error => new Error(`${what} is not supported`);

const gifLzw = (symbolBits: number): LzwKind => ({
  leastSignificantFirst: true,
  symbolBits,
  growsEarly: false,
});
const tiffLzw: LzwKind = { leastSignificantFirst: false, symbolBits: 8, growsEarly: true };

/** The data of a chain of sub-blocks that is known to be whole; there may be millions of them, so they become no objects. */
const subBlocks = (bytes: Uint8Array, start: number): Uint8Array => {
  const data = new Uint8Array(bytes.length - start);
  let end = 0;
  for (let at = start; ; ) {
    const length = bytes[at] ?? 0;
    if (length === 0) return data.subarray(0, end);
    for (let i = 1; i <= length; i++) data[end++] = bytes[at + i] as number;
    at += 1 + length;
  }
};

/** A copy that ends with the first frame, on a screen that holds all of it: what follows is of no interest and may be broken. */
const firstGifFrame = (bytes: Uint8Array): Buffer => {
  const start = findFirstGifFrame(bytes);
  if (start === undefined) throw new Error('the GIF is cut off');
  const data = subBlocks(bytes, start.dataAt + 1);
  if (lzwLength(data, gifLzw(bytes[start.dataAt] ?? 0)) < start.pixels)
    throw new Error('the first frame of the GIF is cut off');
  const gif = Buffer.concat([bytes.subarray(0, start.end), Buffer.from([0x3b])]);
  gif.writeUInt16LE(start.width, 6);
  gif.writeUInt16LE(start.height, 8);
  return gif;
};

/** Checks what jimp's reader (bmp-ts) does not: run lengths it gets wrong, and a table of colours as long as the header says. */
const checkedBmp = (bytes: Uint8Array): Buffer => {
  const bmp = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = bmp.readInt32LE(18);
  const bits = bmp.readUInt16LE(28);
  const compression = bmp.readUInt32LE(30);
  if (![0, 3, 6].includes(compression)) throw refuse(`a BMP with compression ${compression}`);
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw refuse(`a BMP with ${bits} bits a pixel`);
  if (bits === 4 && width % 2 === 1) throw refuse('a BMP with 4 bits a pixel and an odd width');
  if (bmp.readUInt32LE(46) > 256) throw refuse('a BMP with more than 256 colours in its table');
  return bmp;
};

const uncompressed = 1;
const deflate = [8, 32946];
const lzw = 5;
const packBits = 32773;
const compressions = [uncompressed, lzw, packBits, ...deflate];
const [greyInverted, grey, rgb, palette] = [0, 1, 2, 3];

/** Refuses what jimp's reader (UTIF) reads differently from Pillow, and strips that lie outside the file or unpack to more than they should. */
const checkTiff = (bytes: Uint8Array, directory: TiffDirectory): void => {
  const numbers = (tag: number) => tiffNumbers(bytes, directory, tag);
  const first = (tag: number, absent: number): number => tiffNumbers(bytes, directory, tag, 1)?.[0] ?? absent;
  const { width, height } = { width: first(tiffTags.width, 0), height: first(tiffTags.height, 0) };
  const bits = numbers(tiffTags.bitsPerSample) ?? [1];
  const samples = first(tiffTags.samplesPerPixel, 1);
  const compression = first(tiffTags.compression, uncompressed);
  const photometric = first(tiffTags.photometric, -1);
  const bitsOf = bits[0] ?? 1;
  if (!compressions.includes(compression)) throw refuse(`a TIFF with compression ${compression}`);
  if (numbers(tiffTags.tileWidth)) throw refuse('a TIFF of tiles');
  if (samples > 1 && first(tiffTags.planarConfiguration, 1) !== 1) throw refuse('a TIFF of colour planes');
  if (
    first(tiffTags.fillOrder, 1) !== 1 ||
    first(tiffTags.predictor, 1) > 2 ||
    first(tiffTags.sampleFormat, 1) !== 1
  )
    throw refuse('this kind of TIFF');
  const depths = {
    [greyInverted]: samples === 1 ? [1, 4, 8] : [],
    [grey]: samples === 1 ? [1, 8, 16] : [],
    [rgb]: samples === 3 || (samples === 4 && first(tiffTags.extraSamples, 0) !== 1) ? [8, 16] : [],
    [palette]: samples === 1 ? [1, 4, 8] : [],
  }[photometric];
  if (!depths?.includes(bitsOf) || bits.some((each) => each !== bitsOf))
    throw refuse(
      `a TIFF with ${samples} samples of ${bitsOf} bits, photometric interpretation ${photometric},`,
    );
  if (photometric === palette && (numbers(tiffTags.colourMap)?.length ?? 0) < 3 * 2 ** bitsOf)
    throw new Error('the TIFF has no table of colours');

  const rowBytes = Math.ceil((width * samples * bitsOf) / 8);
  const rows = Math.min(height, first(tiffTags.rowsPerStrip, height));
  const offsets = numbers(tiffTags.stripOffsets) ?? [];
  const counts = numbers(tiffTags.stripByteCounts) ?? (offsets.length === 1 ? [height * rowBytes] : []);
  if (rows === 0 || offsets.length !== Math.ceil(height / rows) || counts.length < offsets.length)
    throw new Error('the strips of the TIFF do not make up the image');
  for (const [i, offset] of offsets.entries()) {
    const stripBytes = Math.min(rows, height - i * rows) * rowBytes;
    const count = compression === uncompressed ? stripBytes : (counts[i] ?? 0);
    if (offset + count > bytes.length) throw new Error('the TIFF is cut off');
    const strip = bytes.subarray(offset, offset + count);
    if (compression === lzw) {
      const length = lzwLength(strip, tiffLzw);
      if (length < stripBytes) throw new Error('a strip of the TIFF is cut off');
      if (length > 2 * rows * rowBytes) throw new Error('a strip of the TIFF is longer than its rows');
    }
    if (deflate.includes(compression)) inflateSync(strip, { maxOutputLength: Math.max(1, rows * rowBytes) });
  }
};

/**
 * A copy with a single directory that holds nothing but what describes the pixels: UTIF also follows the offsets of
 * further directories, thumbnails and makers' notes, however many there are and wherever they lead.
 */
const firstTiffPage = (bytes: Uint8Array): Buffer => {
  const directory = readTiffDirectory(bytes);
  if (directory === undefined) throw new Error('the TIFF is cut off');
  checkTiff(bytes, directory);
  const { littleEndian, entries, nextAt } = directory;
  const page = Buffer.from(bytes);
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const wanted: readonly number[] = Object.values(tiffTags);
  const kept = new Set(
    entries.filter(({ tag, type }) => wanted.includes(tag) && (type === 3 || type === 4)).map(({ at }) => at),
  );
  for (let at = view.getUint32(4, littleEndian) + 2; at < nextAt; at += 12) {
    if (kept.has(at)) continue;
    // One byte of a private tag. Its order does not matter to UTIF.
    view.setUint16(at, 0xffff, littleEndian);
    view.setUint16(at + 2, 1, littleEndian);
    view.setUint32(at + 4, 1, littleEndian);
  }
  view.setUint32(nextAt, 0, littleEndian);
  return page;
};

/** Turned and mirrored as the Orientation tag of the file says (TIFF 6.0, page 36), which Pillow does for TIFF only. */
const oriented = (pixels: RgbaPixels, orientation: number): RgbaPixels => {
  if (orientation < 2 || orientation > 8) return pixels;
  const { rgba, width, height } = pixels;
  const from = new Uint32Array(rgba.buffer, rgba.byteOffset, width * height);
  const to = new Uint32Array(width * height);
  const transposed = isTransposed(orientation);
  const outWidth = transposed ? height : width;
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  for (let i = 0; i < to.length; i++) {
    const x = i % outWidth;
    const y = (i - x) / outWidth;
    const column = transposed ? y : x;
    const row = transposed ? x : y;
    to[i] = from[
      (fromBottom ? height - 1 - row : row) * width + (fromRight ? width - 1 - column : column)
    ] as number;
  }
  return { rgba: new Uint8Array(to.buffer), width: outWidth, height: transposed ? width : height };
};

const orientationOf = (bytes: Uint8Array): number => {
  const directory = readTiffDirectory(bytes);
  return (directory && tiffNumbers(bytes, directory, tiffTags.orientation, 1)?.[0]) ?? 1;
};

const prepare = { gif: firstGifFrame, bmp: checkedBmp, tiff: firstTiffPage };
const formats = defaultFormats.map((format) => format());

/**
 * Decodes the first picture of a GIF, BMP or TIFF by jimp's readers. Loads jimp, which takes longer than all of the rest of a
 * classifier: to be imported only when such a file comes.
 * @throws whatever jimp throws about a broken file; an Error about a kind of file that would be read wrongly
 */
export const decodeByJimp = async (bytes: Uint8Array, type: JimpType): Promise<RgbaPixels> => {
  const format = formats.find(({ mime }) => mime === `image/${type}`);
  if (format === undefined) throw refuse(type);
  const { data, width, height } = await format.decode(prepare[type](bytes));
  const pixels = { rgba: data, width, height };
  return type === 'tiff' ? oriented(pixels, orientationOf(bytes)) : pixels;
};
