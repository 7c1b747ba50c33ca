// Installs and builds what is missing or out of date, and nothing else. Plain Node, no dependencies: it runs before there are any.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => path.join(root, ...parts);
const installStamp = at('node_modules', '.imgrec-installed');
const buildStamp = at('dist', '.imgrec-built');
// Not in node_modules, which npm ci empties.
const lock = at('.imgrec-install-lock');

const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);
const say = (text) => process.stderr.write(`${text}\n`);

const run = (command, args) => {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
};

const requireNode = () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (process.platform === 'win32') {
    say('error: imgrec runs on Linux and macOS; on Windows use WSL');
    process.exit(64);
  }
  if (major > 20 || (major === 20 && minor >= 9)) return;
  say(`error: imgrec needs Node 20.9 or newer, this is ${process.versions.node}`);
  process.exit(64);
};

const sources = (folder) =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();

const sourceDigest = () => {
  const hash = createHash('sha256');
  for (const file of ['bin', 'commands', 'src'].flatMap((folder) => sources(at(folder)))) {
    hash.update(path.relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  hash.update(readFileSync(at('package-lock.json')));
  hash.update(readFileSync(at('tsconfig.json'))).update(readFileSync(at('tsconfig.build.json')));
  return hash.digest('hex');
};

const lockDigest = () =>
  createHash('sha256')
    .update(readFileSync(at('package-lock.json')))
    .digest('hex');

/** One process at a time installs or builds: two first runs may be started side by side. */
const exclusively = (act) => {
  for (const deadline = Date.now() + 600_000; ; ) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      // Whoever held it longer than this was killed.
      if (existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 300_000)
        rmSync(lock, { recursive: true, force: true });
      if (Date.now() > deadline) throw new Error(`${lock} is held by another process`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    act();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
};

const install = () => {
  if (read(installStamp) === lockDigest()) return;
  say('installing the dependencies (npm ci) ...');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(installStamp, lockDigest());
};

const build = (force) => {
  const digest = sourceDigest();
  if (!force && read(buildStamp) === digest) return;
  say('building ...');
  run(process.execPath, [at('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json']);
  // tsc writes 0644.
  chmodSync(at('dist', 'bin', 'imgrec.js'), 0o755);
  // npm leaves package-lock.json out of the package; an installed imgrec needs it to pack the software for its instances.
  copyFileSync(at('package-lock.json'), at('dist', 'package-lock.json'));
  writeFileSync(buildStamp, digest);
};

/** Brings node_modules and dist up to date with package-lock.json and the sources. */
export const ensureReady = ({ force = false } = {}) => {
  requireNode();
  const upToDate = () => !force && read(installStamp) === lockDigest() && read(buildStamp) === sourceDigest();
  if (upToDate()) return;
  exclusively(() => {
    install();
    build(force);
  });
};

if (process.argv[1] === fileURLToPath(import.meta.url))
  ensureReady({ force: process.argv.includes('--force-build') });
