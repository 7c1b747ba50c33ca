import { createRequire } from 'node:module';
import { messageOf } from '../errors.ts';
import type { ImageType } from '../image/formats.ts';
import type { ImageHeader } from '../image/inspect.ts';
import type { JimpType } from './decode-jimp.ts';
import type { DecodeSmallJpeg } from './decode-small-jpeg.ts';

/** Interleaved 8-bit RGB, `width * height * 3` bytes. */
export interface Pixels {
  readonly rgb: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export type Decoding =
  | { readonly ok: true; readonly pixels: Pixels }
  /** What the decoder said. */
  | { readonly ok: false; readonly message: string };

export type Decode = (bytes: Uint8Array, header: ImageHeader) => Promise<Decoding>;

/** Alpha over white, rounded as Pillow's `alpha_composite` onto an opaque background rounds. In place: a giant is there only once. */
const flatten = (rgba: Uint8Array): Uint8Array => {
  let to = 0;
  for (let from = 0; from < rgba.length; from += 4) {
    const alpha = rgba[from + 3] as number;
    const white = 255 * (255 - alpha);
    for (let channel = 0; channel < 3; channel++)
      rgba[to++] = Math.round(((rgba[from + channel] as number) * alpha + white) / 255);
  }
  return rgba.subarray(0, to);
};

/** a * b / 255, rounded, in integers (libImaging's MULDIV255). */
const multiply = (a: number, b: number): number => {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
};

/** Inks to light by Pillow's formula, `(255 - K) * (255 - ink) / 255`; a colour-managed conversion would differ visibly. */
const fromInks = (cmyk: Uint8Array): Uint8Array => {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4) {
    const light = 255 - (cmyk[from + 3] as number);
    for (let channel = 0; channel < 3; channel++)
      rgb[to++] = light - multiply(cmyk[from + channel] as number, light);
  }
  return rgb;
};

/**
 * Width x height up to which a JPEG is decoded in WASM. There sharp's thread and pipeline, 0.5 ms an image, are most of
 * the cost; above, its SIMD is what counts (13 ns a pixel, 18 in WASM).
 */
const mostSmallPixels = 65_536;

const isJimpType = (type: ImageType): type is JimpType => type === 'gif' || type === 'bmp' || type === 'tiff';

/**
 * Loads sharp with every loader but JPEG, PNG and WebP blocked, and returns a decoder whose pixels are those of Pillow's
 * `convert('RGB')`: embedded colour profiles and EXIF orientation are not applied, 16 bits lose their lower 8 (Pillow
 * itself clips 16-bit greys to white, which nobody wants), an animation is its first frame, alpha lies over white.
 * GIF, BMP and TIFF go to jimp, small JPEGs to WASM; both are loaded with the first of them.
 */
export const createDecoder = async (maxPixels: number): Promise<Decode> => {
  // As session.ts does.
  const sharp: typeof import('sharp')['default'] = createRequire(import.meta.url)('sharp');
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({
    operation: ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'],
  });
  sharp.cache(false);
  sharp.concurrency(1);

  const bySharp = async (bytes: Uint8Array, { cmyk }: ImageHeader): Promise<Decoding> => {
    const opened = sharp(bytes, { failOn: 'error', ignoreIcc: true, limitInputPixels: maxPixels });
    const asked = cmyk ? opened.pipelineColourspace('cmyk').toColourspace('cmyk') : opened;
    const { data, info } = await asked.raw().toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (channels === 4)
      return { ok: true, pixels: { rgb: cmyk ? fromInks(data) : flatten(data), width, height } };
    if (channels === 3) return { ok: true, pixels: { rgb: data, width, height } };
    return { ok: false, message: `unexpected number of channels: ${channels}` };
  };

  const byJimp = async (bytes: Uint8Array, type: JimpType): Promise<Decoding> => {
    const { decodeByJimp } = await import('./decode-jimp.ts');
    const { rgba, width, height } = await decodeByJimp(bytes, type);
    return { ok: true, pixels: { rgb: flatten(rgba), width, height } };
  };

  let small: Promise<DecodeSmallJpeg> | undefined;
  const smallJpeg = async (bytes: Uint8Array, header: ImageHeader): Promise<Decoding | undefined> => {
    const { type, cmyk, width, height } = header;
    if (type !== 'jpeg' || cmyk || width * height > Math.min(mostSmallPixels, maxPixels)) return undefined;
    small ??= import('./decode-small-jpeg.ts').then((module) => module.createSmallJpegDecoder());
    const rgb = await (await small)(bytes, header);
    return rgb && { ok: true, pixels: { rgb, width, height } };
  };

  return async (bytes, header) => {
    const { type } = header;
    try {
      if (isJimpType(type)) return await byJimp(bytes, type);
      return (await smallJpeg(bytes, header)) ?? (await bySharp(bytes, header));
    } catch (error) {
      // No decoder has error classes, UTIF even throws strings; nothing but decoding this image happens inside the try.
      return { ok: false, message: messageOf(error) };
    }
  };
};
