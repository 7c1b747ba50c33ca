import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../errors.ts';

/** What runs behind an instance. */
export interface Machine {
  /** Asks it to end, the first time; who asks again means no more by it. */
  stop(): void;
  /** Ends it, and everything it started, now. */
  kill(): void;
}

export interface MachineEvents {
  /** It can do its work. */
  readonly onReady: () => void;
  /** Nothing of it is left; comes once. `failed`: not of its own will. */
  readonly onEnd: (how: { readonly why: string; readonly failed: boolean }) => void;
}

export type StartMachine = (instanceId: string, userData: string, events: MachineEvents) => Machine;

export interface ProcessMachineOptions {
  /** argv */
  readonly launcher: readonly string[];
  /** Gets `<instance id>.log` with what the program prints. */
  readonly logFolder: string;
  /** Added to this process's environment. */
  readonly environment: (instanceId: string) => Readonly<Record<string, string>>;
  readonly log: (line: object) => void;
}

/** Settings of the person's own AWS account must not reach an instance: they would outrank what it is given. */
const inheritedEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_')));

const signalGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: the group is gone. EPERM: macOS says so when only zombies are left in it.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
};

/**
 * Machines that are child processes. Each leads a process group and has an IPC channel: it says `{type:'ready'}` on it, and
 * the channel's end tells it that this process is gone, however that happened.
 */
export const processMachines = (options: ProcessMachineOptions): StartMachine => {
  const [command = '', ...args] = options.launcher;

  const begin = (id: string, userData: string): ChildProcess => {
    mkdirSync(options.logFolder, { recursive: true, mode: 0o700 });
    const output = openSync(path.join(options.logFolder, `${id}.log`), 'a', 0o600);
    try {
      return spawn(command, args, {
        detached: true,
        stdio: ['ignore', output, output, 'ipc'],
        env: {
          ...inheritedEnvironment(),
          ...options.environment(id),
          IMGREC_INSTANCE_ID: id,
          IMGREC_USER_DATA: userData,
        },
      });
    } finally {
      closeSync(output);
    }
  };

  return (id, userData, { onReady, onEnd }) => {
    const child = begin(id, userData);
    options.log({ event: 'instance-process', id, pid: child.pid });
    let hasEnded = false;
    let isAsked = false;
    const end = (why: string, failed: boolean): void => {
      if (hasEnded) return;
      hasEnded = true;
      // What the program left behind in its group ends with the instance, as it would on a machine.
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
      onEnd({ why, failed });
    };
    child.once('error', (error) => end(error.message, true));
    child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`, code !== 0));
    child.on('message', (message) => {
      if (typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready')
        onReady();
    });
    return {
      stop: () => {
        // A second SIGTERM would end a draining program at once; systemd sends one to a unit, however many reasons there are.
        if (isAsked) return;
        isAsked = true;
        // Only the program itself: it drains and ends its own children in its own order.
        child.kill('SIGTERM');
      },
      kill: () => {
        if (child.pid !== undefined && !hasEnded) signalGroup(child.pid, 'SIGKILL');
      },
    };
  };
};

/**
 * A machine that is there at once and whose program starts when `until` resolves. Whoever stops it before has nothing to wait for.
 * @param isReadyAtOnce whether it counts as ready before its program does
 */
export const startingLater =
  (
    start: StartMachine,
    until: (signal: AbortSignal) => Promise<void>,
    isReadyAtOnce: boolean,
  ): StartMachine =>
  (id, userData, events) => {
    const stopped = new AbortController();
    let machine: Machine | undefined;
    if (isReadyAtOnce)
      setImmediate(() => {
        if (!stopped.signal.aborted) events.onReady();
      });
    void until(stopped.signal).then(() => {
      if (stopped.signal.aborted) return;
      try {
        machine = start(id, userData, events);
      } catch (error) {
        stopped.abort();
        events.onEnd({ why: messageOf(error), failed: true });
      }
    });
    const end = (act: (machine: Machine) => void) => () => {
      if (machine) act(machine);
      else if (!stopped.signal.aborted) {
        stopped.abort();
        setImmediate(events.onEnd, { why: 'a switch, before it started', failed: false });
      }
    };
    return {
      stop: end((one) => one.stop()),
      kill: end((one) => one.kill()),
    };
  };

/** Machines that do nothing and cost nothing: for tests of what controls a thousand of them. */
export const idleMachines: StartMachine = (_id, _userData, { onReady, onEnd }) => {
  let isOn = true;
  const end = (): void => {
    if (!isOn) return;
    isOn = false;
    setImmediate(onEnd, { why: 'switched off', failed: false });
  };
  setImmediate(() => {
    if (isOn) onReady();
  });
  return { stop: end, kill: end };
};
