import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { usageError } from '../errors.ts';
import { imageNamesIn } from '../image/folder.ts';
import { detectImageType, imageFormats } from '../image/formats.ts';

/** One image to send. */
export interface BenchImage {
  /** File name, without folders: what the client shows the server and what the truth goes by. */
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** The type that the magic bytes show. Something else with an image's extension is sent as well: what the server says to it counts. */
const mediaTypeOf = (bytes: Uint8Array): string => {
  const type = detectImageType(bytes);
  return type === undefined ? 'application/octet-stream' : imageFormats[type].mediaType;
};

/**
 * The first `limit` images of a folder in natural order of their names, read into memory: reading during the run would be measured as the server's time.
 * @throws ImgrecError (exit 64) when there is no such folder, or no image in it
 */
export const readImages = async (folder: string, limit: number): Promise<readonly BenchImage[]> => {
  const names = await imageNamesIn(folder).catch((error: Error) => {
    throw usageError(
      `cannot read the folder ${folder}: ${error.message}`,
      '--images names a folder of images',
    );
  });
  const images: BenchImage[] = [];
  for (const name of names.slice(0, limit)) {
    const bytes = await readFile(path.join(folder, name)).catch((error: Error) => {
      throw usageError(`cannot read ${path.join(folder, name)}: ${error.message}`);
    });
    images.push({ name, mediaType: mediaTypeOf(bytes), bytes });
  }
  if (images.length === 0) throw usageError(`there are no images in ${folder}`);
  return images;
};
