// npm run quickstart: install, build, and send the sample photos through a cluster on this machine, which grows for it and shrinks.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureReady } from './ensure.mjs';

ensureReady();
const bin = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'dist', 'bin', 'imgrec.js');
const own = process.argv.slice(2);
// Whoever says how many workers there are to be gets just that.
const elastic = own.some((word) => word.startsWith('--workers'))
  ? []
  : '--min-workers 0 --max-workers 3 --classifiers 1 --target-wait 3s --requests 300 --concurrency 300'.split(
      ' ',
    );
const { status } = spawnSync(
  process.execPath,
  [bin, 'bench', '--dev', ...elastic, '--min-accuracy', '0.8', ...own],
  {
    stdio: 'inherit',
  },
);
process.exit(status ?? 1);
