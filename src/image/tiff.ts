/**
 * The first directory of a TIFF file (TIFF 6.0, section 2). Everything in it is an offset or a count that somebody
 * else chose, so an entry is believed only when its values lie inside the file, and only this one directory is read.
 */
export interface TiffDirectory {
  readonly littleEndian: boolean;
  readonly entries: readonly TiffEntry[];
  /** Position of the offset of the next directory. */
  readonly nextAt: number;
}

export interface TiffEntry {
  readonly tag: number;
  /** Position of the 12 bytes of the entry. */
  readonly at: number;
  readonly type: number;
  readonly count: number;
  /** Position of the first value. */
  readonly valuesAt: number;
}

/** Photographs have some 20 entries; a scanner's files 60. */
const mostEntries = 512;

/** Bytes a value, by type: BYTE, ASCII, SHORT, LONG, RATIONAL, and their signed and floating kinds. */
const typeBytes: readonly (number | undefined)[] = [undefined, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4];

export const tiffTags = {
  width: 256,
  height: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  stripOffsets: 273,
  orientation: 274,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  planarConfiguration: 284,
  predictor: 317,
  colourMap: 320,
  tileWidth: 322,
  extraSamples: 338,
  sampleFormat: 339,
} as const;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Undefined when the directory is broken, cut off or absurdly long. Entries whose values lie outside the file are left out. */
export const readTiffDirectory = (bytes: Uint8Array): TiffDirectory | undefined => {
  if (bytes.length < 8) return undefined;
  const view = viewOf(bytes);
  const littleEndian = bytes[0] === 0x49;
  const start = view.getUint32(4, littleEndian);
  if (start < 8 || start + 2 > bytes.length) return undefined;
  const count = view.getUint16(start, littleEndian);
  const nextAt = start + 2 + 12 * count;
  if (count === 0 || count > mostEntries || nextAt + 4 > bytes.length) return undefined;
  const entries: TiffEntry[] = [];
  for (let at = start + 2; at < nextAt; at += 12) {
    const type = view.getUint16(at + 2, littleEndian);
    const values = view.getUint32(at + 4, littleEndian);
    const size = values * (typeBytes[type] ?? Number.POSITIVE_INFINITY);
    const valuesAt = size <= 4 ? at + 8 : view.getUint32(at + 8, littleEndian);
    if (values > 0 && valuesAt + size <= bytes.length)
      entries.push({ tag: view.getUint16(at, littleEndian), at, type, count: values, valuesAt });
  }
  return { littleEndian, entries, nextAt };
};

/**
 * The values of a SHORT or LONG entry; undefined when there is no such entry, or it is of another type.
 * @param most where one value is wanted, a million of them must cost nothing
 */
export const tiffNumbers = (
  bytes: Uint8Array,
  { entries, littleEndian }: TiffDirectory,
  tag: number,
  most = Number.POSITIVE_INFINITY,
): readonly number[] | undefined => {
  const entry = entries.find((each) => each.tag === tag);
  if (entry === undefined || (entry.type !== 3 && entry.type !== 4)) return undefined;
  const view = viewOf(bytes);
  const { type, count, valuesAt } = entry;
  return Array.from({ length: Math.min(count, most) }, (_, i) =>
    type === 3
      ? view.getUint16(valuesAt + 2 * i, littleEndian)
      : view.getUint32(valuesAt + 4 * i, littleEndian),
  );
};

/** Whether rows of the file are columns of the picture (TIFF 6.0, Orientation). */
export const isTransposed = (orientation: number): boolean => orientation >= 5 && orientation <= 8;

/** Width and height of the first image of the file, its orientation applied: unlike in a JPEG it belongs to the pixels. */
export const tiffDimensions = (
  bytes: Uint8Array,
): { readonly width: number; readonly height: number } | undefined => {
  const directory = readTiffDirectory(bytes);
  if (directory === undefined) return undefined;
  const [width] = tiffNumbers(bytes, directory, tiffTags.width, 1) ?? [];
  const [height] = tiffNumbers(bytes, directory, tiffTags.height, 1) ?? [];
  const [orientation = 1] = tiffNumbers(bytes, directory, tiffTags.orientation, 1) ?? [];
  if (width === undefined || height === undefined) return undefined;
  return isTransposed(orientation) ? { width: height, height: width } : { width, height };
};
