import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { connect } from '../aws/connection.ts';
import { aborted, type Clock } from '../clock.ts';
import { ImgrecError, messageOf } from '../errors.ts';
import { compiledModule } from '../package.ts';
import { machinesWith } from '../provision/machines.ts';
import { provision } from '../provision/provision.ts';
import { type ScalerStanding, standing } from '../scaling/memory.ts';
import type { ScaleChoices } from '../scaling/open.ts';
import { firstWorker, sayLost } from './first-worker.ts';
import type { PartDetails } from './part.ts';
import { type SupervisedPart, type SuperviseOptions, supervise } from './supervise.ts';

export interface DevOptions {
  readonly cluster: string;
  /** Absolute. */
  readonly stateFolder: string;
  /** Absent: only the local cloud is started. */
  readonly serve?: { readonly port: number; readonly args: readonly string[] };
  readonly scale: { readonly choices: ScaleChoices; readonly args: readonly string[] };
  readonly retentionSeconds: number;
  readonly visibilitySeconds: number;
  /** Time that the web tier, and then the workers, get to finish. */
  readonly graceSeconds: number;
  readonly workerSettings: Readonly<Record<string, unknown>>;
  /** What the local cloud gets wrong: a file of rules (absolute) or a seed. */
  readonly faults?: string;
  readonly clock: Clock;
  readonly say: (line: string) => void;
  /** Breaks off the start; a cluster that has started is stopped by its `stop`. */
  readonly signal: AbortSignal;
}

/** A cluster on this machine: the local cloud, the web tier and worker instances, each a process of its own. */
export interface DevCluster {
  readonly endpoint: string;
  /** Of the web tier, when there is one. */
  readonly url: string | undefined;
  /** Waits until nothing waits and the fleet is down to its least. @returns whether it came to that in time */
  calmsDown(withinMs: number): Promise<boolean>;
  /** Answers what was asked, drains and stops everything. */
  stop(): Promise<void>;
}

const readyWithinMs = 30_000;
/** Beyond the time that a part gives itself to stop. */
const graceMarginMs = 5_000;
const calmCheckMs = 100;

/** Workers of a cluster on one machine drain within a second, so that Ctrl-C is quick: their polls are short. */
const quickDrain = { 'poll-wait': 1 };
/** Reports cost nothing here, and the end of a load should be seen at once. */
const quickReports = { 'report-interval': 1 };

/** What `imgrec scale` tells whoever started it. */
const scalerTold = z.object({
  text: z.string(),
  acts: z.array(z.string()).default([]),
  lost: z.array(z.object({ id: z.string(), wasReady: z.boolean() })).default([]),
  standing: standing.optional(),
});

/** The web tier is a part of its own here, so there is no instance for it. */
const localMachines = machinesWith({ webInstances: 0, allowFrom: '127.0.0.1/32' });

const bin = compiledModule('bin/imgrec.ts');

const makeFolder = (folder: string): void => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ImgrecError(`the state folder cannot be made: ${messageOf(cause)}`, {
      hint: 'choose another with --state',
      cause,
    });
  }
};

/**
 * Starts a cluster on this machine, waits until it can answer, and keeps it running: a part that dies is started again, and
 * so is a worker instance. If the start fails or is broken off nothing is left running.
 * @throws ImgrecError when a part or no worker starts, or `signal` aborts
 */
export const startDevCluster = async (options: DevOptions): Promise<DevCluster> => {
  const { cluster, stateFolder, clock, say, signal } = options;
  const graceMs = options.graceSeconds * 1_000 + graceMarginMs;
  const logFolder = path.join(stateFolder, 'logs');
  makeFolder(stateFolder);
  makeFolder(logFolder);
  const stopping = new AbortController();
  /** In the order in which they are to stop: the web tier answers what it has taken, and needs the workers for that. */
  const parts: { serve?: SupervisedPart; scale?: SupervisedPart; cloud?: SupervisedPart } = {};
  /** Until the first worker is ready. */
  let scaling: Promise<void> | undefined;
  /** As the scaler last told. */
  let fleet: ScalerStanding | undefined;

  const start = (
    name: keyof typeof parts,
    module: string,
    args: readonly string[],
    more: Pick<SuperviseOptions, 'argsAgain' | 'onTold'> = {},
  ): Promise<PartDetails> => {
    const part = supervise({
      name,
      module,
      args,
      stateFolder,
      logFolder,
      readyWithinMs,
      clock,
      say,
      ...more,
    });
    parts[name] = part;
    return part.ready;
  };

  const stop = async (): Promise<void> => {
    stopping.abort();
    await parts.serve?.stop(graceMs);
    await scaling;
    await parts.scale?.stop(graceMs);
    // The local cloud ends its instances, and lets them finish.
    await parts.cloud?.stop(graceMs);
  };

  /** What the scaler tells: a stranger should see the cluster grow and shrink, and why. */
  const onTold = (details: PartDetails): void => {
    const told = scalerTold.safeParse(details).data;
    if (told === undefined || stopping.signal.aborted) return;
    fleet = told.standing;
    sayLost(told.lost, stateFolder, say);
    if (told.acts.length > 0) say(`scale: ${told.text}`);
  };

  const startScaling = (): void => {
    if (stopping.signal.aborted) return;
    const args = ['scale', '--local', '--state', stateFolder, '--cluster', cluster, ...options.scale.args];
    start('scale', bin, args, { onTold }).catch((error: unknown) => {
      if (!stopping.signal.aborted) say(messageOf(error));
    });
  };

  const calmsDown = async (withinMs: number): Promise<boolean> => {
    const { min } = options.scale.choices.policy;
    const isCalm = () =>
      fleet !== undefined &&
      fleet.ready === min &&
      [fleet.booting, fleet.draining, fleet.backlog].every((count) => count === 0);
    for (const deadlineMs = clock.monotonicMs() + withinMs; !isCalm(); await clock.sleep(calmCheckMs))
      if (signal.aborted || clock.monotonicMs() > deadlineMs) return false;
    return true;
  };

  const startAll = async (): Promise<Pick<DevCluster, 'endpoint' | 'url'>> => {
    const cloudArgs = ['--state', stateFolder]
      .concat(options.faults === undefined ? [] : ['--faults', options.faults])
      .concat(['--', process.execPath, bin, 'instance']);
    const cloud = await start('cloud', compiledModule('src/localcloud/main.ts'), cloudArgs);
    const endpoint = String(cloud['endpoint']);
    if (options.serve === undefined) return { endpoint, url: undefined };

    const connection = connect({ cluster, local: true, state: stateFolder, region: undefined }, stateFolder);
    await provision(connection, {
      retentionSeconds: options.retentionSeconds,
      visibilitySeconds: options.visibilitySeconds,
      workerSettings: { ...quickDrain, ...quickReports, ...options.workerSettings },
      graceSeconds: options.graceSeconds,
      machines: localMachines,
    });
    if (signal.aborted) throw new ImgrecError('interrupted');
    const { port, args } = options.serve;
    const serveArgs = (on: string) =>
      ['serve', '--local', '--state', stateFolder, '--cluster', cluster]
        .concat(['--host', '127.0.0.1', '--port', on])
        .concat(Object.entries(quickReports).flatMap(([name, value]) => [`--${name}`, String(value)]))
        .concat(args);
    const urlOf = (details: PartDetails) => String(details['url']);
    const first = firstWorker({
      connection,
      choices: options.scale.choices,
      stateFolder,
      clock,
      say,
      signal: stopping.signal,
    });
    scaling = first.catch(() => {});
    const serving = start('serve', bin, serveArgs(String(port)), {
      argsAgain: (details) => serveArgs(new URL(urlOf(details)).port),
    });
    const [served] = await Promise.all([serving, first]);
    startScaling();
    return { endpoint, url: urlOf(served) };
  };

  const starting = startAll();
  // Loses the race when the start is broken off, and then ends in an error, as its parts are stopped.
  starting.catch(() => {});
  const brokenOff = new AbortController();
  try {
    const interrupted = aborted(AbortSignal.any([signal, brokenOff.signal])).then((): never => {
      throw new ImgrecError('interrupted');
    });
    interrupted.catch(() => {});
    return { ...(await Promise.race([starting, interrupted])), calmsDown, stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    brokenOff.abort();
  }
};
