// What the benches share: processes that are measured from outside, through /proc (Linux only), and a cluster of them.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readCalls } from '../dist/src/localcloud/admin-client.js';

const module = (name) => fileURLToPath(new URL(name, import.meta.url));
export const bin = module('../dist/bin/imgrec.js');

const started = [];
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});

/** Starts a module and waits until it says that it is ready. */
export const start = async (file, args) => {
  const child = fork(file, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] });
  started.push(child);
  for (;;) {
    const [message] = await once(child, 'message');
    if (message === 'ready' || message.type === 'ready') return { child, pid: child.pid, details: message };
    if (message.type === 'failed') throw new Error(message.message);
  }
};

export const stop = async (parts) => {
  for (const { child } of parts) child.kill('SIGTERM');
  await Promise.all(parts.map(({ child }) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
};

/** Of a process: parent, and CPU milliseconds so far, in user and in system mode; the kernel counts in hundredths of a second. */
export const statOf = (pid) => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), user: Number(fields[11]) * 10, system: Number(fields[12]) * 10 };
};

/** Of all processes: parent, and CPU milliseconds so far. */
const processTable = () => {
  const table = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const { parent, user, system } = statOf(name);
      table.set(Number(name), { parent, ms: user + system });
    } catch {
      // It has ended meanwhile.
    }
  }
  return table;
};

const familyIn = (table, root) => {
  const isBelow = (pid) => pid === root || (table.has(pid) && isBelow(table.get(pid).parent));
  return [...table.keys()].filter(isBelow);
};

/** CPU milliseconds so far: of the process itself, and of it with all its descendants. */
export const cpuMs = (pid) => {
  const table = processTable();
  const tree = familyIn(table, pid).reduce((sum, each) => sum + table.get(each).ms, 0);
  return { own: table.get(pid)?.ms ?? 0, tree };
};

/** Resident megabytes of a process and of each of its descendants. */
export const residentMbEach = (pid) =>
  familyIn(processTable(), pid).map((each) => {
    const status = readFileSync(`/proc/${each}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
  });

/** Resident megabytes of a process and all its descendants. */
export const residentMb = (pid) => residentMbEach(pid).reduce((sum, mb) => sum + mb, 0);

/** A local cloud with provisioned queues and buckets, in a process of its own and a temporary folder. */
export const startCloud = async () => {
  const state = mkdtempSync(path.join(tmpdir(), 'imgrec-bench-'));
  const local = ['--local', '--state', state];
  const cloud = await start(module('../dist/src/localcloud/main.js'), ['--state', state]);
  const provisioning = fork(bin, ['provision', ...local, '--web-instances', '0', '--quiet', '--yes'], {
    stdio: 'ignore',
  });
  const [code] = await once(provisioning, 'exit');
  if (code !== 0) throw new Error(`provision ended with ${code}`);
  const credentials = JSON.parse(readFileSync(path.join(state, 'cloud.json'), 'utf8'));
  return {
    ...cloud,
    state,
    local,
    calls: () => readCalls(credentials),
    remove: () => rmSync(state, { recursive: true, force: true }),
  };
};

/** The load generator: every request must be answered, or the run is not valid. Returns the report of `imgrec bench`. */
export const generate = async ({ url, folder, requests, concurrency }) => {
  const load = ['--requests', String(requests), '--concurrency', String(concurrency), '--json'];
  const generator = fork(bin, ['bench', '--url', url, '--images', folder, ...load], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    execArgv: [],
  });
  let output = '';
  generator.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = await once(generator, 'close');
  if (code !== 0) throw new Error(`the run is not valid: ${output.slice(0, 400)}`);
  const report = JSON.parse(output);
  if (report.answered !== requests) throw new Error(`the run is not valid: ${output.slice(0, 400)}`);
  return report;
};

/** The reference: as many processes as there are cores, which decode, resize and classify the files of a folder from memory. */
export const startRaw = async (folder) => {
  const cores = availableParallelism();
  const parts = await Promise.all(
    Array.from({ length: cores }, (_, share) =>
      start(module('./raw-process.mjs'), [folder, String(share), String(cores)]),
    ),
  );
  return {
    parts,
    run: async (images) => {
      const each = Math.ceil(images / cores);
      const startedAt = performance.now();
      const done = parts.map(({ child }) => once(child, 'message'));
      for (const { child } of parts) child.send(each);
      const cpu = (await Promise.all(done)).reduce((sum, [{ cpuMs }]) => sum + cpuMs, 0);
      return {
        perSecond: (each * cores * 1_000) / (performance.now() - startedAt),
        cpuMs: cpu / (each * cores),
      };
    },
  };
};
