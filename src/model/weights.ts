/** What a triangle filter multiplies: libImaging/Resample.c, precompute_coeffs and normalize_coeffs_8bpc. */

/** Weights are whole numbers of which this many bits are the fraction, as in Pillow. */
export const fractionBits = 22;
/** For each output position the first source position, where its weights start, and (one further) where they end. */
export interface Weights {
  readonly first: Int32Array;
  readonly offsets: Int32Array;
  readonly values: Int32Array;
}

const weightsFor = (sourceSize: number, resizedSize: number, start: number, count: number): Weights => {
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
      values[end++] = Math.trunc(((row[x] as number) / sum) * (1 << fractionBits) + 0.5);
    offsets[i + 1] = end;
  }
  return { first, offsets, values: values.slice(0, end) };
};

/** Images of a stream tend to share their dimensions; weights of giants are not worth keeping. */
const cache = new Map<string, Weights>();
const cachedSets = 64;
const cachedWeights = 65_536;

export const cachedWeightsFor = (
  sourceSize: number,
  resizedSize: number,
  start: number,
  count: number,
): Weights => {
  const key = `${sourceSize} ${resizedSize} ${start} ${count}`;
  const known = cache.get(key);
  if (known) return known;
  const made = weightsFor(sourceSize, resizedSize, start, count);
  if (cache.size >= cachedSets) cache.clear();
  if (made.values.length <= cachedWeights) cache.set(key, made);
  return made;
};

/** The most weights that one output position has. */
export const mostTaps = ({ offsets }: Weights): number => {
  let most = 0;
  for (let i = 1; i < offsets.length; i++)
    most = Math.max(most, (offsets[i] as number) - (offsets[i - 1] as number));
  return most;
};
