import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** One change to a compiled file: the exact text that must be there once, and what stands there instead. */
export interface Edit {
  /** Relative to `dist/`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A build to run: a folder with package.json, `dist/` and `assets/`. */
export interface Product {
  readonly root: string;
}

/** Absolute path of a compiled module of a build, named as its source is. */
export const moduleOf = ({ root }: Product, source: string): string =>
  path.join(root, 'dist', source.replace(/\.ts$/, '.js'));

const apply = async (dist: string, { file, find, replace }: Edit): Promise<void> => {
  const target = path.join(dist, file);
  const text = await readFile(target, 'utf8');
  const places = text.split(find).length - 1;
  // A mutation that no longer mutates would make a test pass that tests nothing.
  if (places !== 1) throw new Error(`${file} has the text to change ${places} times, not once: ${find}`);
  await writeFile(
    target,
    text.replace(find, () => replace),
  );
};

/**
 * A copy of a build, changed by `edits`: faults are tested on a copy, so that a rebuild meanwhile does not mix two versions.
 * @throws Error when an edit's text is not there exactly once
 */
export const copyProduct = async (
  from: Product,
  to: string,
  edits: readonly Edit[] = [],
): Promise<Product> => {
  await mkdir(to, { recursive: true });
  await cp(path.join(from.root, 'dist'), path.join(to, 'dist'), { recursive: true });
  await cp(path.join(from.root, 'package.json'), path.join(to, 'package.json'));
  for (const folder of ['assets', 'node_modules'])
    await symlink(path.join(from.root, folder), path.join(to, folder));
  for (const edit of edits) await apply(path.join(to, 'dist'), edit);
  return { root: to };
};
