/**
 * What `.ci/run` does: installs and starts the peers that judge the local cloud, runs `npm run check` against them,
 * stops them again, whatever happens, and runs the short fault tests. The exit code is that of whichever failed; the last line
 * counts the tests: `N passed, N failed` and, if there were any, `, N skipped`.
 *
 * A peer that cannot be installed or started is a failure, unless IMGREC_CI_ALLOW_MISSING_PEERS=1.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { installPeer, startPeer } from './peers.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The peers that every run needs, and the variable that tells the contract suite where each one is. */
const contractPeers = {
  moto: 'IMGREC_TEST_MOTO',
  elasticmq: 'IMGREC_TEST_ELASTICMQ',
  versitygw: 'IMGREC_TEST_VERSITYGW',
};

/** What judges the boot script and its units. Their tests skip where they are not on the PATH. */
const programs = ['shellcheck', 'systemd-analyze'];

/** Where the tests find what is installed in a folder of its own: the variable, and the place in that folder. */
const tools = {
  debian: ['IMGREC_TEST_DEBIAN', 'root'],
  // What judges templates and policies, and a Python with boto3 that looks at what imgrec made.
  'cfn-lint': ['IMGREC_TEST_CFN_LINT'],
  'cdk-nag': ['IMGREC_TEST_CDK_NAG'],
  'iam-simulate': ['IMGREC_TEST_IAM_SIMULATE'],
  moto: ['IMGREC_TEST_BOTO3', 'bin', 'python'],
};

const say = (text) => process.stderr.write(`ci: ${text}\n`);

const started = [];
let running;
let interruptedBy;
const interrupted = new AbortController();

const interrupt = (signal) => {
  interruptedBy ??= signal;
  interrupted.abort();
  // What runs leads a process group of its own, so that the signal reaches npm, the runner and its workers.
  if (running?.exitCode === null) process.kill(-running.pid, signal);
};

const startPeers = async () => {
  const environment = {};
  for (const [name, variable] of Object.entries(contractPeers)) {
    if (interruptedBy) break;
    try {
      const peer = await startPeer(name, { signal: interrupted.signal });
      started.push({ name, ...peer });
      environment[variable] = peer.url;
      say(`${name} is up at ${peer.url} (process ${peer.pid})`);
    } catch (error) {
      if (interruptedBy || process.env.IMGREC_CI_ALLOW_MISSING_PEERS !== '1') throw error;
      say(`going on without ${name}: ${error.message}`);
    }
  }
  return environment;
};

/** Installs what is called and not started, and returns where the tests find what is not on the PATH. */
const installTools = async () => {
  const environment = {};
  for (const name of [...programs, ...Object.keys(tools)]) {
    if (interruptedBy) break;
    try {
      const folder = await installPeer(name, { signal: interrupted.signal });
      const [variable, ...place] = tools[name] ?? [];
      if (variable !== undefined) environment[variable] = join(folder, ...place);
    } catch (error) {
      if (interruptedBy || process.env.IMGREC_CI_ALLOW_MISSING_PEERS !== '1') throw error;
      say(`going on without ${name}: ${error.message}`);
    }
  }
  return environment;
};

/** Runs `npm run check`, passes its output on, and returns its exit code and the contract suite's own summary. */
const runCheck = (environment, reportFile) =>
  new Promise((resolve, reject) => {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
    running = spawn('npm', ['run', 'check', '--', ...reporters], {
      cwd: root,
      // Every local cloud of the tests answers as AWS does to callers with few rights and broken connections.
      env: { ...process.env, IMGREC_TEST_STRICT: '1', ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    let contract;
    createInterface({ input: running.stdout }).on('line', (line) => {
      if (line.startsWith('contract: ')) contract = line;
      process.stdout.write(`${line}\n`);
    });
    running.once('error', reject);
    running.once('close', (code) => resolve({ exitCode: code ?? 1, contract }));
  });

/** Runs the short fault tests, which print their table themselves. They need no peers. */
const runFaults = () =>
  new Promise((resolve, reject) => {
    running = spawn('npm', ['run', 'faults:short'], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    });
    running.once('error', reject);
    running.once('close', (code) => resolve(code ?? 1));
  });

const countsOf = async (reportFile) => {
  const text = await readFile(reportFile, 'utf8').catch(() => undefined);
  if (text === undefined) return { passed: 0, failed: 0, skipped: 0 };
  const report = JSON.parse(text);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
  };
};

/** The peers whose cases did not run although they were up: a contract that nobody checked is no contract. */
const unjudged = (contract) =>
  started.filter(({ name }) => !new RegExp(`\\b${name} [1-9]`).test(contract ?? ''));

const run = async (reportFile) => {
  const environment = { ...(await installTools()), ...(await startPeers()) };
  if (interruptedBy) return 1;
  const { exitCode, contract } = await runCheck(environment, reportFile);
  if (contract !== undefined) process.stdout.write(`${contract}\n`);
  if (exitCode !== 0) return exitCode;
  const missed = unjudged(contract);
  if (missed.length > 0) say(`no contract case ran against ${missed.map(({ name }) => name).join(' and ')}`);
  return missed.length > 0 ? 1 : 0;
};

const stopPeers = () => Promise.all(started.splice(0).map(({ stop }) => stop()));

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);

const scratch = await mkdtemp(join(tmpdir(), 'imgrec-ci-'));
const reportFile = join(scratch, 'report.json');
let exitCode = 1;
try {
  exitCode = await run(reportFile);
  await stopPeers();
  if (exitCode === 0 && !interruptedBy) exitCode = await runFaults();
} catch (error) {
  say(error.message);
}
await stopPeers();
if (interruptedBy) exitCode = 128 + constants.signals[interruptedBy];

const { passed, failed, skipped } = await countsOf(reportFile);
// Formatting, types, a peer or a test file that does not load fail a run too, without a failing test to show for it.
const shown = exitCode !== 0 && failed === 0 ? 1 : failed;
if (shown !== failed) say('failed outside the tests: see above');
await rm(scratch, { recursive: true, force: true });
process.stdout.write(`${passed} passed, ${shown} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exitCode = exitCode;
