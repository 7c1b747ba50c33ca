import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixture, imageGoldens } from '../../test/fixtures/image-goldens.ts';
import { hasImageExtension } from './formats.ts';
import { inspectImage } from './inspect.ts';

const limits = { maxImageBytes: 1_000_000, maxPixels: 1_000_000 };
const image = (name: string): Uint8Array => readFileSync(fixture(`images/${name}`));
const mediaTypes: Record<string, string> = {
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  gif: 'image/gif',
  bmp: 'image/bmp',
  tif: 'image/tiff',
};

/** `bytes` with some of them replaced. */
const patched = (bytes: Uint8Array, at: number, ...values: readonly number[]): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy.set(values, at);
  return copy;
};

describe('inspectImage', () => {
  it.each(Object.entries(imageGoldens.images))(
    'reads type and dimensions of %s as Pillow does',
    (name, golden) => {
      const { width, height } = golden;
      const inspection = inspectImage(image(name), limits);
      expect(inspection).toMatchObject({ ok: true, header: { width, height } });
      if (inspection.ok) expect(inspection.header.mediaType).toBe(mediaTypes[name.split('.').at(-1) ?? '']);
    },
  );

  it('tells CMYK from RGB', () => {
    expect(inspectImage(image('cmyk.jpg'), limits)).toMatchObject({ header: { cmyk: true } });
    expect(inspectImage(image('rgb.jpg'), limits)).not.toHaveProperty('header.cmyk');
  });

  it('finds the frame header behind fill bytes and stray bytes, as libjpeg does', () => {
    const jpeg = image('rgb.jpg');
    const padded = Buffer.concat([
      jpeg.subarray(0, 2),
      Buffer.from([0xff, 0xff, 0x00, 0x12]),
      jpeg.subarray(2),
    ]);
    expect(inspectImage(padded, limits)).toMatchObject({ ok: true, header: { width: 60, height: 40 } });
  });

  const png = image('rgb.png');
  const webp = image('rgb.webp');
  const gif = image('rgb.gif');
  const bmp = image('rgb.bmp');
  const tiff = image('rgb.tif');
  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(), 'empty'],
    ['text', Buffer.from('name,label\n'), 'unsupported-type'],
    ['one byte', Buffer.from([0xff]), 'unsupported-type'],
    ['a GIF of its version and screen size only', Buffer.from('GIF89a\x01\x00\x01\x00'), 'broken-header'],
    ['a GIF whose first frame is cut off', image('rgb.gif').subarray(0, -20), 'broken-header'],
    ['a GIF of no frame', Buffer.from('GIF89a\x01\0\x01\0\0\0\0\x3b', 'latin1'), 'broken-header'],
    [
      'a GIF whose frame is larger than its screen',
      patched(gif, 13 + 768 + 5, 0xff, 0xff, 0xff, 0xff),
      'too-many-pixels',
    ],
    ['a text about BMWs', Buffer.from('BMW builds cars, and so on'), 'unsupported-type'],
    ['a BMP of OS/2', patched(bmp, 14, 12), 'broken-header'],
    ['a BMP of a negative width', patched(bmp, 21, 0xff), 'broken-header'],
    ['a BMP of 2 billion rows, from the top', patched(bmp, 22, 1, 0, 0, 0x80), 'too-many-pixels'],
    ['a BMP cut off in its header', bmp.subarray(0, 53), 'broken-header'],
    ['a TIFF whose directory lies behind its end', patched(tiff, 4, 0xff, 0xff, 0xff, 0x7f), 'broken-header'],
    ['a TIFF whose directory is its header', patched(tiff, 4, 0, 0, 0, 0), 'broken-header'],
    ['a TIFF of no tags', Buffer.from('II*\0\x08\0\0\0\0\0\0\0\0\0', 'latin1'), 'broken-header'],
    ['a TIFF of 65,535 tags', patched(tiff, 8, 0xff, 0xff), 'broken-header'],
    ['a big TIFF, which has 8-byte offsets', patched(tiff, 2, 43), 'unsupported-type'],
    ['an SVG', Buffer.from('<svg width="9" height="9"/>'), 'unsupported-type'],
    ['a RIFF file that is a sound', Buffer.from('RIFF\x24\x00\x00\x00WAVEfmt '), 'unsupported-type'],
    ['a PNG cut off in its header', png.subarray(0, 20), 'broken-header'],
    ['a PNG whose first chunk is another', patched(png, 12, 0x43, 0x67, 0x42, 0x49), 'broken-header'],
    ['a PNG of no width', patched(png, 16, 0, 0, 0, 0), 'broken-header'],
    ['a PNG of 4 billion columns', patched(png, 16, 0xff, 0xff, 0xff, 0xff), 'too-many-pixels'],
    ['a JPEG that starts and ends', Buffer.from([0xff, 0xd8, 0xff, 0xd9]), 'broken-header'],
    [
      'a JPEG whose segment length is 1',
      Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 1, 0, 0, 0, 0]),
      'broken-header',
    ],
    [
      'a JPEG cut off in its frame header',
      Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0, 9]),
      'broken-header',
    ],
    ['a WebP cut off in its header', webp.subarray(0, 29), 'broken-header'],
    ['a lossy WebP without its start code', patched(webp, 23, 0), 'broken-header'],
    ['a WebP with an unknown first chunk', patched(webp, 12, 0x4a), 'broken-header'],
    ['a file over the limit, whatever it is', new Uint8Array(1_000_001), 'too-many-bytes'],
  ])('refuses %s', (_, bytes, reason) => {
    const inspection = inspectImage(bytes, limits);
    expect(inspection.ok ? 'accepted' : inspection.reason).toBe(reason);
  });

  it('accepts exactly as many pixels and bytes as the limits say', () => {
    const at = { maxImageBytes: png.length, maxPixels: 2_400 };
    expect(inspectImage(png, at).ok).toBe(true);
    expect(inspectImage(png, { ...at, maxPixels: 2_399 })).toMatchObject({ reason: 'too-many-pixels' });
    expect(inspectImage(png, { ...at, maxImageBytes: png.length - 1 })).toMatchObject({
      reason: 'too-many-bytes',
    });
  });

  it('takes no time for a TIFF whose width has millions of values, or a GIF of millions of blocks', () => {
    const large = { ...limits, maxImageBytes: 1e7 };
    const tiff = new Uint8Array(1e7);
    const entry = (tag: number) => [tag & 255, tag >> 8, 3, 0, 0, 0x3f, 0x4b, 0, 100, 0, 0, 0];
    tiff.set([0x49, 0x49, 42, 0, 8, 0, 0, 0, 3, 0, ...entry(256), ...entry(257), ...entry(274)]);
    tiff.fill(1, 100);
    const header = gif.subarray(0, 13 + 768 + 11);
    const blocks = Uint8Array.from(
      { length: 1e7 },
      (_, i) => header[i] ?? (i % 2 === header.length % 2 ? 1 : 0x55),
    );
    blocks[blocks.length - (blocks.length % 2 === header.length % 2 ? 2 : 1)] = 0;
    const started = process.cpuUsage();
    expect(inspectImage(tiff, large)).toMatchObject({ ok: true, header: { width: 257, height: 257 } });
    expect(inspectImage(blocks, large)).toMatchObject({ ok: true, header: { width: 60, height: 40 } });
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1e3).toBeLessThan(200);
  });

  it('never throws and never accepts without dimensions, whatever the bytes', () => {
    const starts = Object.keys(imageGoldens.images).map(image);
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      // Real files, cut off and with some bytes overwritten, in a window of a larger buffer.
      fc
        .record({
          start: fc.constantFrom(...starts),
          length: fc.oneof(fc.nat(200), fc.nat(10_000)),
          edits: fc.array(fc.tuple(fc.oneof(fc.nat(199), fc.nat(9_999)), fc.nat(255)), { maxLength: 8 }),
        })
        .map(({ start, length, edits }) => {
          const copy = Uint8Array.from(start.subarray(0, length));
          for (const [at, value] of edits) if (at < copy.length) copy[at] = value;
          return copy;
        }),
    );
    fc.assert(
      fc.property(anything, (bytes) => {
        const inspection = inspectImage(bytes, limits);
        if (inspection.ok) {
          expect(inspection.header.width).toBeGreaterThan(0);
          expect(inspection.header.height).toBeGreaterThan(0);
        } else {
          expect(inspection.message).not.toBe('');
        }
        // What lies behind the file in its buffer has no influence: nothing is read out of bounds.
        const roomy = new Uint8Array(bytes.length + 64).fill(0x11);
        roomy.set(bytes, 7);
        expect(inspectImage(roomy.subarray(7, 7 + bytes.length), limits)).toEqual(inspection);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('hasImageExtension', () => {
  it.each([
    ['a.JPEG', true],
    ['a.b.png', true],
    ['a.tif', true],
    ['truth.csv', false],
    ['jpg', false],
    ['a.jpg.txt', false],
  ])('%s: %s', (name, expected) => expect(hasImageExtension(name)).toBe(expected));
});
