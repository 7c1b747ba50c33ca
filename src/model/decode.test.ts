import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, imageGoldens } from '../../test/fixtures/image-goldens.ts';
import { inspectImage } from '../image/inspect.ts';
import { createDecoder, type Decode } from './decode.ts';

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
