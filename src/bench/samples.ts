import { readTruth, rightLabels, type Truth, truthOf } from '../image/truth.ts';
import { assetPath } from '../package.ts';
import { type BenchImage, readImages } from './images.ts';

/** How many images the sample photographs are varied into. */
const sampleCount = 100;

/** Shorter side after shrinking, in pixels: the classifier shrinks to 256, and jimp's work is by the pixel. */
const shorterSide = 288;

const brightnesses = [1, 1.1, 1.2] as const;
const jpegQuality = 88;

/** Pixels cut off at the edges of variation `n`: 22 of 288 at most, and never the same for two `n` below 143. */
const marginsOf = (n: number) => ({
  left: (n * 7) % 13,
  top: (n * 5) % 9,
  right: n % 11,
  bottom: (n * 3) % 8,
});

const variationName = (name: string, n: number): string =>
  name.replace(/\.[^.]+$/, `-${String(n).padStart(2, '0')}.jpg`);

/**
 * The sample photographs in 100 variations (mirrored, slightly cropped, brighter), photograph by photograph in turn, and
 * their truth. The same at every call. Encoding is sharp's: jimp's own needs 40 ms an image for its tables alone.
 */
export const sampleImages = async (): Promise<{
  readonly images: readonly BenchImage[];
  readonly truth: Truth;
}> => {
  const folder = assetPath('samples');
  const truthFile = assetPath('samples', 'truth.csv');
  const [photos, samplesTruth, { Jimp }, { default: sharp }] = await Promise.all([
    readImages(folder, Number.POSITIVE_INFINITY),
    readTruth(truthFile),
    import('jimp'),
    import('sharp'),
  ]);
  /** Of each photograph: as it is and mirrored, each in every brightness; only cropping is left to do for each variation. */
  const bases = await Promise.all(
    photos.map(async ({ name, bytes }) => {
      const photo = await Jimp.read(Buffer.from(bytes));
      const scale = shorterSide / Math.min(photo.width, photo.height);
      photo.resize({ w: Math.round(photo.width * scale), h: Math.round(photo.height * scale) });
      const mirrored = photo.clone().flip({ horizontal: true });
      const shades = brightnesses.flatMap((brightness) =>
        [photo, mirrored].map((side) => (brightness === 1 ? side : side.clone().brightness(brightness))),
      );
      return { name, shades };
    }),
  );
  const labels: [string, Iterable<string>][] = [];
  const images: BenchImage[] = [];
  for (let at = 0; at < sampleCount; at++) {
    const n = Math.floor(at / bases.length);
    const base = bases[at % bases.length];
    const shade = base?.shades[n % base.shades.length];
    if (base === undefined || shade === undefined) break;
    const { left, top, right, bottom } = marginsOf(n);
    const { data, width, height } = shade.clone().crop({
      x: left,
      y: top,
      w: shade.width - left - right,
      h: shade.height - top - bottom,
    }).bitmap;
    const bytes = await sharp(data, { raw: { width, height, channels: 4 } })
      .jpeg({ quality: jpegQuality })
      .toBuffer();
    const name = variationName(base.name, n);
    images.push({ name, mediaType: 'image/jpeg', bytes });
    labels.push([name, rightLabels(samplesTruth, base.name) ?? []]);
  }
  return { images, truth: truthOf(labels) };
};
