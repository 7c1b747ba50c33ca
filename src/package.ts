import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const findPackageRoot = (from: string): string => {
  for (let folder = from; ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'package.json'))) return folder;
    if (folder === path.dirname(folder)) throw new Error(`no package.json above ${from}`);
  }
};

/** The folder that holds package.json, `assets/` and `dist/`, whether this runs from source or compiled. */
export const packageRoot = findPackageRoot(path.dirname(fileURLToPath(import.meta.url)));

/** Absolute path of a file under `assets/`. */
export const assetPath = (...parts: readonly string[]): string => path.join(packageRoot, 'assets', ...parts);

/**
 * Absolute path of a compiled module, named as its source is (`src/model/classifier.ts`).
 * Child processes always run the compiled file, also when the parent runs from source (in tests).
 */
export const compiledModule = (source: string): string =>
  path.join(packageRoot, 'dist', source.replace(/\.ts$/, '.js'));

const manifest = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as {
  version: string;
};

export const version = manifest.version;
