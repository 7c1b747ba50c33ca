import { deflateSync } from 'node:zlib';

/** Small files that ask for much. Made here, so that none has to be carried around. */

const chunk = (type: string, data: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length, 0);
  head.write(type, 4, 'latin1');
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc(Buffer.concat([head.subarray(4), data])), 0);
  return Buffer.concat([head, data, check]);
};

const table = Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** CRC-32 as in PNG's specification, annex D: `zlib.crc32` is not in every Node that imgrec runs on. */
const crc = (bytes: Buffer): number => {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ (table[(value ^ byte) & 0xff] ?? 0);
  return (value ^ 0xffffffff) >>> 0;
};

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

const header = (width: number, height: number, bitDepth: number, colour: number): Buffer => {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data.writeUInt8(bitDepth, 8);
  data.writeUInt8(colour, 9);
  return chunk('IHDR', data);
};

/** A grey PNG of zeros. */
const png = (width: number, height: number, ...extra: readonly Buffer[]): Buffer =>
  Buffer.concat([
    signature,
    header(width, height, 8, 0),
    ...extra,
    chunk('IDAT', deflateSync(Buffer.alloc((width + 1) * height), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);

/** A GIF of many frames of one pixel each, on a canvas of any size. */
const gif = (width: number, height: number, frames: number): Buffer => {
  const screen = Buffer.from('GIF89a\0\0\0\0\x80\0\0\0\0\0\xff\xff\xff', 'latin1');
  screen.writeUInt16LE(width, 6);
  screen.writeUInt16LE(height, 8);
  const frame = Buffer.from([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0]);
  return Buffer.concat([screen, ...Array<Buffer>(frames).fill(frame), Buffer.from([0x3b])]);
};

/** The header of a photograph with other dimensions. */
const resized = (jpeg: Buffer, width: number, height: number): Buffer => {
  const changed = Buffer.from(jpeg);
  // SOF0 or SOF2: marker, length, precision, height, width.
  for (let at = 2; at < changed.length - 9; ) {
    const marker = changed[at + 1] ?? 0;
    if (marker === 0xc0 || marker === 0xc2) {
      changed.writeUInt16BE(height, at + 5);
      changed.writeUInt16BE(width, at + 7);
      return changed;
    }
    at += 2 + changed.readUInt16BE(at + 2);
  }
  throw new Error('there is no frame header');
};

/** The same photograph with an application segment repeated up to a size. */
const withSegments = (jpeg: Buffer, marker: number, count: number): Buffer => {
  const segment = Buffer.alloc(65_537);
  segment.writeUInt8(0xff, 0);
  segment.writeUInt8(marker, 1);
  segment.writeUInt16BE(65_535, 2);
  return Buffer.concat([jpeg.subarray(0, 2), ...Array<Buffer>(count).fill(segment), jpeg.subarray(2)]);
};

export interface Bomb {
  readonly name: string;
  readonly bytes: Buffer;
  /** Memory that answering may take; 100 where absent. */
  readonly allowedMb?: number;
}

/** An image of 49 megapixels is within the limit: it is decoded whole, at 3 bytes a pixel, and once more while it is resized. */
const withinLimitMb = 350;

export const makeBombs = (jpeg: Buffer): readonly Bomb[] => [
  { name: 'PNG of 16,000 x 16,000', bytes: png(16_000, 16_000) },
  { name: 'PNG of 7,000 x 7,000, just below the limit', bytes: png(7_000, 7_000), allowedMb: withinLimitMb },
  { name: 'PNG of 1 x 1,000,000', bytes: png(1, 1_000_000) },
  {
    name: 'PNG with a zTXt of 200 MB',
    bytes: png(
      64,
      64,
      chunk(
        'zTXt',
        Buffer.concat([Buffer.from('Comment\0\0'), deflateSync(Buffer.alloc(200_000_000), { level: 9 })]),
      ),
    ),
  },
  {
    name: 'PNG with an ICC profile of 100 MB',
    bytes: png(
      64,
      64,
      chunk(
        'iCCP',
        Buffer.concat([Buffer.from('icc\0\0'), deflateSync(Buffer.alloc(100_000_000), { level: 9 })]),
      ),
    ),
  },
  { name: 'JPEG that claims 65,500 x 65,500', bytes: resized(jpeg, 65_500, 65_500) },
  {
    name: 'JPEG that claims 7,000 x 7,000 in a few bytes',
    bytes: resized(jpeg, 7_000, 7_000),
    allowedMb: withinLimitMb,
  },
  { name: 'JPEG of 8 MB of application segments', bytes: withSegments(jpeg, 0xe2, 120) },
  { name: 'GIF of 30,000 frames', bytes: gif(500, 500, 30_000) },
  { name: 'GIF of 30,000 x 30,000', bytes: gif(30_000, 30_000, 1) },
];
