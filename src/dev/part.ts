import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { type Clock, finishesWithin } from '../clock.ts';
import { ImgrecError } from '../errors.ts';

/** What a process said when it was ready. */
export type PartDetails = Readonly<Record<string, unknown>>;

/** One process of a cluster on this machine, from the moment it is started. */
export interface Part {
  readonly pid: number | undefined;
  /** Rejects with an ImgrecError when it ends before it is ready, in its own words where it said why, or takes too long. */
  readonly ready: Promise<PartDetails>;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Asks it to stop; kills it when it has not ended after `graceMs`. */
  stop(graceMs: number): Promise<void>;
  kill(): void;
}

export interface PartOptions {
  readonly name: string;
  readonly module: string;
  readonly args: readonly string[];
  readonly stateFolder: string;
  /** Must exist. */
  readonly logFolder: string;
  readonly readyWithinMs: number;
  readonly clock: Clock;
  /** Called with what it tells while it runs. */
  readonly onTold?: (details: PartDetails) => void;
}

const message = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('ready') }),
  z.looseObject({ type: z.literal('told') }),
  z.object({ type: z.literal('failed'), message: z.string(), hint: z.string().optional() }),
]);

/** Settings of whoever started the supervisor are the supervisor's: a part gets its own as arguments, and no others. */
const partEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('IMGREC_')));

/**
 * Starts a process. It runs in a process group of its own, so that a terminal's Ctrl-C reaches the supervisor only; it is
 * killed when this process exits, and ends when its channel to this process closes, so that no `kill -9` leaves an orphan.
 */
export const launchPart = (options: PartOptions): Part => {
  const { name, clock, readyWithinMs } = options;
  const logFile = path.join(options.logFolder, `${name}.log`);
  const log = openSync(logFile, 'a', 0o600);
  const child: ChildProcess = fork(options.module, [...options.args], {
    cwd: options.stateFolder,
    detached: true,
    env: partEnvironment(),
    execArgv: [],
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const kill = () => void child.kill('SIGKILL');
  // First of all that happens at the exit: what else is done then counts on it.
  process.prependOnceListener('exit', kill);
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      process.removeListener('exit', kill);
      resolve();
    };
    child.once('exit', end);
    child.once('error', end);
  });

  const becomeReady = async (): Promise<PartDetails> => {
    let details: PartDetails | undefined;
    let failure: ImgrecError | undefined;
    const settled = new Promise<void>((resolve) => {
      child.on('message', (received) => {
        const { data } = message.safeParse(received);
        if (data?.type === 'failed')
          failure = new ImgrecError(data.message, data.hint === undefined ? {} : { hint: data.hint });
        if (data?.type === 'told') options.onTold?.(data);
        if (data?.type !== 'ready') return;
        details = data;
        resolve();
      });
    });
    const inTime = await finishesWithin(Promise.race([settled, ended]), readyWithinMs, clock);
    if (details !== undefined) return details;
    kill();
    await ended;
    if (failure !== undefined) throw failure;
    const what = inTime ? 'ended before it was ready' : `was not ready after ${readyWithinMs / 1_000} s`;
    throw new ImgrecError(`${name} ${what}`, { hint: `its log: ${logFile}` });
  };
  const ready = becomeReady();
  // Whoever does not ask is not told.
  ready.catch(() => {});

  return {
    pid: child.pid,
    ready,
    ended,
    stop: async (graceMs) => {
      child.kill('SIGTERM');
      if (await finishesWithin(ended, graceMs, clock)) return;
      kill();
      await ended;
    },
    kill,
  };
};
