import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { create, extract } from 'tar';
import { z } from 'zod';
import { packageRoot } from '../package.ts';
import { cpuOf, nodeFolder, type Target } from './node-binary.ts';
import { npm } from './npm.ts';

/** The software of one target as a file. Its name in the ops bucket is its digest. */
export interface BuiltArtifact {
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly unpackedBytes: number;
}

/** This package as npm would publish it. */
interface PackedSelf {
  readonly file: string;
  /** Of the file: npm packs the same content to the same bytes. */
  readonly integrity: string;
}

const packed = z.object({ filename: z.string(), integrity: z.string() });

/** An array of packages in some versions of npm, an object of them by name in others. */
const packListing = z.union([z.array(packed), z.record(z.string(), packed)]);

/** Packs this installation of imgrec into `folder`, whether it is a checkout or an installed package. Takes a second or two. */
export const packSelf = async (folder: string, signal: AbortSignal): Promise<PackedSelf> => {
  const listing = await npm(['pack', packageRoot, '--ignore-scripts'], folder, signal);
  const [self] = Object.values(packListing.parse(JSON.parse(listing)));
  if (self === undefined) throw new Error('npm pack names no package');
  return { file: path.join(folder, path.basename(self.filename)), integrity: self.integrity };
};

/** Any folder's files and links, as paths below it, in the order of their bytes. */
const filesOf = async (folder: string): Promise<readonly string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort((a, b) => (a < b ? -1 : 1));
};

/** Of a file's path: types and source maps, which nothing reads on an instance. */
const isForDevelopers = (file: string): boolean => /\.(map|d\.[cm]?ts)$/.test(file);

/** onnxruntime-node brings the binaries of five platforms, 46 MB each and more. */
const isOfAnotherPlatform = (file: string, target: Target): boolean => {
  const [, os, cpu] = /^node_modules\/onnxruntime-node\/bin\/[^/]+\/([^/]+)\/([^/]+)\//.exec(file) ?? [];
  return os !== undefined && (os !== 'linux' || cpu !== cpuOf(target));
};

/** Whether nothing on an instance reads a file of the staged folder. */
export const isUnused = (file: string, target: Target): boolean =>
  isForDevelopers(file) || isOfAnotherPlatform(file, target);

const prune = async (folder: string, target: Target): Promise<void> => {
  await rm(path.join(folder, 'node_modules', '.bin'), { recursive: true, force: true });
  await rm(path.join(folder, 'node_modules', '.package-lock.json'), { force: true });
  for (const file of await filesOf(folder)) if (isUnused(file, target)) await rm(path.join(folder, file));
};

const installForTarget = (folder: string, target: Target, signal: AbortSignal): Promise<string> =>
  npm(
    ['ci', '--omit=dev', '--ignore-scripts', '--os=linux', `--cpu=${cpuOf(target)}`, '--libc=glibc'],
    folder,
    signal,
  );

const addNode = async (
  folder: string,
  scratch: string,
  target: Target,
  signal: AbortSignal,
): Promise<void> => {
  const { name, manifest, lock } = nodeFolder(target);
  const at = path.join(scratch, 'node');
  await mkdir(at);
  await writeFile(path.join(at, 'package.json'), JSON.stringify(manifest));
  await writeFile(path.join(at, 'package-lock.json'), JSON.stringify(lock));
  await installForTarget(at, target, signal);
  const bin = path.join(folder, 'node', 'bin');
  await mkdir(bin, { recursive: true });
  await rename(path.join(at, 'node_modules', name, 'bin', 'node'), path.join(bin, 'node'));
  await rename(path.join(at, 'node_modules', name, 'LICENSE'), path.join(folder, 'node', 'LICENSE'));
};

/** Modes that do not depend on the umask of whoever packs, and that let an unprivileged user read everything. */
const levelModes = async (folder: string, files: readonly string[]): Promise<number> => {
  let bytes = 0;
  for (const file of files) {
    const { mode, size } = await lstat(path.join(folder, file));
    bytes += size;
    await chmod(path.join(folder, file), (mode & 0o100) === 0 ? 0o644 : 0o755);
  }
  return bytes;
};

/** npm's own date of everything it packs. Dates before 1980 do not survive every archiver. */
const packedAt = new Date('1985-10-26T08:15:00.000Z');

/**
 * The same files make the same bytes: sorted, one date, no owner. Level 9 would take three times as long for 0.6 % less.
 * @returns the size of all files together
 */
export const archive = async (folder: string, file: string): Promise<number> => {
  const files = await filesOf(folder);
  const bytes = await levelModes(folder, files);
  const options = {
    cwd: folder,
    file,
    gzip: { level: 6 },
    portable: true,
    mtime: packedAt,
    noDirRecurse: true,
  };
  await create(options, [...files]);
  return bytes;
};

/** SHA-256 of a file, in hexadecimal. */
const digestOf = async (file: string): Promise<string> => {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
};

/**
 * Packs the software for a target: this package, its dependencies as its lock file has them, and Node.
 * The registry is needed for what npm has not cached; half a minute and 0.6 GB of temporary files.
 * @throws ImgrecError when npm is missing, fails or cannot reach its registry
 */
export const buildArtifact = async (
  self: PackedSelf,
  target: Target,
  scratch: string,
  signal: AbortSignal,
): Promise<BuiltArtifact> => {
  const folder = path.join(scratch, 'staged');
  await mkdir(folder);
  await extract({ file: self.file, cwd: folder, strip: 1 });
  // The build puts a copy where npm packs it: npm leaves the lock file itself out of every package.
  await copyFile(path.join(folder, 'dist', 'package-lock.json'), path.join(folder, 'package-lock.json'));
  await installForTarget(folder, target, signal);
  await addNode(folder, scratch, target, signal);
  await prune(folder, target);
  const file = path.join(scratch, 'artifact.tgz');
  const unpackedBytes = await archive(folder, file);
  const { size: bytes } = await lstat(file);
  return { file, sha256: await digestOf(file), bytes, unpackedBytes };
};

/** A temporary folder for `work`, removed after it. */
export const inScratchFolder = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'imgrec-artifact-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
