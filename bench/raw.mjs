// The fixed yardstick: how the first version decoded and resized. Never to be optimised; every ratio is against it.
import sharp from 'sharp';

/** As src/model/decode.ts at first light, for the JPEG, PNG and WebP files without alpha or inks that are measured. */
export const rawDecode = async (bytes) => {
  const { data, info } = await sharp(bytes, {
    failOn: 'error',
    ignoreIcc: true,
    limitInputPixels: 50_000_000,
  })
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`the yardstick decodes no ${info.channels} channels`);
  return { ok: true, pixels: { rgb: data, width: info.width, height: info.height } };
};

// From here on: src/model/resample.ts at first light, without its types.
/**
 * Resizes 8-bit RGB exactly as Pillow's `Image.resize(size, BILINEAR)` does: the label of an image must not depend on
 * which library answered. Pillow's method (libImaging/Resample.c): a triangle filter, widened when shrinking, one pass
 * a direction, weights as integers with 22 fraction bits, each pass rounded to 8 bits, horizontally first. (Pillow 13
 * goes vertically first where the image gets wider and lower, which only `stretch` can ask for; it may differ by 1 there.)
 *
 * Unlike Pillow it computes only the window that the centre crop keeps, and between the passes it holds no more source
 * rows than one output row needs: the dimensions of the resized image cost nothing.
 */
const fractionBits = 22;
const half = 1 << (fractionBits - 1);
const weightsFor = (sourceSize, resizedSize, start, count) => {
  const scale = sourceSize / resizedSize;
  const support = Math.max(1, scale);
  const first = new Int32Array(count);
  const offsets = new Int32Array(count + 1);
  const values = new Int32Array(Math.min(sourceSize, Math.ceil(support) * 2 + 1) * count);
  const row = new Float64Array(Math.ceil(support) * 2 + 1);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const center = (start + i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(center - support + 0.5));
    const length = Math.min(sourceSize, Math.trunc(center + support + 0.5)) - from;
    let sum = 0;
    for (let x = 0; x < length; x++) {
      const weight = Math.max(0, 1 - Math.abs((x + from - center + 0.5) * (1 / support)));
      row[x] = weight;
      sum += weight;
    }
    // Weights of nothing, which Pillow keeps, change no sum.
    let skipped = 0;
    while (skipped < length - 1 && row[skipped] === 0) skipped++;
    let kept = length;
    while (kept > skipped + 1 && row[kept - 1] === 0) kept--;
    first[i] = from + skipped;
    for (let x = skipped; x < kept; x++)
      values[end++] = Math.trunc((row[x] / sum) * (1 << fractionBits) + 0.5);
    offsets[i + 1] = end;
  }
  return { first, offsets, values: values.slice(0, end) };
};
/** Images of a stream tend to share their dimensions; weights of giants are not worth keeping. */
const cache = new Map();
const cachedSets = 64;
const cachedWeights = 65_536;
const cachedWeightsFor = (sourceSize, resizedSize, start, count) => {
  const key = `${sourceSize} ${resizedSize} ${start} ${count}`;
  const known = cache.get(key);
  if (known) return known;
  const made = weightsFor(sourceSize, resizedSize, start, count);
  if (cache.size >= cachedSets) cache.clear();
  if (made.values.length <= cachedWeights) cache.set(key, made);
  return made;
};
/** Writes one source row, resampled to the window's width and rounded to 8 bits, into `out` from `to` on. */
const resampleRow = (source, rowStart, columns, out, to) => {
  const { first, offsets, values } = columns;
  const count = first.length;
  let weight = 0;
  for (let i = 0, o = to; i < count; i++, o += 3) {
    const end = offsets[i + 1];
    let p = rowStart + first[i] * 3;
    let r = half;
    let g = half;
    let b = half;
    for (; weight < end; weight++, p += 3) {
      const w = values[weight];
      r = (r + Math.imul(source[p], w)) | 0;
      g = (g + Math.imul(source[p + 1], w)) | 0;
      b = (b + Math.imul(source[p + 2], w)) | 0;
    }
    out[o] = r >> fractionBits;
    out[o + 1] = g >> fractionBits;
    out[o + 2] = b >> fractionBits;
  }
};
/** The most weights that one output position has. */
const mostTaps = ({ offsets }) => {
  let most = 0;
  for (let i = 1; i < offsets.length; i++) most = Math.max(most, offsets[i] - offsets[i - 1]);
  return most;
};
/**
 * Adds `taps` lines of a ring, each times its weight, to the sums; two at a time, since reading and writing the sums is
 * what costs.
 */
const addLines = (sums, ring, firstLine, weights, firstWeight, taps) => {
  const length = sums.length;
  const at = (tap) => ((firstLine + tap) * length) % ring.length;
  let tap = 0;
  for (; tap + 1 < taps; tap += 2) {
    const a = at(tap);
    const b = at(tap + 1);
    const wa = weights[firstWeight + tap];
    const wb = weights[firstWeight + tap + 1];
    for (let x = 0; x < length; x++)
      sums[x] = (sums[x] + Math.imul(ring[a + x], wa) + Math.imul(ring[b + x], wb)) | 0;
  }
  if (tap < taps) {
    const a = at(tap);
    const wa = weights[firstWeight + tap];
    for (let x = 0; x < length; x++) sums[x] = (sums[x] + Math.imul(ring[a + x], wa)) | 0;
  }
};
/**
 * The window of the resized image, as interleaved RGB bytes (`width * height * 3`).
 * @param source interleaved RGB bytes, `sourceWidth * sourceHeight * 3`
 */
export const rawResample = (source, window) => {
  const { sourceWidth, width, height } = window;
  const columns = cachedWeightsFor(sourceWidth, window.resizedWidth, window.left, width);
  const rows = cachedWeightsFor(window.sourceHeight, window.resizedHeight, window.top, height);
  const rowBytes = width * 3;
  const out = new Uint8ClampedArray(height * rowBytes);
  // Only the source rows that one output row needs are kept, already resampled horizontally.
  const lines = mostTaps(rows);
  const ring = new Uint8ClampedArray(lines * rowBytes);
  const sums = new Int32Array(rowBytes);
  let next = rows.first[0];
  for (let j = 0; j < height; j++) {
    const first = rows.first[j];
    const start = rows.offsets[j];
    const taps = rows.offsets[j + 1] - start;
    for (; next < first + taps; next++)
      resampleRow(source, next * sourceWidth * 3, columns, ring, (next % lines) * rowBytes);
    sums.fill(half);
    addLines(sums, ring, first, rows.values, start, taps);
    const to = j * rowBytes;
    for (let x = 0; x < rowBytes; x++) out[to + x] = sums[x] >> fractionBits;
  }
  return new Uint8Array(out.buffer);
};
