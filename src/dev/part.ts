import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { type Clock, finishesWithin } from '../clock.ts';
import { ImgrecError } from '../errors.ts';

/** One process of a cluster on this machine. */
export interface Part {
  readonly name: string;
  readonly pid: number;
  /** What the process said when it was ready. */
  readonly details: Readonly<Record<string, unknown>>;
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
  readonly logFolder: string;
  readonly readyWithinMs: number;
  readonly clock: Clock;
}

const isReady = (message: unknown): message is Readonly<Record<string, unknown>> =>
  typeof message === 'object' && message !== null && (message as { type?: unknown }).type === 'ready';

/**
 * Starts a process and waits until it says that it is ready. It runs in a process group of its own, so that a terminal's Ctrl-C
 * reaches the supervisor only, and it ends when its channel to the supervisor closes, so that no `kill -9` leaves an orphan.
 * @throws ImgrecError when it ends before it is ready, or takes too long
 */
export const startPart = async (options: PartOptions): Promise<Part> => {
  mkdirSync(options.logFolder, { recursive: true });
  const logFile = path.join(options.logFolder, `${options.name}.log`);
  const log = openSync(logFile, 'a');
  const child: ChildProcess = fork(options.module, [...options.args], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  let details: Readonly<Record<string, unknown>> | undefined;
  const ready = new Promise<void>((resolve) => {
    child.on('message', (message) => {
      if (!isReady(message)) return;
      details = message;
      resolve();
    });
  });
  const kill = () => void child.kill('SIGKILL');
  const inTime = await finishesWithin(Promise.race([ready, ended]), options.readyWithinMs, options.clock);
  if (details === undefined) {
    kill();
    const what = inTime
      ? 'ended before it was ready'
      : `was not ready after ${options.readyWithinMs / 1_000} s`;
    throw new ImgrecError(`${options.name} ${what}`, { hint: `its log: ${logFile}` });
  }
  return {
    name: options.name,
    pid: child.pid ?? 0,
    details,
    ended,
    stop: async (graceMs) => {
      child.kill('SIGTERM');
      if (await finishesWithin(ended, graceMs, options.clock)) return;
      kill();
      await ended;
    },
    kill,
  };
};
