import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../src/package.ts';

/** The table of rooms in docs/design/rooms.md: who may import whom. Every room may import itself, config, and the files of src/. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  bin: ['commands'],
  config: [],
  aws: [],
  jobs: [],
  image: [],
  reports: [],
  model: ['image'],
  worker: ['jobs', 'model', 'reports', 'aws'],
  web: ['jobs', 'image', 'reports', 'aws'],
  fleet: ['reports', 'aws'],
  scaling: ['fleet', 'reports', 'aws'],
  provision: ['fleet', 'aws'],
  bench: ['jobs', 'image', 'aws'],
  localcloud: [],
  // The command line and the supervisor put the rooms together.
  commands: ['*'],
  dev: ['*'],
  // The files directly in src/.
  src: [],
};

/** Packages that only one room may import. */
const ownedPackages: readonly { readonly pattern: RegExp; readonly rooms: readonly string[] }[] = [
  { pattern: /^@aws-sdk\/|^@smithy\//, rooms: ['aws'] },
  { pattern: /^onnxruntime-node$/, rooms: ['model'] },
  // The load generator encodes the variations of the sample photos; it decodes nothing that comes from outside.
  { pattern: /^(sharp|jimp)$/, rooms: ['model', 'bench'] },
  { pattern: /^fastify$|^@fastify\//, rooms: ['web'] },
  { pattern: /^commander$/, rooms: ['commands'] },
];

const roomOf = (file: string): string => {
  const [top = '', second] = path.relative(packageRoot, file).split(path.sep);
  if (top !== 'src') return top;
  return second === undefined || second.endsWith('.ts') ? 'src' : second;
};

const sources = ['bin', 'commands', 'src']
  .flatMap((folder) =>
    readdirSync(path.join(packageRoot, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
      path.join(packageRoot, folder, name),
    ),
  )
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));

const importsOf = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/(?:\bfrom\s+|\bimport\s*\(\s*|^import\s+)'([^']+)'/gm)].map(
    ([, specifier = '']) => specifier,
  );

const violations = (file: string): string[] => {
  const room = roomOf(file);
  const allowed = mayImport[room];
  if (allowed === undefined) return [`${room} is not in the table`];
  return importsOf(file).flatMap((specifier) => {
    if (specifier.startsWith('.')) {
      const target = roomOf(path.resolve(path.dirname(file), specifier));
      const fine =
        target === room ||
        ['src', 'config'].includes(target) ||
        allowed.includes(target) ||
        (allowed.includes('*') && target !== 'bin');
      return fine ? [] : [`${room} imports ${target} (${specifier})`];
    }
    const owner = ownedPackages.find(({ pattern }) => pattern.test(specifier));
    return owner === undefined || owner.rooms.includes(room) ? [] : [`${room} imports ${specifier}`];
  });
};

describe('the dependency rule', () => {
  test('there are sources to judge', () => {
    expect(sources.length).toBeGreaterThan(40);
  });

  test.each(sources.map((file) => [path.relative(packageRoot, file), file]))(
    '%s imports only what its room may',
    (_name, file) => {
      expect(violations(file)).toEqual([]);
    },
  );
});
