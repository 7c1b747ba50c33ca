import type { Clock } from '../../clock.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import type { Machine, StartMachine } from './machine.ts';
import { hexId } from './names.ts';
import type { Tags } from './tags.ts';

export type InstanceState = 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped';

/** Why an instance is in the state it is in. */
export interface StateReason {
  /** As https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html lists them. */
  readonly code: string;
  readonly message: string;
}

/** What an instance was launched with. */
export interface LaunchRequest {
  readonly reservationId: string;
  readonly launchIndex: number;
  readonly imageId: string;
  readonly instanceType: string;
  readonly clientToken: string;
  /** Of the whole request, by which a repeated client token is judged. */
  readonly requestHash: string;
  readonly tags: Tags;
  readonly subnetId: string;
  readonly zone: string;
  readonly groupIds: readonly string[];
  /** Of its instance profile; '' where it has none. */
  readonly profileArn: string;
  readonly market: 'on-demand' | 'spot';
  /** What becomes of it when its program ends by itself. */
  readonly onShutdown: 'stop' | 'terminate';
  /** MetadataOptions, as they were sent. */
  readonly metadataOptions: Readonly<Record<string, string>>;
  /** Given to the program as it is, in IMGREC_USER_DATA. */
  readonly userData: string;
}

export interface Instance extends LaunchRequest {
  readonly id: string;
  /** Of the launch or the last start. Wall clock, milliseconds. */
  readonly launchedMs: number;
  readonly state: InstanceState;
  readonly reason: StateReason | undefined;
  /** Of the termination. Wall clock, milliseconds. */
  readonly endedMs: number | undefined;
}

export interface Instances {
  /** Whether there is something to start and this cloud is not closing. */
  readonly canLaunch: () => boolean;
  launch(request: LaunchRequest): Instance;
  get(id: string): Instance | undefined;
  /** All that live and those that ended less than an hour ago, oldest first. */
  list(): readonly Instance[];
  setTags(id: string, tags: Tags): void;
  /** Starts a stopped one again; does nothing to any other. */
  start(id: string): void;
  /** As terminate, but it can be started again. `force`: no grace. Does nothing to one that does not run. */
  stop(id: string, force: boolean): void;
  /** SIGTERM now, SIGKILL after the grace; does nothing to one that ends or has ended. */
  terminate(id: string, reason?: StateReason): void;
  /**
   * SIGTERM to what runs on it, and SIGKILL later than a termination's, as systemd stops a unit. Resolves when it has ended; what
   * becomes of the instance is for its shutdown behaviour to say.
   */
  stopProgram(id: string): Promise<void>;
  /** After the journal was read: what ran behind the instances ended with the local cloud before this one. */
  recover(): void;
  /** Ends what runs behind them all, as when a host goes down; resolves when nothing is left. */
  close(): Promise<void>;
}

export interface InstancesOptions {
  /** Undefined: nothing can be launched. */
  readonly startMachine?: StartMachine;
  readonly shelves: Shelves;
  readonly clock: Clock;
  readonly graceSeconds: number;
  readonly log: (line: object) => void;
}

/** How much longer than the program's own grace a unit's TimeoutStopSec is. */
const unitStopMarginSeconds = 5;
/** AWS lists the dead for about an hour. */
const rememberMs = 3_600_000;

const byUser: StateReason = {
  code: 'Client.UserInitiatedShutdown',
  message: 'Client.UserInitiatedShutdown: User initiated shutdown',
};
const hostGone: StateReason = {
  code: 'Server.InternalError',
  message: 'Server.InternalError: the local cloud that it ran on was stopped',
};

interface Live {
  readonly machine: Machine;
  readonly ended: Promise<void>;
  /** Aborts when it has ended. */
  readonly over: AbortSignal;
}

const isOver = ({ state }: Instance): boolean => state === 'terminated' || state === 'stopped';

/** The states of instances, and the machines behind those that run. */
export const createInstances = (options: InstancesOptions): Instances => {
  const { clock, startMachine, log } = options;
  const instances: Shelf<Instance> = options.shelves.open('ec2.instance');
  const live = new Map<string, Live>();
  let closing = false;

  const change = (id: string, changes: Partial<Instance>): void => {
    const before = instances.get(id);
    if (before) instances.put(id, { ...before, ...changes });
  };

  const forgetOld = (): void => {
    const beforeMs = clock.wallMs() - rememberMs;
    for (const { id, endedMs } of [...instances.values()])
      if (endedMs !== undefined && endedMs < beforeMs) instances.remove(id);
  };

  /** What is left of an instance when its machine is gone. One that never ran is not kept, as on AWS. */
  const settle = (instance: Instance, reason: StateReason): void => {
    const isAsked = instance.state === 'shutting-down' || instance.state === 'stopping';
    const isKept =
      instance.state === 'stopping' || (instance.state === 'running' && instance.onShutdown === 'stop');
    const state = isKept ? 'stopped' : 'terminated';
    change(instance.id, {
      state,
      ...(!isAsked && { reason }),
      ...(state === 'terminated' && { endedMs: clock.wallMs() }),
    });
    log({ event: 'instance-ended', id: instance.id, state, reason: reason.message });
  };

  const begin = ({ id, userData }: Instance): void => {
    if (!startMachine) throw new Error('there is nothing to start');
    const over = new AbortController();
    let resolveEnded = (): void => {};
    const ended = new Promise<void>((resolve) => {
      resolveEnded = resolve;
    });
    const machine = startMachine(id, userData, {
      onReady: () => {
        if (instances.get(id)?.state !== 'pending') return;
        change(id, { state: 'running' });
        log({ event: 'instance-running', id });
      },
      onEnd: ({ why, failed }) => {
        over.abort();
        live.delete(id);
        const instance = instances.get(id);
        const code = failed ? 'Server.InternalError' : 'Client.InstanceInitiatedShutdown';
        if (instance) settle(instance, { code, message: `${code}: its program ended with ${why}` });
        resolveEnded();
      },
    });
    live.set(id, { machine, ended, over: over.signal });
    log({ event: 'instance-started', id, pid: machine.pid });
  };

  const end = (id: string, graceSeconds: number): void => {
    const found = live.get(id);
    if (!found) return;
    found.machine.stop();
    void clock.sleep(graceSeconds * 1000, found.over).then(() => {
      if (found.over.aborted) return;
      log({ event: 'instance-killed', id, afterSeconds: graceSeconds });
      found.machine.kill();
    });
  };

  return {
    canLaunch: () => startMachine !== undefined && !closing,
    launch: (request) => {
      const id = hexId('i');
      const instance: Instance = {
        ...request,
        id,
        launchedMs: clock.wallMs(),
        state: 'pending',
        reason: undefined,
        endedMs: undefined,
      };
      instances.put(id, instance);
      begin(instance);
      return instance;
    },
    get: instances.get,
    list: () => {
      forgetOld();
      return [...instances.values()];
    },
    setTags: (id, tags) => change(id, { tags }),
    start: (id) => {
      const instance = instances.get(id);
      if (instance?.state !== 'stopped') return;
      change(id, { state: 'pending', reason: undefined, launchedMs: clock.wallMs() });
      begin(instance);
    },
    stop: (id, force) => {
      const state = instances.get(id)?.state;
      if (state !== 'running' && state !== 'pending') return;
      change(id, { state: 'stopping', reason: byUser });
      end(id, force ? 0 : options.graceSeconds);
    },
    terminate: (id, reason = byUser) => {
      const instance = instances.get(id);
      if (!instance || instance.state === 'shutting-down' || instance.state === 'terminated') return;
      if (live.has(id)) {
        change(id, { state: 'shutting-down', reason });
        // One that is stopping has its SIGTERM and its deadline already.
        if (instance.state !== 'stopping') end(id, options.graceSeconds);
      } else change(id, { state: 'terminated', reason, endedMs: clock.wallMs() });
    },
    stopProgram: (id) => {
      end(id, options.graceSeconds + unitStopMarginSeconds);
      return live.get(id)?.ended ?? Promise.resolve();
    },
    recover: () => {
      for (const instance of [...instances.values()]) if (!isOver(instance)) settle(instance, hostGone);
    },
    close: async () => {
      closing = true;
      const all = [...live];
      for (const [id] of all) end(id, options.graceSeconds);
      await Promise.all(all.map(([, { ended }]) => ended));
    },
  };
};
