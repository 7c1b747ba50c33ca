import { aborted, type Clock } from '../../clock.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import { type Machine, type StartMachine, startingLater } from './machine.ts';
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
  /** Of the subnet's own, apart from any Elastic IP. */
  readonly hasPublicAddress: boolean;
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

/** How an instance starts and may end, where that is out of the ordinary. */
export interface Disturbance {
  /** Between running and the start of its program, milliseconds. Infinity: it never starts. */
  readonly bootDelayMs: number;
  /** Milliseconds from the launch to the notice, and from there to the end. */
  readonly interruption: { readonly afterMs: number; readonly noticeMs: number } | undefined;
}

export interface Instance extends LaunchRequest {
  readonly id: string;
  /** Of the launch or the last start. Wall clock, milliseconds. */
  readonly launchedMs: number;
  readonly state: InstanceState;
  readonly reason: StateReason | undefined;
  /** Of the termination. Wall clock, milliseconds. */
  readonly endedMs: number | undefined;
  /** When EC2 will take it back. Wall clock, milliseconds; undefined until there is notice of it. */
  readonly interruptionMs?: number;
}

export interface Instances {
  /** Whether there is something to start and this cloud is not closing. */
  readonly canLaunch: () => boolean;
  launch(request: LaunchRequest, disturbance?: Disturbance): Instance;
  get(id: string): Instance | undefined;
  /** All that live and those that ended less than an hour ago, oldest first. */
  list(): readonly Instance[];
  /** The same as they were `lagMs` ago. */
  listAsOf(lagMs: number): readonly Instance[];
  setTags(id: string, tags: Tags): void;
  /** Starts a stopped one again; does nothing to any other. */
  start(id: string, disturbance?: Disturbance): void;
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

const byEc2: StateReason = {
  code: 'Server.SpotInstanceTermination',
  message: 'Server.SpotInstanceTermination: Spot instance termination',
};
const undisturbed: Disturbance = { bootDelayMs: 0, interruption: undefined };
/** Changes of state that are remembered of each, for whoever looks late. */
const maxHistory = 8;

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
  const histories = new Map<string, readonly { readonly sinceMs: number; readonly instance: Instance }[]>();
  let closing = false;

  const put = (instance: Instance): void => {
    const known = instances.get(instance.id);
    instances.put(instance.id, instance);
    // One that was there before this local cloud started was always as it was found.
    const before =
      histories.get(instance.id) ?? (known ? [{ sinceMs: Number.NEGATIVE_INFINITY, instance: known }] : []);
    const history = [...before, { sinceMs: clock.monotonicMs(), instance }];
    // The oldest stays, without which it would seem not to have been there.
    histories.set(instance.id, history.length > maxHistory ? history.toSpliced(1, 1) : history);
  };

  const change = (id: string, changes: Partial<Instance>): void => {
    const before = instances.get(id);
    if (before) put({ ...before, ...changes });
  };

  const forgetOld = (): void => {
    const beforeMs = clock.wallMs() - rememberMs;
    for (const { id, endedMs } of [...instances.values()])
      if (endedMs !== undefined && endedMs < beforeMs) {
        instances.remove(id);
        histories.delete(id);
      }
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

  /** A machine that boots as slowly as it is told to. */
  const booting = (start: StartMachine, delayMs: number): StartMachine =>
    delayMs === 0
      ? start
      : startingLater(
          start,
          (signal) => (delayMs === Number.POSITIVE_INFINITY ? aborted(signal) : clock.sleep(delayMs, signal)),
          true,
        );

  const begin = ({ id, userData }: Instance, { bootDelayMs, interruption }: Disturbance): void => {
    if (!startMachine) throw new Error('there is nothing to start');
    const over = new AbortController();
    let resolveEnded = (): void => {};
    const ended = new Promise<void>((resolve) => {
      resolveEnded = resolve;
    });
    const machine = booting(startMachine, bootDelayMs)(id, userData, {
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
    log({ event: 'instance-started', id });
    if (interruption) void interrupt(id, interruption, over.signal);
  };

  /** Notice, and the end when its time has come. */
  const interrupt = async (
    id: string,
    { afterMs, noticeMs }: NonNullable<Disturbance['interruption']>,
    over: AbortSignal,
  ): Promise<void> => {
    await clock.sleep(afterMs, over);
    if (over.aborted) return;
    change(id, { interruptionMs: clock.wallMs() + noticeMs });
    log({ event: 'spot-interruption', id, afterMs, noticeMs });
    await clock.sleep(noticeMs, over);
    if (!over.aborted) terminate(id, byEc2);
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

  const terminate = (id: string, reason: StateReason = byUser): void => {
    const instance = instances.get(id);
    if (!instance || instance.state === 'shutting-down' || instance.state === 'terminated') return;
    if (live.has(id)) {
      change(id, { state: 'shutting-down', reason });
      // One that is stopping has its SIGTERM and its deadline already.
      if (instance.state !== 'stopping') end(id, options.graceSeconds);
    } else change(id, { state: 'terminated', reason, endedMs: clock.wallMs() });
  };

  return {
    canLaunch: () => startMachine !== undefined && !closing,
    launch: (request, disturbance = undisturbed) => {
      const id = hexId('i');
      const instance: Instance = {
        ...request,
        id,
        launchedMs: clock.wallMs(),
        state: 'pending',
        reason: undefined,
        endedMs: undefined,
      };
      put(instance);
      begin(instance, disturbance);
      return instance;
    },
    get: instances.get,
    list: () => {
      forgetOld();
      return [...instances.values()];
    },
    listAsOf: (lagMs) => {
      const atMs = clock.monotonicMs() - lagMs;
      return [...instances.values()].flatMap(
        // What was there before this local cloud started has no history and does not lag.
        (instance) =>
          (histories.get(instance.id) ?? [{ sinceMs: atMs, instance }]).findLast(
            ({ sinceMs }) => sinceMs <= atMs,
          )?.instance ?? [],
      );
    },
    setTags: (id, tags) => change(id, { tags }),
    start: (id, disturbance = undisturbed) => {
      const instance = instances.get(id);
      if (instance?.state !== 'stopped') return;
      change(id, { state: 'pending', reason: undefined, launchedMs: clock.wallMs() });
      begin(instance, disturbance);
    },
    stop: (id, force) => {
      const state = instances.get(id)?.state;
      if (state !== 'running' && state !== 'pending') return;
      change(id, { state: 'stopping', reason: byUser });
      end(id, force ? 0 : options.graceSeconds);
    },
    terminate,
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
