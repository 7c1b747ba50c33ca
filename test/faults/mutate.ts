import type { Random } from './random.ts';

/** How many bytes at the start hold what decides which decoder gets the file: damage there is the most telling. */
const headBytes = 64;

/** Lengths and sizes in image headers are mostly 2 or 4 bytes; these values are where parsers go wrong. */
const dangerous = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

const place = (bytes: Buffer, random: Random): number =>
  random.below(random.next() < 0.4 ? Math.min(headBytes, bytes.length) : bytes.length);

const flipBits = (bytes: Buffer, random: Random): Buffer => {
  const changed = Buffer.from(bytes);
  for (let flips = 1 + random.below(8); flips > 0; flips--) {
    const at = place(changed, random);
    changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
  }
  return changed;
};

const cutOff = (bytes: Buffer, random: Random): Buffer => bytes.subarray(0, random.below(bytes.length));

const setLength = (bytes: Buffer, random: Random): Buffer => {
  const changed = Buffer.from(bytes);
  const width = random.pick([1, 2, 4] as const);
  const at = Math.min(place(changed, random), changed.length - width);
  const value = random.pick(dangerous) % 2 ** (8 * width);
  if (random.next() < 0.5) changed.writeUIntBE(value, Math.max(0, at), width);
  else changed.writeUIntLE(value, Math.max(0, at), width);
  return changed;
};

const swapChunks = (bytes: Buffer, random: Random): Buffer => {
  const length = 1 + random.below(Math.max(1, bytes.length >> 3));
  const [first, second] = [place(bytes, random), place(bytes, random)].sort((a, b) => a - b);
  if (first === undefined || second === undefined || second - first < length) return flipBits(bytes, random);
  return Buffer.concat([
    bytes.subarray(0, first),
    bytes.subarray(second, second + length),
    bytes.subarray(first + length, second),
    bytes.subarray(first, first + length),
    bytes.subarray(second + length),
  ]);
};

const repeatChunk = (bytes: Buffer, random: Random): Buffer => {
  const from = place(bytes, random);
  const chunk = bytes.subarray(from, from + 1 + random.below(1_024));
  return Buffer.concat([bytes.subarray(0, from), chunk, chunk, bytes.subarray(from)]);
};

const mutations = [flipBits, cutOff, setLength, swapChunks, repeatChunk] as const;

/** A damaged copy of a file, repeatable by its source of choices. At least 8 bytes must come in; any number goes out. */
export const mutate = (bytes: Buffer, random: Random): Buffer => {
  let changed = bytes;
  for (let times = 1 + random.below(3); times > 0 && changed.length > 8; times--)
    changed = random.pick(mutations)(changed, random);
  return changed;
};
