import { findFirstGifFrame } from './gif.ts';
import { tiffDimensions } from './tiff.ts';

/** What a file's header says about its picture; dimensions in pixels, as stored (EXIF orientation is not applied, a TIFF's is). */
export interface Dimensions {
  readonly width: number;
  readonly height: number;
  /** Four ink channels: such a JPEG has to be asked for as CMYK, see src/model/decode.ts. */
  readonly cmyk?: true;
}

interface ImageFormat {
  readonly mediaType: string;
  /** File name extensions, lower case, with the dot. */
  readonly extensions: readonly string[];
  /** Whether the magic bytes are there; called with any bytes at all. */
  matches(bytes: Uint8Array): boolean;
  /** Reads the header of a file that matched; undefined when it is broken or cut off. */
  dimensions(bytes: Uint8Array): Dimensions | undefined;
}

const startsWith = (bytes: Uint8Array, magic: readonly number[], at = 0): boolean =>
  magic.every((byte, i) => bytes[at + i] === byte);

const ascii = (text: string): readonly number[] => Array.from(text, (char) => char.charCodeAt(0));

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** SOF0 to SOF15 start a frame; C4 (Huffman tables), C8 (reserved) and CC (arithmetic coding) only look like it. */
const startsFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** TEM, RST0 to RST7 and SOI have no length field. */
const standsAlone = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/** Walks the segments to the frame header (ITU T.81, B.2.2). As libjpeg does, it skips what lies between two segments. */
const jpegDimensions = (bytes: Uint8Array): Dimensions | undefined => {
  const view = viewOf(bytes);
  let at = 2;
  while (at + 1 < bytes.length) {
    const marker = view.getUint8(at + 1);
    if (view.getUint8(at) !== 0xff || marker === 0xff || marker === 0x00) {
      at += 1;
    } else if (standsAlone(marker)) {
      at += 2;
    } else if (marker === 0xd9 || marker === 0xda || at + 4 > bytes.length) {
      return undefined; // The image ends, or its data starts, before there was a frame header.
    } else if (startsFrame(marker)) {
      if (at + 10 > bytes.length) return undefined;
      const height = view.getUint16(at + 5);
      const width = view.getUint16(at + 7);
      return view.getUint8(at + 9) === 4 ? { width, height, cmyk: true } : { width, height };
    } else {
      const length = view.getUint16(at + 2);
      if (length < 2) return undefined;
      at += 2 + length;
    }
  }
  return undefined;
};

/** The IHDR chunk comes first and is 13 bytes long (PNG specification, 11.2.2). */
const pngDimensions = (bytes: Uint8Array): Dimensions | undefined => {
  if (bytes.length < 29 || !startsWith(bytes, [0, 0, 0, 13, ...ascii('IHDR')], 8)) return undefined;
  const view = viewOf(bytes);
  return { width: view.getUint32(16), height: view.getUint32(20) };
};

/** One of three first chunks: VP8 (lossy, RFC 6386), VP8L (lossless) or VP8X (the canvas of an extended file), RFC 9649. */
const webpDimensions = (bytes: Uint8Array): Dimensions | undefined => {
  if (bytes.length < 30) return undefined;
  const view = viewOf(bytes);
  if (startsWith(bytes, ascii('VP8 '), 12)) {
    if (!startsWith(bytes, [0x9d, 0x01, 0x2a], 23)) return undefined;
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }
  if (startsWith(bytes, ascii('VP8L'), 12)) {
    if (bytes[20] !== 0x2f) return undefined;
    const sizes = view.getUint32(21, true);
    return { width: (sizes & 0x3fff) + 1, height: ((sizes >>> 14) & 0x3fff) + 1 };
  }
  if (startsWith(bytes, ascii('VP8X'), 12)) {
    return {
      width: 1 + (view.getUint32(24, true) & 0xffffff),
      height: 1 + view.getUint16(27, true) + 0x10000 * view.getUint8(29),
    };
  }
  return undefined;
};

/** The logical screen and the first frame. */
const gifDimensions = (bytes: Uint8Array): Dimensions | undefined => {
  const found = findFirstGifFrame(bytes);
  return found && { width: found.width, height: found.height };
};

/** BITMAPINFOHEADER and its larger successors; a negative height means rows from the top. OS/2's 12-byte header is not read. */
const bmpDimensions = (bytes: Uint8Array): Dimensions | undefined => {
  const view = viewOf(bytes);
  if (bytes.length < 54 || view.getUint32(14, true) < 40) return undefined;
  const width = view.getInt32(18, true);
  return width < 0 ? undefined : { width, height: Math.abs(view.getInt32(22, true)) };
};

/** Every accepted format. A new one is one more entry here and a decoder in src/model/decode.ts. */
export const imageFormats = {
  jpeg: {
    mediaType: 'image/jpeg',
    extensions: ['.jpg', '.jpeg', '.jpe', '.jfif'],
    matches: (bytes) => startsWith(bytes, [0xff, 0xd8, 0xff]),
    dimensions: jpegDimensions,
  },
  png: {
    mediaType: 'image/png',
    extensions: ['.png'],
    matches: (bytes) => startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    dimensions: pngDimensions,
  },
  webp: {
    mediaType: 'image/webp',
    extensions: ['.webp'],
    matches: (bytes) => startsWith(bytes, ascii('RIFF')) && startsWith(bytes, ascii('WEBP'), 8),
    dimensions: webpDimensions,
  },
  gif: {
    mediaType: 'image/gif',
    extensions: ['.gif'],
    matches: (bytes) => startsWith(bytes, ascii('GIF87a')) || startsWith(bytes, ascii('GIF89a')),
    dimensions: gifDimensions,
  },
  bmp: {
    mediaType: 'image/bmp',
    extensions: ['.bmp', '.dib'],
    // Two letters are not much: text may start with them. The reserved bytes behind the file's size are always 0.
    matches: (bytes) => startsWith(bytes, ascii('BM')) && startsWith(bytes, [0, 0, 0, 0], 6),
    dimensions: bmpDimensions,
  },
  tiff: {
    mediaType: 'image/tiff',
    extensions: ['.tif', '.tiff'],
    matches: (bytes) =>
      startsWith(bytes, [...ascii('II'), 42, 0]) || startsWith(bytes, [...ascii('MM'), 0, 42]),
    dimensions: tiffDimensions,
  },
} as const satisfies Readonly<Record<string, ImageFormat>>;

export type ImageType = keyof typeof imageFormats;

/** The accepted types, as an array for schemas and messages. */
export const imageTypes = Object.keys(imageFormats) as readonly ImageType[];

/** The type that the magic bytes show, whatever the file's name says. */
export const detectImageType = (bytes: Uint8Array): ImageType | undefined =>
  imageTypes.find((type) => imageFormats[type].matches(bytes));

/** Whether a file name ends like an image's, accepted or not. */
export const hasImageExtension = (name: string): boolean =>
  /\.(jpe?g|jpe|jfif|png|webp|gif|bmp|dib|tiff?|avif|hei[cf]|jp2|jxl|ico|svg)$/i.test(name);

/** For messages: "JPEG, PNG, WebP, GIF, BMP or TIFF". */
export const acceptedFormats = 'JPEG, PNG, WebP, GIF, BMP or TIFF';
