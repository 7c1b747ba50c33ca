import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { imageGoldens } from '../../test/fixtures/image-goldens.ts';
import { frame, roundHalfEven } from './framing.ts';
import { contractSchema, type ModelContract } from './manifest.ts';
import { resample } from './resample.ts';

/** The same pixels as synthetic() in make-image-goldens.py. */
const synthetic = (width: number, height: number): Uint8Array => {
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) rgb[i++] = (x * 7 + y * 13 + c * 29 + ((x * y) % 251)) % 256;
  return rgb;
};

const contractOf = (resize: string, crop: number): ModelContract =>
  contractSchema.parse({
    input: { layout: 'nhwc-u8', size: crop },
    resize,
    crop,
    output: { kind: 'logits' },
  });

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('resizing and cropping', () => {
  it.each(imageGoldens.resamples)(
    'gives every byte of Pillow for $width x $height, $resize, crop $crop',
    (golden) => {
      const { width, height, resize, crop } = golden;
      const window = frame(width, height, contractOf(resize, crop));
      expect(window).toBeDefined();
      if (window) expect(sha256(resample(synthetic(width, height), window))).toBe(golden.sha256);
    },
  );

  it('computes only the window of an image whose resized side is in the billions', () => {
    const window = frame(40_000_000, 1, contractOf('shorter-side 256', 224));
    expect(window).toMatchObject({ resizedWidth: 10_240_000_000, resizedHeight: 256 });
    if (window)
      expect(resample(new Uint8Array(120_000_000).fill(77), window).every((value) => value === 77)).toBe(
        true,
      );
  });

  it('keeps white white, however many weights are rounded', () => {
    const window = frame(900_000, 3, contractOf('stretch', 8));
    if (window)
      expect(new Set(resample(new Uint8Array(8_100_000).fill(255), window))).toEqual(new Set([255]));
  });

  it('gives the same answer again when its weights come from the cache', () => {
    const window = frame(500, 375, contractOf('shorter-side 256', 224));
    const pixels = synthetic(500, 375);
    if (window) expect(resample(pixels, window)).toEqual(resample(pixels, window));
  });

  it('refuses an image that is smaller than a crop without resizing', () => {
    expect(frame(100, 63, contractOf('none', 64))).toBeUndefined();
    expect(frame(64, 64, contractOf('none', 64))).toBeDefined();
  });
});

describe('roundHalfEven', () => {
  it.each([
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [58.5, 58],
    [2.4, 2],
    [2.6, 3],
    [-0.5, -0],
    [7, 7],
  ])('rounds %d to %d, as Python does', (value, rounded) => {
    expect(roundHalfEven(value) + 0).toBe(rounded + 0);
  });
});
