import { createHash } from 'node:crypto';
import type { FoundInstance, InstanceState, LaunchRequest } from '../../src/aws/ec2.ts';
import { CloudError } from '../../src/aws/errors.ts';
import { clusterNames, tagKeys } from '../../src/aws/names.ts';
import type { Register } from '../../src/aws/register.ts';
import type { Hands } from '../../src/scaling/act.ts';
import { readLock } from '../../src/scaling/lease.ts';
import type { Sources } from '../../src/scaling/observe.ts';
import type { SimClock } from '../fixtures/sim-clock.ts';

/**
 * AWS as far as a scaler can see it, on a simulated clock: S3's versions and whole seconds, EC2's tokens, lagging lists and
 * refusals, an approximate queue, and workers that boot, work, report and drain. One object; each scaler sees it through `seenBy`.
 */
export interface World {
  readonly names: ReturnType<typeof clusterNames>;
  readonly machines: Map<string, Machine>;
  readonly calls: Map<string, number>;
  /** Journal objects by key. */
  readonly journal: Map<string, string>;
  /** Every effect on an instance, and whether whoever caused it held the lease then. */
  readonly effects: Effect[];
  /** Every write of the lock. */
  readonly writes: { readonly owner: string; readonly atMs: number }[];
  /** Images waiting, and done. */
  queue: { waiting: number; done: number };
  mostAlive: number;
  faults: Faults;
  /** What one scaler process can call. It sees and does nothing any more once `fate.dead`. */
  seenBy(fate: Fate): {
    readonly register: Register;
    readonly sources: Sources;
    readonly hands: Omit<Hands, 'log'>;
  };
  lock(): ReturnType<typeof readLock>;
  alive(): Machine[];
}

export interface Machine {
  readonly id: string;
  readonly request: LaunchRequest;
  readonly launchedMs: number;
  state: InstanceState;
  report:
    | {
        state: 'starting' | 'ready' | 'draining' | 'stopped';
        atMs: number;
        done: number;
        busySeconds: number;
      }
    | undefined;
  readyMs: number | undefined;
  drainAskedMs: number | undefined;
  /** When EC2 was told to end it, and whether it was working then. */
  ended: { readonly atMs: number; readonly working: boolean } | undefined;
}

export interface Effect {
  readonly kind: 'launch' | 'terminate' | 'drain' | 'stop' | 'start';
  readonly id: string;
  readonly atMs: number;
  readonly byOwner: boolean;
}

/** One scaler process: how its calls go. */
export interface Fate {
  dead: boolean;
  /** Called before and after each call with its name: waits, or kills. */
  around?: (call: string, when: 'before' | 'after') => Promise<void>;
  /** The lease's owner as this process believes. */
  owner?: string;
}

export interface Faults {
  /** Thrown instead of, or after, a launch. */
  launch?: (request: LaunchRequest) => { readonly error: CloudError; readonly done: boolean } | undefined;
  listLagMs: number;
  bootMs: (machine: Machine) => number;
  /** Images a second of one worker. */
  rate: number;
  /** Takes a worker to finish what it has. */
  drainMs: number;
  /** Instances that hang: they do nothing and say nothing any more. */
  mute: Set<string>;
}

export const refusal = (code: string, status: number): CloudError =>
  new CloudError('launch an instance', code, status >= 500, {
    name: code,
    $metadata: { httpStatusCode: status },
  });

export const silence = (): CloudError =>
  new CloudError('launch an instance', 'TimeoutError', true, undefined);

const cut = (ms: number): number => Math.floor(ms / 1_000) * 1_000;
const reportEveryMs = 20_000;
const stepMs = 1_000;

export const createWorld = (clock: SimClock): World => {
  const names = clusterNames('sim', '000000000000', 'us-east-1');
  const machines = new Map<string, Machine>();
  const tokens = new Map<string, string>();
  let lock: { body: string; etag: string; modifiedMs: number } | undefined;
  let serial = 0;

  const world: World = {
    names,
    machines,
    calls: new Map(),
    journal: new Map(),
    effects: [],
    writes: [],
    queue: { waiting: 0, done: 0 },
    mostAlive: 0,
    faults: { listLagMs: 0, bootMs: () => 30_000, rate: 4, drainMs: 3_000, mute: new Set() },
    lock: () => readLock(lock === undefined ? undefined : { ...lock }),
    alive: () => [...machines.values()].filter(({ state }) => state === 'pending' || state === 'running'),
    seenBy: (fate) => {
      const call = async <T>(name: string, act: () => T): Promise<T> => {
        world.calls.set(name, (world.calls.get(name) ?? 0) + 1);
        await fate.around?.(name, 'before');
        if (fate.dead) return new Promise<T>(() => {});
        let result: T;
        try {
          result = act();
        } finally {
          await fate.around?.(name, 'after');
        }
        if (fate.dead) return new Promise<T>(() => {});
        return result;
      };
      const effect = (kind: Effect['kind'], id: string) => {
        const { owner, leaseSeconds } = world.lock();
        const byOwner = leaseSeconds > 0 && owner === fate.owner;
        world.effects.push({ kind, id, atMs: clock.monotonicMs(), byOwner });
      };

      const register: Register = {
        read: () =>
          call('s3:GetObject lock', () => ({
            nowMs: cut(clock.wallMs()),
            version: lock === undefined ? undefined : { ...lock, modifiedMs: cut(lock.modifiedMs) },
          })),
        write: (body, over) =>
          call('s3:PutObject lock', () => {
            if (over !== lock?.etag) return { kind: 'conflict' as const };
            lock = {
              body,
              etag: `"${createHash('md5').update(body).digest('hex')}"`,
              modifiedMs: clock.wallMs(),
            };
            fate.owner = readLock(lock).owner;
            world.writes.push({ owner: fate.owner, atMs: clock.monotonicMs() });
            return { kind: 'written' as const, etag: lock.etag, nowMs: cut(clock.wallMs()) };
          }),
        close: () => {},
      };

      const launch = (request: LaunchRequest): FoundInstance => {
        const known = tokens.get(request.clientToken);
        const machine = known === undefined ? undefined : machines.get(known);
        if (machine !== undefined) return found(machine);
        const fault = world.faults.launch?.(request);
        if (fault !== undefined && !fault.done) throw fault.error;
        const id = `i-${String(++serial).padStart(8, '0')}`;
        tokens.set(request.clientToken, id);
        const made: Machine = {
          id,
          request,
          launchedMs: clock.wallMs(),
          state: 'pending',
          report: undefined,
          readyMs: undefined,
          drainAskedMs: undefined,
          ended: undefined,
        };
        machines.set(id, made);
        effect('launch', id);
        world.mostAlive = Math.max(world.mostAlive, world.alive().length);
        if (fault !== undefined) throw fault.error;
        return found(made);
      };
      const end = (id: string, state: InstanceState) => {
        const machine = machines.get(id);
        if (machine === undefined || machine.state === 'terminated') return;
        effect(state === 'terminated' ? 'terminate' : 'stop', id);
        const working = machine.report?.state === 'ready' || machine.report?.state === 'draining';
        machine.ended ??= { atMs: clock.monotonicMs(), working };
        machine.state = state;
      };

      return {
        register,
        sources: {
          names,
          sqs: {
            attributes: () =>
              call('sqs:GetQueueAttributes', () => ({
                ApproximateNumberOfMessages: String(Math.floor(world.queue.waiting)),
                ApproximateNumberOfMessagesNotVisible: '0',
                ApproximateNumberOfMessagesDelayed: '0',
              })),
          },
          s3: {
            list: (_bucket, prefix) =>
              call(`s3:ListObjectsV2 ${prefix}`, () =>
                prefix !== 'fleet/'
                  ? []
                  : [...machines.values()].flatMap(({ id, report }) =>
                      report === undefined
                        ? []
                        : [
                            {
                              key: `fleet/${id}.json`,
                              bytes: 100,
                              lastModifiedMs: cut(report.atMs),
                              etag: `${report.state}-${report.atMs}`,
                            },
                          ],
                    ),
              ),
            get: (_bucket, key) =>
              call('s3:GetObject report', () => {
                const machine = machines.get(key.slice('fleet/'.length, -'.json'.length));
                const report = machine?.report;
                if (machine === undefined || report === undefined) return undefined;
                const readyForSeconds =
                  machine.readyMs === undefined ? 0 : (report.atMs - machine.readyMs) / 1_000;
                return Buffer.from(
                  JSON.stringify({
                    v: 1,
                    instance: machine.id,
                    state: report.state,
                    readyForSeconds,
                    imagesDone: Math.floor(report.done),
                    busySeconds: report.busySeconds,
                    emptyReceivesWithBacklog: 0,
                  }),
                );
              }),
          },
          ec2: {
            find: () =>
              call('ec2:DescribeInstances', () =>
                [...machines.values()]
                  .filter(({ launchedMs }) => clock.wallMs() - launchedMs >= world.faults.listLagMs)
                  .map(found),
              ),
          },
        },
        hands: {
          ec2: {
            launch: (request) => call('ec2:RunInstances', () => launch(request)),
            terminate: (id) => call('ec2:TerminateInstances', () => end(id, 'terminated')),
            stop: (id) => call('ec2:StopInstances', () => end(id, 'stopped')),
            start: (id) => call('ec2:StartInstances', () => effect('start', id)),
          },
          drain: (id) =>
            call('ssm:SendCommand', () => {
              effect('drain', id);
              const machine = machines.get(id);
              if (machine !== undefined) machine.drainAskedMs ??= clock.monotonicMs();
            }),
        },
      };
    },
  };

  const found = (machine: Machine): FoundInstance => ({
    id: machine.id,
    state: machine.state,
    tags: machine.request.tags,
    launchedAtMs: cut(machine.launchedMs),
    instanceType: machine.request.instanceType,
    clientToken: machine.request.clientToken,
  });

  /** Everybody's life goes on, in steps. */
  const live = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(stepMs);
      const nowMs = clock.wallMs();
      for (const machine of machines.values()) {
        if (world.faults.mute.has(machine.id)) continue;
        if (machine.state === 'pending' && nowMs - machine.launchedMs >= world.faults.bootMs(machine)) {
          machine.state = 'running';
          machine.readyMs = nowMs;
          machine.report = { state: 'ready', atMs: nowMs, done: 0, busySeconds: 0 };
        }
        const { report } = machine;
        if (machine.state !== 'running' || report === undefined || report.state === 'stopped') continue;
        const asked = machine.drainAskedMs;
        if (asked === undefined) {
          const done = Math.min(world.queue.waiting, (world.faults.rate * stepMs) / 1_000);
          world.queue.waiting -= done;
          world.queue.done += done;
          report.done += done;
          report.busySeconds += done / world.faults.rate;
          if (nowMs - report.atMs >= reportEveryMs) report.atMs = nowMs;
        } else if (clock.monotonicMs() - asked >= world.faults.drainMs)
          machine.report = { ...report, state: 'stopped', atMs: nowMs };
        else if (report.state === 'ready') machine.report = { ...report, state: 'draining', atMs: nowMs };
      }
    }
  };
  void live();
  return world;
};

export const slotOf = (machine: Machine): number => Number(machine.request.tags[tagKeys.slot]);
