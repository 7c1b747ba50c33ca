// npm run faults: installs and builds what is missing, compiles the fault tests into .faults/, and runs them. Arguments go to them.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureReady } from './ensure.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
// Whoever tests another build has made it.
if (!process.argv.includes('--product')) ensureReady();
const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const run = (args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
const status =
  run([compiler, '-p', path.join('test', 'faults', 'tsconfig.json')]) ||
  run([path.join(root, '.faults', 'test', 'faults', 'main.js'), ...process.argv.slice(2)]);
process.exit(status);
