import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, imageGoldens } from '../../test/fixtures/image-goldens.ts';
import { inspectImage } from '../image/inspect.ts';
import { createDecoder, type Decode } from './decode.ts';

const limits = { maxImageBytes: 1e6, maxPixels: 1e6 };
const image = (name: string): Uint8Array => readFileSync(fixture(`images/${name}`));

/** A little-endian TIFF of SHORT and LONG tags, and bytes behind its directory, where the strip is unless it is given. */
const tiffOf = (
  tags: Readonly<Record<number, number | readonly number[]>>,
  strip: Uint8Array,
): Uint8Array => {
  const entries = Object.entries({
    256: 4,
    257: 4,
    258: 8,
    259: 1,
    262: 1,
    273: -1,
    277: 1,
    278: 4,
    ...tags,
  }).map(([tag, values]) => [Number(tag), [values].flat()] as const);
  const dataAt = 8 + 2 + 12 * entries.length + 4;
  const directory = Buffer.alloc(dataAt);
  directory.write('II*\0', 'latin1');
  directory.writeUInt32LE(8, 4);
  directory.writeUInt16LE(entries.length, 8);
  const longer: Buffer[] = [];
  let longerAt = dataAt + strip.length;
  for (const [i, [tag, values]] of entries.entries()) {
    const at = 10 + 12 * i;
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(4, at + 2);
    directory.writeUInt32LE(values.length, at + 4);
    const bytes = Buffer.from(Uint32Array.from(values, (value) => (value === -1 ? dataAt : value)).buffer);
    directory.writeUInt32LE(values.length === 1 ? bytes.readUInt32LE() : longerAt, at + 8);
    if (values.length > 1) {
      longer.push(bytes);
      longerAt += bytes.length;
    }
  }
  return Buffer.concat([directory, strip, ...longer]);
};

const patched = (bytes: Uint8Array, at: number, ...values: readonly number[]): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy.set(values, at);
  return copy;
};

describe('decoding by jimp', () => {
  let decode: Decode;
  beforeAll(async () => {
    decode = await createDecoder(limits.maxPixels);
  });

  const outcome = async (bytes: Uint8Array): Promise<string> => {
    const inspection = inspectImage(bytes, limits);
    if (!inspection.ok) return inspection.reason;
    const decoding = await decode(bytes, inspection.header);
    if (!decoding.ok) return decoding.message;
    const { rgb, width, height } = decoding.pixels;
    expect(rgb.length).toBe(width * height * 3);
    return `${width} x ${height}`;
  };

  it('reads the TIFF that the next tests break', async () => {
    await expect(outcome(tiffOf({}, new Uint8Array(16)))).resolves.toBe('4 x 4');
    const strip = deflateSync(new Uint8Array(16));
    await expect(outcome(tiffOf({ 259: 8, 279: strip.length }, strip))).resolves.toBe('4 x 4');
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    ['strips that lie outside the file', () => tiffOf({ 273: 4_000_000_000 }, new Uint8Array(16)), /cut off/],
    ['fewer strips than rows', () => tiffOf({ 278: 1 }, new Uint8Array(16)), /do not make up the image/],
    [
      'as many strips as fit into a file',
      () => tiffOf({ 273: Array(9_000).fill(8) }, new Uint8Array(16)),
      /do not make up/,
    ],
    ['no rows in a strip', () => tiffOf({ 278: 0 }, new Uint8Array(16)), /do not make up the image/],
    [
      '65,535 samples a pixel',
      () => tiffOf({ 277: 65_535 }, new Uint8Array(16)),
      /65535 samples .*not supported/,
    ],
    ['4 billion bits a sample', () => tiffOf({ 258: 0xffffffff }, new Uint8Array(16)), /not supported/],
    [
      'a strip that unpacks to 100 MB',
      () => {
        const bomb = deflateSync(new Uint8Array(1e8));
        return tiffOf({ 259: 8, 279: bomb.length }, bomb);
      },
      /larger than/,
    ],
    [
      'a JPEG inside',
      () => tiffOf({ 259: 7, 279: 16 }, new Uint8Array(16)),
      /compression 7 is not supported/,
    ],
    ['tiles of 4 billion columns', () => tiffOf({ 322: 0xffffffff, 323: 16 }, new Uint8Array(16)), /tiles/],
    [
      'a table of 2 colours for 8 bits',
      () => tiffOf({ 262: 3, 320: [1, 2, 3, 4, 5, 6] }, new Uint8Array(16)),
      /no table/,
    ],
  ])('refuses a TIFF with %s', async (_, make, message) => {
    await expect(outcome(make())).resolves.toMatch(message);
  });

  it('does not follow a TIFF into a directory that leads back to itself, or into thumbnails', async () => {
    const circle = Buffer.from(tiffOf({ 330: 8, 34665: 8 }, new Uint8Array(16)));
    circle.writeUInt32LE(8, 8 + 2 + 12 * 10);
    await expect(outcome(circle)).resolves.toBe('4 x 4');
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['run lengths', patched(image('grey.bmp'), 30, 1), /compression 1 is not supported/],
    ['4 billion colours', patched(image('grey.bmp'), 46, 0xff, 0xff, 0xff, 0xff), /256 colours/],
    ['3 bits a pixel', patched(image('rgb.bmp'), 28, 3), /3 bits a pixel/],
    ['4 bits a pixel and an odd width', patched(image('palette-4.bmp'), 18, 59), /odd width/],
    ['fewer rows than it says', patched(image('rgb.bmp'), 22, 41), /out of range|outside/],
  ])('refuses a BMP with %s', async (_, bytes, message) => {
    await expect(outcome(bytes)).resolves.toMatch(message);
  });

  it('reads the first frame of a GIF whatever follows it', async () => {
    const whole = image('rgb.gif');
    const odd = Buffer.concat([whole.subarray(0, -1), Buffer.from('no block of a GIF')]);
    await expect(outcome(odd)).resolves.toBe('60 x 40');
  });

  it('answers real files that were changed somewhere, and goes on', { timeout: 60_000 }, async () => {
    const starts = Object.keys(imageGoldens.images)
      .filter((name) => /\.(gif|bmp|tif)$/.test(name))
      .map(image);
    const changed = fc
      .record({
        start: fc.constantFrom(...starts),
        edits: fc.array(fc.tuple(fc.oneof(fc.nat(200), fc.nat(20_000)), fc.nat(255)), { maxLength: 6 }),
        cut: fc.nat(300),
      })
      .map(({ start, edits, cut }) => {
        const copy = Uint8Array.from(start.subarray(0, start.length - (cut > 100 ? 0 : cut)));
        for (const [at, value] of edits) copy[at % copy.length] = value;
        return copy;
      });
    await fc.assert(
      fc.asyncProperty(changed, async (bytes) => {
        expect(await outcome(bytes)).not.toBe('');
      }),
      { numRuns: 1_000 },
    );
  });
});
