import { cachedWeightsFor, fractionBits, mostTaps, type Weights } from './weights.ts';

/**
 * Resizes 8-bit RGB exactly as Pillow's `Image.resize(size, BILINEAR)` does: the label of an image must not depend on
 * which library answered. Pillow's method (libImaging/Resample.c): a triangle filter, widened when shrinking, one pass
 * a direction, weights as integers with 22 fraction bits, each pass rounded to 8 bits, horizontally first. (Pillow 13
 * goes vertically first where the image gets wider and lower, which only `stretch` can ask for; it may differ by 1 there.)
 *
 * Unlike Pillow it computes only the window that the centre crop keeps, and between the passes it holds no more source
 * rows than one output row needs: the dimensions of the resized image cost nothing.
 *
 * This is the reference, and what runs where there is no SIMD; src/model/resize.ts does the same several times faster.
 */

/** One resize and crop; pixels. The window may lie anywhere inside the resized image, which itself is never built. */
export interface ResampleWindow {
  readonly sourceWidth: number;
  readonly sourceHeight: number;
  readonly resizedWidth: number;
  readonly resizedHeight: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const half = 1 << (fractionBits - 1);

/** Writes one source row, resampled to the window's width and rounded to 8 bits, into `out` from `to` on. */
const resampleRow = (
  source: Uint8Array,
  rowStart: number,
  columns: Weights,
  out: Uint8ClampedArray,
  to: number,
): void => {
  const { first, offsets, values } = columns;
  const count = first.length;
  let weight = 0;
  for (let i = 0, o = to; i < count; i++, o += 3) {
    const end = offsets[i + 1] as number;
    let p = rowStart + (first[i] as number) * 3;
    let r = half;
    let g = half;
    let b = half;
    for (; weight < end; weight++, p += 3) {
      const w = values[weight] as number;
      r = (r + Math.imul(source[p] as number, w)) | 0;
      g = (g + Math.imul(source[p + 1] as number, w)) | 0;
      b = (b + Math.imul(source[p + 2] as number, w)) | 0;
    }
    out[o] = r >> fractionBits;
    out[o + 1] = g >> fractionBits;
    out[o + 2] = b >> fractionBits;
  }
};

/**
 * Adds `taps` lines of a ring, each times its weight, to the sums; two at a time, since reading and writing the sums is
 * what costs.
 */
const addLines = (
  sums: Int32Array,
  ring: Uint8ClampedArray,
  firstLine: number,
  weights: Int32Array,
  firstWeight: number,
  taps: number,
): void => {
  const length = sums.length;
  const at = (tap: number): number => ((firstLine + tap) * length) % ring.length;
  let tap = 0;
  for (; tap + 1 < taps; tap += 2) {
    const a = at(tap);
    const b = at(tap + 1);
    const wa = weights[firstWeight + tap] as number;
    const wb = weights[firstWeight + tap + 1] as number;
    for (let x = 0; x < length; x++)
      sums[x] =
        ((sums[x] as number) + Math.imul(ring[a + x] as number, wa) + Math.imul(ring[b + x] as number, wb)) |
        0;
  }
  if (tap < taps) {
    const a = at(tap);
    const wa = weights[firstWeight + tap] as number;
    for (let x = 0; x < length; x++)
      sums[x] = ((sums[x] as number) + Math.imul(ring[a + x] as number, wa)) | 0;
  }
};

/**
 * The window of the resized image, as interleaved RGB bytes (`width * height * 3`).
 * @param source interleaved RGB bytes, `sourceWidth * sourceHeight * 3`
 */
export const resample = (source: Uint8Array, window: ResampleWindow): Uint8Array => {
  const { sourceWidth, width, height } = window;
  const columns = cachedWeightsFor(sourceWidth, window.resizedWidth, window.left, width);
  const rows = cachedWeightsFor(window.sourceHeight, window.resizedHeight, window.top, height);
  const rowBytes = width * 3;
  const out = new Uint8ClampedArray(height * rowBytes);
  // Only the source rows that one output row needs are kept, already resampled horizontally.
  const lines = mostTaps(rows);
  const ring = new Uint8ClampedArray(lines * rowBytes);
  const sums = new Int32Array(rowBytes);
  let next = rows.first[0] as number;
  for (let j = 0; j < height; j++) {
    const first = rows.first[j] as number;
    const start = rows.offsets[j] as number;
    const taps = (rows.offsets[j + 1] as number) - start;
    for (; next < first + taps; next++)
      resampleRow(source, next * sourceWidth * 3, columns, ring, (next % lines) * rowBytes);
    sums.fill(half);
    addLines(sums, ring, first, rows.values, start, taps);
    const to = j * rowBytes;
    for (let x = 0; x < rowBytes; x++) out[to + x] = (sums[x] as number) >> fractionBits;
  }
  return new Uint8Array(out.buffer);
};
