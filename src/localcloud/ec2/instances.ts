import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../../clock.ts';

export type InstanceState = 'pending' | 'running' | 'shutting-down' | 'terminated';

/** What RunInstances was told of an instance and what became of it. */
export interface Instance {
  readonly id: string;
  readonly reservationId: string;
  readonly launchIndex: number;
  /** Wall clock, milliseconds. */
  readonly launchedMs: number;
  readonly imageId: string;
  readonly instanceType: string;
  readonly clientToken: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly pid: number | undefined;
  state: InstanceState;
  /** Why it ended; '' while it runs. */
  reason: string;
  /** Monotonic milliseconds of the end. */
  endedMs: number | undefined;
}

export type LaunchRequest = Pick<
  Instance,
  'reservationId' | 'launchIndex' | 'imageId' | 'instanceType' | 'clientToken' | 'tags'
> & {
  /** Given to the program as it is, in IMGREC_USER_DATA. */
  readonly userData: string;
};

export interface Instances {
  /** Whether there is a program to start and this cloud is not closing. */
  readonly canLaunch: () => boolean;
  launch(request: LaunchRequest): Instance;
  get(id: string): Instance | undefined;
  /** All that live and those that ended less than an hour ago, oldest first. */
  list(): readonly Instance[];
  /** SIGTERM now, SIGKILL after the grace; does nothing to one that ends or has ended. */
  terminate(id: string): void;
  /** Terminates all; resolves when no process is left. */
  close(): Promise<void>;
}

export interface InstancesOptions {
  readonly launcher?: readonly string[];
  readonly clock: Clock;
  readonly graceSeconds: number;
  /** Gets `<instance id>.log` with what the program prints. */
  readonly logFolder: string;
  /** Added to this process's environment. */
  readonly environment: () => Readonly<Record<string, string>>;
  readonly log: (line: object) => void;
}

/** AWS lists the dead for about an hour. */
const rememberMs = 3_600_000;

interface Live {
  readonly instance: Instance;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  readonly stopKill: AbortController;
}

/** Settings of the person's own AWS account must not reach an instance: they would outrank what it is given. */
const inheritedEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_')));

/**
 * Instances as child processes. Each leads a process group and has an IPC channel: it says `{type:'ready'}` on it, and
 * the channel's end tells it that this process is gone, however that happened.
 */
export const createInstances = (options: InstancesOptions): Instances => {
  const { clock, launcher, log } = options;
  const instances = new Map<string, Instance>();
  const live = new Map<string, Live>();
  let closing = false;

  const signalGroup = (pid: number, signal: NodeJS.Signals): void => {
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // ESRCH: the group is gone. EPERM: macOS says so when only zombies are left in it.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ESRCH' && code !== 'EPERM') throw error;
    }
  };

  const forgetOld = (): void => {
    const beforeMs = clock.monotonicMs() - rememberMs;
    for (const instance of instances.values())
      if (instance.endedMs !== undefined && instance.endedMs < beforeMs) instances.delete(instance.id);
  };

  const start = (command: string, args: readonly string[], id: string, userData: string): ChildProcess => {
    mkdirSync(options.logFolder, { recursive: true, mode: 0o700 });
    const output = openSync(path.join(options.logFolder, `${id}.log`), 'a', 0o600);
    try {
      return spawn(command, args, {
        detached: true,
        stdio: ['ignore', output, output, 'ipc'],
        env: {
          ...inheritedEnvironment(),
          ...options.environment(),
          IMGREC_INSTANCE_ID: id,
          IMGREC_USER_DATA: userData,
        },
      });
    } finally {
      closeSync(output);
    }
  };

  const launch = (request: LaunchRequest): Instance => {
    const [command, ...args] = launcher ?? [];
    if (command === undefined) throw new Error('there is no launcher');
    const { userData, ...described } = request;
    const id = `i-${randomBytes(9).toString('hex').slice(0, 17)}`;
    const child = start(command, args, id, userData);
    const instance: Instance = {
      ...described,
      id,
      launchedMs: clock.wallMs(),
      pid: child.pid,
      state: 'pending',
      reason: '',
      endedMs: undefined,
    };
    instances.set(id, instance);
    const stopKill = new AbortController();
    const ended = new Promise<void>((resolve) => {
      const end = (reason: string): void => {
        if (instance.endedMs !== undefined) return;
        stopKill.abort();
        // What the program left behind in its group ends with the instance, as it would on a machine.
        if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
        instance.endedMs = clock.monotonicMs();
        if (instance.state !== 'shutting-down') instance.reason = reason;
        instance.state = 'terminated';
        live.delete(id);
        log({ event: 'instance-ended', id, reason });
        resolve();
      };
      child.once('error', (error) => end(`Server.InternalError: ${error.message}`));
      child.once('exit', (code, signal) => end(`Server.InstanceExit: ${signal ?? `exit code ${code}`}`));
    });
    child.on('message', (message) => {
      const type =
        typeof message === 'object' && message !== null && 'type' in message ? message.type : undefined;
      if (type === 'ready' && instance.state === 'pending') {
        instance.state = 'running';
        log({ event: 'instance-running', id });
      }
    });
    live.set(id, { instance, child, ended, stopKill });
    log({ event: 'instance-started', id, pid: child.pid });
    return instance;
  };

  const terminate = (id: string): void => {
    const found = live.get(id);
    if (!found || found.instance.state === 'shutting-down') return;
    const { instance, child, stopKill } = found;
    instance.state = 'shutting-down';
    instance.reason = 'User initiated';
    // Only the program itself: it drains and ends its own children in its own order.
    child.kill('SIGTERM');
    void clock.sleep(options.graceSeconds * 1000, stopKill.signal).then(() => {
      if (stopKill.signal.aborted || child.pid === undefined) return;
      log({ event: 'instance-killed', id, afterSeconds: options.graceSeconds });
      signalGroup(child.pid, 'SIGKILL');
    });
  };

  return {
    canLaunch: () => launcher !== undefined && launcher.length > 0 && !closing,
    launch,
    get: (id) => instances.get(id),
    list: () => {
      forgetOld();
      return [...instances.values()];
    },
    terminate,
    close: async () => {
      closing = true;
      const all = [...live.values()];
      for (const { instance } of all) terminate(instance.id);
      await Promise.all(all.map(({ ended }) => ended));
    },
  };
};
