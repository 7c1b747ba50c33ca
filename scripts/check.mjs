// npm run check: formatting and lint, types, unused code, then npm test (which holds the dependency rule). Stops at the first that fails.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureReady } from './ensure.mjs';

ensureReady();
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const tool = (...parts) => path.join(root, 'node_modules', ...parts);
const steps = [
  ['biome', tool('@biomejs', 'biome', 'bin', 'biome'), ['ci', '--error-on-warnings', '.']],
  ['types', tool('typescript', 'bin', 'tsc'), ['--noEmit']],
  ['unused code', tool('knip', 'bin', 'knip.js'), []],
  ['tests', path.join(root, 'scripts', 'test.mjs'), process.argv.slice(2)],
];
for (const [name, script, args] of steps) {
  process.stderr.write(`check: ${name}\n`);
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    process.stderr.write(`check: ${name} failed\n`);
    process.exit(status ?? 1);
  }
}
