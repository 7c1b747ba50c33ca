import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, imageGoldens } from '../../test/fixtures/image-goldens.ts';
import { inspectImage } from '../image/inspect.ts';
import { createDecoder, type Decode } from './decode.ts';
import { createSmallJpegDecoder } from './decode-small-jpeg.ts';

const limits = { maxImageBytes: 1e6, maxPixels: 1e6 };

const decodeWith = async (decode: Decode, bytes: Uint8Array) => {
  const inspection = inspectImage(bytes, limits);
  if (!inspection.ok) throw new Error(inspection.message);
  return decode(bytes, inspection.header);
};

describe('decoding', () => {
  let decode: Decode;
  beforeAll(async () => {
    decode = await createDecoder(limits.maxPixels);
  });

  it.each(Object.entries(imageGoldens.images))(
    '%s has the pixels that Pillow reads',
    async (name, golden) => {
      const decoding = await decodeWith(decode, readFileSync(fixture(`images/${name}`)));
      if (!decoding.ok) throw new Error(decoding.message);
      const { rgb, width, height } = decoding.pixels;
      expect({ width, height, rgbSha256: createHash('sha256').update(rgb).digest('hex') }).toEqual(golden);
    },
  );

  it.each(['rgb.jpg', 'rgb.png', 'rgb.webp', 'rgb.bmp', 'rgb.tif'])(
    'refuses %s when its end is missing',
    async (name) => {
      const whole = readFileSync(fixture(`images/${name}`));
      const decoding = await decodeWith(decode, whole.subarray(0, Math.floor(whole.length * 0.7)));
      expect(decoding.ok).toBe(false);
    },
  );

  it('accepts a small JPEG with stray bytes, as sharp and Pillow do, and decodes the next one as well', async () => {
    const golden = imageGoldens.images['rgb.jpg'];
    const jpeg = readFileSync(fixture('images/rgb.jpg'));
    const end = jpeg.length - 2;
    const stray = Buffer.concat([jpeg.subarray(0, end), Buffer.from('stray'), jpeg.subarray(end)]);
    const broken = jpeg.subarray(0, 900);
    for (const [bytes, ok] of [
      [stray, true],
      [broken, false],
      [stray, true],
      [jpeg, true],
    ] as const) {
      const decoding = await decodeWith(decode, bytes);
      expect(decoding.ok).toBe(ok);
      if (decoding.ok)
        expect(createHash('sha256').update(decoding.pixels.rgb).digest('hex')).toBe(golden?.rgbSha256);
    }
  });

  it('decodes small JPEGs in WASM and leaves what that refuses to sharp', async () => {
    const small = createSmallJpegDecoder();
    const decodeSmall = async (bytes: Uint8Array) => {
      const inspection = inspectImage(bytes, limits);
      return inspection.ok ? small(bytes, inspection.header) : undefined;
    };
    const jpeg = readFileSync(fixture('images/rgb.jpg'));
    expect(await decodeSmall(jpeg)).toHaveLength(60 * 40 * 3);
    expect(await decodeSmall(jpeg.subarray(0, 900))).toBeUndefined();
    expect(await decodeSmall(readFileSync(fixture('images/grey.jpg')))).toHaveLength(60 * 40 * 3);
  });

  it('refuses more pixels than allowed, whatever the header said to us', async () => {
    const small = await createDecoder(100);
    expect((await decodeWith(small, readFileSync(fixture('images/rgb.png')))).ok).toBe(false);
  });

  it('has no other loader left that could be reached', async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
    for (const bytes of [svg, gif]) await expect(sharp(bytes).metadata()).rejects.toThrow();
    await expect(sharp(fixture('images/rgb.png').pathname).metadata()).rejects.toThrow();
  });
});
