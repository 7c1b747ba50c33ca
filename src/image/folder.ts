import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { detectImageType, hasImageExtension } from './formats.ts';

/** As many as the magic bytes of any format have, and those around them. */
const magicBytes = 16;

const startOf = async (file: string): Promise<Uint8Array> => {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(magicBytes), 0, magicBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
};

/** `test_2` before `test_10`. */
const natural = new Intl.Collator('en', { numeric: true });
const byName = (a: string, b: string): number => natural.compare(a, b) || (a < b ? -1 : 1);

/**
 * Names of the images of a folder, in natural order: its own files, without those of its subfolders and hidden ones, that
 * are images by their extension or by their first bytes. So a broken `photo.jpg` is one, and a `truth.csv` is not.
 * @throws the file system's error when there is no such folder
 */
export const imageNamesIn = async (folder: string): Promise<readonly string[]> => {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name);
  const images: string[] = [];
  for (const name of names.sort(byName)) {
    const start = () => startOf(path.join(folder, name)).catch(() => new Uint8Array());
    if (hasImageExtension(name) || detectImageType(await start())) images.push(name);
  }
  return images;
};
