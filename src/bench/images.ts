import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { usageError } from '../errors.ts';
import { detectImageType, hasImageExtension, imageFormats } from '../image/formats.ts';

/** One image to send. */
export interface BenchImage {
  /** File name, without folders: what the client shows the server and what the truth goes by. */
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** `test_2` before `test_10`. */
const natural = new Intl.Collator('en', { numeric: true });

const byName = (a: string, b: string): number => natural.compare(a, b) || (a < b ? -1 : 1);

/** The type that the magic bytes show. Something else with an image's extension is sent as well: what the server says to it counts. */
const mediaTypeOf = (name: string, bytes: Uint8Array): string | undefined => {
  const type = detectImageType(bytes);
  if (type !== undefined) return imageFormats[type].mediaType;
  return hasImageExtension(name) ? 'application/octet-stream' : undefined;
};

/**
 * The first `limit` images of a folder in natural order of their names, without subfolders and hidden files, read into
 * memory: reading during the run would be measured as the server's time.
 * @throws ImgrecError (exit 64) when there is no such folder, or no image in it
 */
export const readImages = async (folder: string, limit: number): Promise<readonly BenchImage[]> => {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: Error) => {
    throw usageError(
      `cannot read the folder ${folder}: ${error.message}`,
      '--images names a folder of images',
    );
  });
  const names = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort(byName);
  const images: BenchImage[] = [];
  for (const name of names) {
    if (images.length >= limit) break;
    const bytes = await readFile(path.join(folder, name)).catch((error: Error) => {
      throw usageError(`cannot read ${path.join(folder, name)}: ${error.message}`);
    });
    const mediaType = mediaTypeOf(name, bytes);
    if (mediaType !== undefined) images.push({ name, mediaType, bytes });
  }
  if (images.length === 0) throw usageError(`there are no images in ${folder}`);
  return images;
};
