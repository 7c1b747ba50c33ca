// npm run quickstart: install, build, and send the sample photos through a cluster on this machine.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureReady } from './ensure.mjs';

ensureReady();
const bin = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'dist', 'bin', 'imgrec.js');
const { status } = spawnSync(
  process.execPath,
  [bin, 'bench', '--dev', '--min-accuracy', '0.8', ...process.argv.slice(2)],
  {
    stdio: 'inherit',
  },
);
process.exit(status ?? 1);
