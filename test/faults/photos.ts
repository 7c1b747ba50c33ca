import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import type { ClassifyReport } from '../../src/model/report.ts';
import type { Answer } from './history.ts';
import { moduleOf, type Product } from './product.ts';

/** An image and what it must be answered with. */
export interface Photo {
  readonly name: string;
  readonly bytes: Buffer;
  readonly expected: Answer;
}

export interface Photos {
  /** Many, and quick to classify. */
  readonly small: readonly Photo[];
  /** The samples as they are: what an image usually costs. */
  readonly whole: readonly Photo[];
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Small, so that a run is about the cluster and not about decoding. */
const sides = { width: 200, height: 160 } as const;
const variations = 5;

/**
 * The sample photographs, each in some crops, with the labels that an undisturbed process gives them: not the truth, but what
 * every worker must say, whatever happens around it.
 */
export const makePhotos = async (product: Product, folder: string): Promise<Photos> => {
  const samples = path.join(product.root, 'assets', 'samples');
  const names = (await readdir(samples)).filter((name) => name.endsWith('.jpg')).sort();
  await mkdir(folder, { recursive: true });
  const images = new Map<string, Buffer>();
  for (const name of names) {
    images.set(name, await readFile(path.join(samples, name)));
    for (let n = 0; n < variations; n++) {
      const shrunk = await sharp(path.join(samples, name))
        .resize({ width: sides.width + 10 * n, height: sides.height + 10 * n, fit: 'cover' })
        .extract({ left: 2 * n, top: n, ...sides })
        .jpeg({ quality: 85 })
        .toBuffer();
      images.set(`${path.parse(name).name}-${n}.jpg`, shrunk);
    }
  }
  for (const [name, bytes] of images) await writeFile(path.join(folder, name), bytes);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [moduleOf(product, 'bin/imgrec.ts'), 'classify', folder, '--json'],
    { maxBuffer: 1 << 24 },
  );
  const { results } = JSON.parse(stdout) as ClassifyReport;
  const photos = results.flatMap((result): Photo[] => {
    const name = path.basename(result.image);
    const bytes = images.get(name);
    return 'label' in result && bytes !== undefined
      ? [{ name, bytes, expected: { kind: 'label', label: result.label } }]
      : [];
  });
  const isWhole = ({ name }: Photo) => names.includes(name);
  return { small: photos.filter((photo) => !isWhole(photo)), whole: photos.filter(isWhole) };
};

/** The same picture in other bytes: `text` as a JPEG comment, right behind the start of the image. */
export const withComment = (jpeg: Uint8Array, text: string): Buffer => {
  const comment = Buffer.from(text);
  const head = Buffer.from([0xff, 0xd8, 0xff, 0xfe, 0, 0]);
  head.writeUInt16BE(comment.length + 2, 4);
  return Buffer.concat([head, comment, jpeg.subarray(2)]);
};

/** The bytes of a file that has a picture's beginning and not its end. */
export const truncated = (jpeg: Uint8Array): Buffer =>
  Buffer.from(jpeg.subarray(0, Math.floor(jpeg.length / 2)));

export const readFolder = async (folder: string): Promise<readonly { name: string; bytes: Buffer }[]> =>
  Promise.all(
    (await readdir(folder))
      .sort()
      .map(async (name) => ({ name, bytes: await readFile(path.join(folder, name)) })),
  );
