#!/usr/bin/env node
/**
 * Installs and starts the peers: other people's implementations of the AWS protocols, which judge the contract
 * suite (and so the local cloud). Everything lands in a cache folder outside the checkout, each peer at a
 * pinned version. No dependencies: this runs before `npm ci` may have.
 *
 *     node scripts/peers.mjs install [moto] [elasticmq] [versitygw] [cfn-lint] [cdk-nag] [iam-simulate]
 *                                    [debian] [chromium] [shellcheck] [systemd-analyze]
 *     node scripts/peers.mjs start moto        # prints the URL, runs until it is interrupted
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const installLimitMs = 15 * 60_000;
const healthLimitMs = 60_000;
const stopLimitMs = 5_000;

/** Where the peers are kept: `IMGREC_TOOL_CACHE`, else the user's cache folder. */
const toolCache = () =>
  process.env.IMGREC_TOOL_CACHE ||
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'imgrec-tools');

const elasticmqPom = (version) => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>imgrec.tools</groupId>
  <artifactId>elasticmq</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.elasticmq</groupId>
      <artifactId>elasticmq-server_3</artifactId>
      <version>${version}</version>
    </dependency>
  </dependencies>
</project>
`;

const elasticmqConf = (port) => `include classpath("application.conf")
node-address { protocol = http, host = "127.0.0.1", port = ${port}, context-path = "" }
rest-sqs { enabled = true, bind-hostname = "127.0.0.1", bind-port = ${port}, sqs-limits = strict }
rest-stats { enabled = false }
`;

/**
 * A recipe: `pins` name exactly what is installed (a change of pins means a fresh install), `needs` the programs
 * that installing and running take, `install(folder, signal)` fills an empty folder, `command(folder, port, scratch)` says
 * how to start it, and a GET of `health` tells whether it is up.
 */
const recipes = {
  moto: {
    pins: { moto: '5.2.5', boto3: '1.44.5' },
    needs: ['python3'],
    health: '/moto-api/data.json',
    async install(folder, signal) {
      await run('python3', ['-m', 'venv', folder], { signal });
      await run(
        join(folder, 'bin', 'pip'),
        [
          ...['install', '--quiet', '--disable-pip-version-check'],
          `moto[server]==${this.pins.moto}`,
          `boto3==${this.pins.boto3}`,
        ],
        { signal },
      );
    },
    command: async (folder, port) => ({
      file: join(folder, 'bin', 'moto_server'),
      args: ['-H', '127.0.0.1', '-p', String(port)],
      env: {
        MOTO_ENABLE_AMI_VALIDATION: 'true',
        MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION: 'true',
        MOTO_IAM_LOAD_MANAGED_POLICIES: 'true',
      },
    }),
  },
  elasticmq: {
    pins: { elasticmq: '1.7.1' },
    needs: ['java', 'mvn'],
    health: '/health',
    async install(folder, signal) {
      await writeFile(join(folder, 'pom.xml'), elasticmqPom(this.pins.elasticmq));
      await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'], {
        cwd: folder,
        signal,
      });
    },
    command: async (folder, port, scratch) => {
      const config = join(scratch, 'elasticmq.conf');
      await writeFile(config, elasticmqConf(port));
      return {
        file: 'java',
        args: [
          ...['-Xmx256m', `-Dconfig.file=${config}`],
          ...['-cp', join(folder, 'lib', '*'), 'org.elasticmq.server.Main'],
        ],
        env: {},
      };
    },
  },
  versitygw: {
    pins: { versitygw: 'v1.8.0' },
    needs: ['go'],
    health: '/',
    async install(folder, signal) {
      await run('go', ['install', `github.com/versity/versitygw/cmd/versitygw@${this.pins.versitygw}`], {
        env: { GOBIN: folder },
        signal,
      });
    },
    command: async (folder, port, scratch) => {
      const buckets = join(scratch, 'buckets');
      await mkdir(buckets);
      return {
        file: join(folder, 'versitygw'),
        args: ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', buckets],
        env: { ROOT_ACCESS_KEY: 'test', ROOT_SECRET_KEY: 'testtest' },
      };
    },
  },
};

/** Packages of npm at exactly these versions, in a folder of their own. */
const installFromNpm = async (pins, folder, signal) => {
  await writeFile(join(folder, 'package.json'), '{"private":true}');
  const packages = Object.entries(pins).map(([name, version]) => `${name}@${version}`);
  const quietly = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['install', ...quietly, '--save-exact', ...packages], { cwd: folder, signal });
};

/**
 * What judges templates and policies: installed and called, never started. They stay out of package.json: they are
 * large, and iam-simulate is AGPL, so that nothing of imgrec may come to depend on it.
 */
const judges = {
  'cfn-lint': {
    pins: { 'cfn-lint': '1.58.0', checkov: '3.3.30' },
    needs: ['python3'],
    async install(folder, signal) {
      await run('python3', ['-m', 'venv', folder], { signal });
      const packages = Object.entries(this.pins).map(([name, version]) => `${name}==${version}`);
      const quietly = ['--quiet', '--disable-pip-version-check'];
      await run(join(folder, 'bin', 'pip'), ['install', ...quietly, ...packages], { signal });
    },
  },
  'cdk-nag': {
    pins: { 'aws-cdk-lib': '2.276.0', constructs: '10.8.1', 'cdk-nag': '3.0.2' },
    needs: ['npm'],
    install(folder, signal) {
      return installFromNpm(this.pins, folder, signal);
    },
  },
  'iam-simulate': {
    pins: { '@cloud-copilot/iam-simulate': '0.1.173' },
    needs: ['npm'],
    install(folder, signal) {
      return installFromNpm(this.pins, folder, signal);
    },
  },
};

/**
 * A root file system with what images for servers have and no systemd, in the folder `root`: the boot script is executed in it.
 * Only root on Debian can make one.
 */
const rootFileSystems = {
  debian: {
    pins: { suite: 'bookworm', packages: 'ca-certificates,curl' },
    needs: ['apt-get', 'chroot'],
    async install(folder, signal) {
      if (!programOnPath('debootstrap')) await installFromApt(['debootstrap'], signal);
      const { suite, packages } = this.pins;
      const made = join(folder, 'root');
      await run('debootstrap', ['--variant=minbase', `--include=${packages}`, suite, made], { signal });
    },
  },
};

/** Debian's own packages, by the program that tells whether they are there. */
const programs = {
  chromium: {
    known: ['chromium', 'chromium-browser', 'google-chrome'],
    packages: ['chromium', 'fonts-liberation'],
  },
  shellcheck: { known: ['shellcheck'], packages: ['shellcheck'] },
  'systemd-analyze': { known: ['systemd-analyze'], packages: ['systemd'] },
};

/** Everything that is installed into the cache folder. */
const cached = { ...recipes, ...judges, ...rootFileSystems };

/** The names that `installPeer` takes; only the peers with a recipe can be started too. */
const peerNames = [...Object.keys(cached), ...Object.keys(programs)];

const recipeOf = (name, known = recipes) => {
  const recipe = known[name];
  if (!recipe) throw new Error(`no such peer: ${name} (there are ${Object.keys(known).join(', ')})`);
  return recipe;
};

const programOnPath = (program) =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .some((folder) => folder !== '' && existsSync(join(folder, program)));

/** Runs a program to its end with its output on our stderr; a failure names the command line. */
const run = (file, args, { cwd, env = {}, signal } = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd,
      signal,
      env: { ...process.env, ...env },
      stdio: ['ignore', 2, 2],
      timeout: installLimitMs,
      killSignal: 'SIGKILL',
    });
    child.once('error', reject);
    child.once('close', (code, by) =>
      code === 0 ? resolve() : reject(new Error(`"${file} ${args.join(' ')}" ended with ${by ?? code}`)),
    );
  });

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/**
 * Holds `path` while `work` runs, so that two checkouts sharing a cache do not install into the same folder at
 * once. A lock whose owner has died is taken over. A lock file that is still empty is one being written, unless
 * it stays so for a minute.
 */
const withLock = async (path, signal, work) => {
  const deadline = Date.now() + installLimitMs;
  for (;;) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(String(process.pid));
      await file.close();
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const owner = Number(await readFile(path, 'utf8').catch(() => ''));
      const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
      if (owner > 0 ? !isAlive(owner) : age > 60_000) await rm(path, { force: true });
      else if (Date.now() > deadline) throw new Error(`${path} is held by process ${owner}`);
      else await sleep(500, undefined, { signal });
    }
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
};

const installFromApt = async (packages, signal) => {
  if (process.getuid?.() !== 0 || !programOnPath('apt-get'))
    throw new Error(`only root on Debian can have this installed: apt-get install ${packages.join(' ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env, signal });
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env, signal });
};

/**
 * Installs a peer unless it is there already and returns its folder. The stamp is written last and holds the
 * pins, so a half-made install or another version is removed and made again. `signal` gives the installation up.
 */
export const installPeer = async (name, { signal } = {}) => {
  if (Object.hasOwn(programs, name)) {
    const { known, packages } = programs[name];
    if (!known.some(programOnPath)) await installFromApt(packages, signal);
    return undefined;
  }
  const recipe = recipeOf(name, cached);
  const folder = join(toolCache(), name);
  const stamp = join(folder, '.installed');
  const wanted = JSON.stringify(recipe.pins);
  const isInstalled = async () => (await readFile(stamp, 'utf8').catch(() => '')) === wanted;
  if (await isInstalled()) return folder;
  const missing = recipe.needs.filter((program) => !programOnPath(program));
  if (missing.length > 0) throw new Error(`${name} needs ${missing.join(' and ')} on the PATH`);
  await mkdir(toolCache(), { recursive: true });
  return withLock(join(toolCache(), `${name}.lock`), signal, async () => {
    if (await isInstalled()) return folder;
    process.stderr.write(`peers: installing ${name} ${wanted} into ${folder}\n`);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await recipe.install(folder, signal);
    await writeFile(stamp, wanted);
    return folder;
  });
};

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const isHealthy = async (url) => {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    // Any answer below 500 will do: versitygw refuses an unsigned request with 403 and is up all the same.
    return response.status < 500;
  } catch {
    return false;
  }
};

const startOnce = async (name, recipe, folder, signal) => {
  const port = await freePort();
  const scratch = await mkdtemp(join(tmpdir(), `imgrec-${name}-`));
  const logFile = join(scratch, 'log');
  const log = await open(logFile, 'w');
  const { file, args, env } = await recipe.command(folder, port, scratch);
  const child = spawn(file, args, { env: { ...process.env, ...env }, stdio: ['ignore', log.fd, log.fd] });
  let isOver = false;
  const ended = new Promise((resolve) => {
    for (const event of ['error', 'exit'])
      child.once(event, () => {
        isOver = true;
        resolve();
      });
  });
  await log.close();
  const stop = async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
    await ended;
    clearTimeout(timer);
    await rm(scratch, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + healthLimitMs;
  while (!isOver && !signal?.aborted && Date.now() < deadline) {
    if (await isHealthy(url + recipe.health)) return { url, pid: child.pid, stop };
    await sleep(100);
  }
  const tail = (await readFile(logFile, 'utf8')).slice(-2_000);
  const why = isOver ? 'ended' : 'did not become healthy';
  await stop();
  throw new Error(`${name} ${why}:\n${tail}`);
};

/**
 * Starts a peer, installed if need be, on a free port of 127.0.0.1 and waits until it answers:
 * `{ url, pid, stop() }`. Another process may take the port between choosing and binding it, hence a second attempt.
 */
export const startPeer = async (name, { signal } = {}) => {
  const recipe = recipeOf(name);
  const folder = await installPeer(name, { signal });
  try {
    return await startOnce(name, recipe, folder, signal);
  } catch (error) {
    if (signal?.aborted) throw error;
    process.stderr.write(`peers: ${error.message}\npeers: trying once more\n`);
    return startOnce(name, recipe, folder, signal);
  }
};

const main = async ([verb, ...names]) => {
  if (verb === 'install' && names.length > 0) {
    for (const name of names) await installPeer(name);
    return;
  }
  if (verb === 'start' && names.length === 1) {
    const peer = await startPeer(names[0]);
    process.stdout.write(`${peer.url}\n`);
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => peer.stop());
    return;
  }
  process.stderr.write(`usage: peers.mjs install ${peerNames.join('|')}...\n       peers.mjs start NAME\n`);
  process.exitCode = 64;
};

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  main(process.argv.slice(2)).catch((error) => {
    process.stderr.write(`peers: ${error.message}\n`);
    process.exitCode = 1;
  });
