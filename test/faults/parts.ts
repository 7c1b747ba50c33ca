import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { descendantsOf } from '../fixtures/process-table.ts';

/** One process of a cluster, at the mercy of a test. */
export interface Part {
  readonly name: string;
  readonly pid: number;
  readonly startedAtMs: number;
  /** What it said when it was ready. Rejects with the end of its log when it ends before, or takes too long. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  isRunning(): boolean;
  signal(name: NodeJS.Signals): void;
  /** Resolves when it has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** The processes below it. */
  children(): readonly number[];
  /** Everything it wrote. */
  log(): string;
}

export interface PartOptions {
  readonly name: string;
  readonly module: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string>>;
}

const readyWithinMs = 60_000;

/** Of every part that runs: whatever happens to this process, none is left behind, a stopped one least of all. */
const running = new Map<number, Part>();

const killPid = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
};

const killAll = (): void => {
  for (const part of running.values()) for (const pid of [...part.children(), part.pid]) killPid(pid);
};
process.on('exit', killAll);
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => process.exit(130));

/** A part gets its settings as arguments, and none from whoever runs the tests. */
const cleanEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(IMGREC|AWS)_/.test(name)));

let started = 0;

/** Starts a process in a group of its own. Its channel to this process makes it end when this process does. */
export const startPart = (options: PartOptions): Part => {
  const { name, folder } = options;
  const logFile = `${folder}/${name}-${++started}.log`;
  const out = openSync(logFile, 'a');
  const child: ChildProcess = fork(options.module, [...options.args], {
    cwd: folder,
    detached: true,
    env: { ...cleanEnvironment(), ...options.environment },
    execArgv: [],
    stdio: ['ignore', out, out, 'ipc'],
  });
  closeSync(out);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} could not be started`);
  let isRunning = true;
  const ended = new Promise<{ readonly code: number | null; readonly signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => {
      isRunning = false;
      running.delete(pid);
      resolve({ code, signal });
    });
  });
  const log = () => readFileSync(logFile, 'utf8');
  const tail = () => log().slice(-2_000);
  const saidReady = new Promise<Readonly<Record<string, unknown>>>((resolve) => {
    child.on('message', (message: { readonly type?: string }) => {
      if (message.type === 'ready') resolve(message);
    });
  });
  const waiting = new AbortController();
  const ready = Promise.race([
    saidReady,
    ended.then(({ code, signal }) => {
      throw new Error(`${name} ended before it was ready (${code ?? signal}):\n${tail()}`);
    }),
    delay(readyWithinMs, undefined, { signal: waiting.signal }).then(() => {
      throw new Error(`${name} was not ready after ${readyWithinMs} ms:\n${tail()}`);
    }),
  ]).finally(() => waiting.abort());
  // Whoever does not ask is not told.
  ready.catch(() => {});

  const part: Part = {
    name,
    pid,
    startedAtMs: performance.now(),
    ready,
    isRunning: () => isRunning,
    // By pid: a part that ended may have been replaced by nobody we know.
    signal: (signal) => {
      if (isRunning) process.kill(pid, signal);
    },
    ended,
    kill: async () => {
      if (isRunning) process.kill(pid, 'SIGKILL');
      await ended;
    },
    children: () => (isRunning ? descendantsOf(pid).map((entry) => entry.pid) : []),
    log,
  };
  running.set(pid, part);
  return part;
};
