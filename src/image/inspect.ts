import { acceptedFormats, detectImageType, type ImageType, imageFormats } from './formats.ts';

export interface ImageHeader {
  readonly type: ImageType;
  readonly mediaType: string;
  /** Pixels, as stored: EXIF orientation is not applied. */
  readonly width: number;
  readonly height: number;
  /** Present when the file holds four ink channels instead of RGB or grey. */
  readonly cmyk?: true;
}

export interface ImageLimits {
  readonly maxImageBytes: number;
  /** Largest width x height. */
  readonly maxPixels: number;
}

/** Why an image is not even handed to a decoder. */
export type ImageRefusal =
  | 'empty'
  | 'too-many-bytes'
  | 'unsupported-type'
  | 'broken-header'
  | 'too-many-pixels';

export type Inspection =
  | { readonly ok: true; readonly header: ImageHeader }
  | { readonly ok: false; readonly reason: ImageRefusal; readonly message: string };

const refuse = (reason: ImageRefusal, message: string): Inspection => ({ ok: false, reason, message });

/**
 * Reads type and dimensions from the first bytes of an image file, so that nothing hostile reaches a decoder by its
 * size or by its format. Runs no decoder, never throws, and takes time linear in the header at worst.
 */
export const inspectImage = (bytes: Uint8Array, limits: ImageLimits): Inspection => {
  if (bytes.length === 0) return refuse('empty', 'the image is empty');
  if (bytes.length > limits.maxImageBytes)
    return refuse(
      'too-many-bytes',
      `the image has ${bytes.length} bytes, the limit is ${limits.maxImageBytes}`,
    );
  const type = detectImageType(bytes);
  if (type === undefined) return refuse('unsupported-type', `not a ${acceptedFormats} image`);
  const { mediaType, dimensions } = imageFormats[type];
  const found = dimensions(bytes);
  if (found === undefined || found.width === 0 || found.height === 0)
    return refuse('broken-header', `the ${type.toUpperCase()} header is broken or cut off`);
  const { width, height } = found;
  if (width * height > limits.maxPixels)
    return refuse(
      'too-many-pixels',
      `the image has ${width} x ${height} = ${width * height} pixels, the limit is ${limits.maxPixels}`,
    );
  return { ok: true, header: { type, mediaType, ...found } };
};
