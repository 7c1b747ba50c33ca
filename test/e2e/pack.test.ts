import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { compiledModule, packageRoot } from '../../src/package.ts';

interface PackedFile {
  readonly path: string;
  readonly mode: number;
}

/** What may be in the package, and nothing else. */
const allowed = [
  /^dist\/(bin|commands|src)\/[a-z0-9/-]+\.js$/,
  /^dist\/package-lock\.json$/,
  /^assets\/userdata\/(boot\.sh|imgrec@\.service)$/,
  /^assets\/models\/[a-z0-9-]+\/(model\.onnx|manifest\.json|labels\.json)$/,
  /^assets\/samples\/([a-z]+\.jpg|truth\.csv|NOTICE\.md)$/,
  /^assets\/web\/(index\.html|key\.js)$/,
  /^assets\/(prices\.json|traces\/day\.csv)$/,
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|NOTICE)$/,
];

describe('the npm package', () => {
  let files: readonly PackedFile[];
  beforeAll(() => {
    const argv = ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'];
    const listing: unknown = JSON.parse(execFileSync('npm', argv, { cwd: packageRoot, encoding: 'utf8' }));
    // An array of packages in some versions of npm, an object of them by name in others.
    const [packed] = Object.values(listing as Record<string, { readonly files: readonly PackedFile[] }>);
    files = packed?.files ?? [];
  });
  const paths = () => files.map((file) => file.path);

  it('holds the program, the model, the samples and the page', () => {
    const model = 'assets/models/efficientnet-lite0-int8';
    expect(paths()).toEqual(
      expect.arrayContaining([
        'dist/bin/imgrec.js',
        'dist/src/model/classifier.js',
        'dist/src/localcloud/main.js',
        ...['model.onnx', 'manifest.json', 'labels.json'].map((name) => `${model}/${name}`),
        ...['daisy.jpg', 'truth.csv'].map((name) => `assets/samples/${name}`),
        'assets/web/index.html',
        'assets/web/key.js',
        'assets/userdata/boot.sh',
        'dist/package-lock.json',
        'LICENSE',
        'package.json',
      ]),
    );
  });

  it('holds nothing else: no tests, no source maps, no stamps', () => {
    expect(paths().filter((path) => !allowed.some((pattern) => pattern.test(path)))).toEqual([]);
    expect(paths().filter((path) => /test|\.map$/.test(path))).toEqual([]);
  });

  it('has an executable that a shell can run', () => {
    expect(files.find(({ path }) => path === 'dist/bin/imgrec.js')?.mode).toBe(0o755);
    expect(readFileSync(compiledModule('bin/imgrec.ts'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });
});
