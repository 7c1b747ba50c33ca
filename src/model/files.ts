import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { ImgrecError, messageOf } from '../errors.ts';
import { imageNamesIn } from '../image/folder.ts';
import { type Classification, ClassifierFailure } from './classification.ts';
import type { ClassifierPool } from './pool.ts';

/** What became of one file. */
export type FileResult =
  | { readonly image: string; readonly classification: Classification }
  | { readonly image: string; readonly error: string };

const imagesIn = async (folder: string, workingFolder: string): Promise<readonly string[]> =>
  (await imageNamesIn(path.resolve(workingFolder, folder))).map((name) => path.join(folder, name));

/**
 * The image files that paths stand for: a file is itself, a folder its images.
 * @throws ImgrecError when a folder has no images
 */
export const findImages = async (
  paths: readonly string[],
  workingFolder: string,
): Promise<readonly string[]> => {
  const found: string[] = [];
  for (const each of paths) {
    // What does not exist is reported with the other files, not instead of them.
    const info = await stat(path.resolve(workingFolder, each)).catch(() => undefined);
    const images = info?.isDirectory() ? await imagesIn(each, workingFolder) : [each];
    if (images.length === 0) throw new ImgrecError(`there are no images in ${each}`);
    found.push(...images);
  }
  return found;
};

export interface FileOptions {
  readonly topK: number;
  readonly maxImageBytes: number;
  /** What relative paths are relative to. */
  readonly workingFolder: string;
  readonly signal: AbortSignal;
}

const classifyFile = async (
  image: string,
  pool: ClassifierPool,
  options: FileOptions,
): Promise<FileResult> => {
  const file = path.resolve(options.workingFolder, image);
  let bytes: Uint8Array;
  try {
    const { size } = await stat(file);
    if (size > options.maxImageBytes)
      return { image, error: `the image has ${size} bytes, the limit is ${options.maxImageBytes}` };
    bytes = await readFile(file);
  } catch (error) {
    return { image, error: messageOf(error) };
  }
  try {
    const outcome = await pool.classify(bytes, options);
    return outcome.kind === 'classified'
      ? { image, classification: outcome.classification }
      : { image, error: outcome.message };
  } catch (error) {
    if (error instanceof ClassifierFailure) return { image, error: error.message };
    throw error;
  }
};

/** Files read ahead of the classifiers, for each of them: enough to keep them busy, and no folder is held in memory. */
const filesPerClassifier = 3;

/**
 * Classifies files, several at once; results are in the files' order. A file that cannot be read, decoded or classified
 * is a result too.
 * @throws what makes every further file pointless: a model that does not fit, `signal`'s reason
 */
export const classifyFiles = async (
  images: readonly string[],
  pool: ClassifierPool,
  options: FileOptions & { readonly onDone?: (done: number) => void },
): Promise<readonly FileResult[]> => {
  const results: FileResult[] = [];
  let next = 0;
  let done = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < images.length; at = next++) {
      results[at] = await classifyFile(images[at] ?? '', pool, options);
      options.onDone?.(++done);
    }
  };
  await Promise.all(Array.from({ length: pool.size * filesPerClassifier }, lane));
  return results;
};
