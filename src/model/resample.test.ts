import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { imageGoldens } from '../../test/fixtures/image-goldens.ts';
import { frame, roundHalfEven } from './framing.ts';
import { contractSchema, type ModelContract } from './manifest.ts';
import { type ResampleWindow, resample } from './resample.ts';
import { createResize } from './resize.ts';

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

const resize = createResize();
const reference = resample;

it('has SIMD on this machine', () => {
  expect(resize).not.toBe(reference);
});

it('runs the code that resample.wat assembles to', async () => {
  const { assembled } = (await import(new URL('../../scripts/assemble.mjs', import.meta.url).href)) as {
    assembled: () => Promise<string>;
  };
  expect(await assembled()).toBe(readFileSync(new URL('resample-wasm.ts', import.meta.url), 'utf8'));
});

describe.each([
  ['in JavaScript', resample],
  ['with SIMD', resize],
])('resizing and cropping %s', (_, resample) => {
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

  it('computes any window of any size as the reference does', () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 400 }));
    const axis = fc.tuple(size, size, fc.nat(999), fc.nat(999)).map(([source, resized, from, span]) => {
      const start = from % resized;
      return { source, resized, start, count: 1 + (span % (resized - start)) };
    });
    fc.assert(
      fc.property(axis, axis, fc.integer({ min: 0, max: 255 }), (x, y, noise) => {
        const window: ResampleWindow = {
          sourceWidth: x.source,
          sourceHeight: y.source,
          resizedWidth: x.resized,
          resizedHeight: y.resized,
          left: x.start,
          top: y.start,
          width: x.count,
          height: y.count,
        };
        const pixels = synthetic(x.source, y.source).map((value, i) => (i % 7 === 0 ? noise : value));
        expect(Buffer.compare(resample(pixels, window), reference(pixels, window))).toBe(0);
      }),
      { numRuns: 300 },
    );
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
