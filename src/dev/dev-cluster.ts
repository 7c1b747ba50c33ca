import path from 'node:path';
import { connect } from '../aws/connection.ts';
import { createEc2, type Ec2 } from '../aws/ec2.ts';
import { clusterNames } from '../aws/names.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { launchWorker, liveWorkers } from '../fleet/launch.ts';
import { compiledModule } from '../package.ts';
import { type ProvisionReport, provision } from '../provision/provision.ts';
import { backoffMs } from '../retry.ts';
import { type Part, startPart } from './part.ts';

export interface DevOptions {
  readonly cluster: string;
  readonly stateFolder: string;
  /** Absent: only the local cloud is started. */
  readonly serve?: { readonly port: number; readonly args: readonly string[] };
  readonly workers: number;
  readonly retentionSeconds: number;
  readonly visibilitySeconds: number;
  readonly workerSettings: Readonly<Record<string, unknown>>;
  readonly clock: Clock;
  readonly say: (line: string) => void;
}

/** A cluster on this machine: the local cloud, the web tier and worker instances, each a process of its own. */
export interface DevCluster {
  readonly endpoint: string;
  /** Of the web tier, when there is one. */
  readonly url: string | undefined;
  /** Resolves when at least one worker instance runs; at once when there are to be none. */
  workersReady(): Promise<void>;
  /** Answers what was asked, drains and stops everything. */
  stop(): Promise<void>;
  /** Kills everything. */
  kill(): void;
}

const readyWithinMs = 30_000;
const partGraceMs = 35_000;
const watchIntervalMs = 1_000;

/** Workers of a cluster on one machine drain within a second, so that Ctrl-C is quick: their polls are short. */
const quickDrain = { 'poll-wait': 1 };

/** On the local cloud an image id and a type are names without meaning. */
const localMachine = { imageId: 'ami-local', instanceType: 'local' };

const bin = compiledModule('bin/imgrec.ts');

/**
 * Starts a cluster on this machine and keeps it running: a part that dies is started again, and so is a worker instance.
 * @throws ImgrecError when a part does not start
 */
export const startDevCluster = async (options: DevOptions): Promise<DevCluster> => {
  const { cluster, stateFolder, clock, say } = options;
  const stopping = new AbortController();
  const logFolder = path.join(stateFolder, 'logs');
  const parts = new Map<string, Part>();

  const start = async (name: string, module: string, args: readonly string[]): Promise<Part> => {
    const part = await startPart({ name, module, args, logFolder, readyWithinMs, clock });
    parts.set(name, part);
    return part;
  };

  /** Starts a part again whenever it ends although nobody stopped it. */
  const watch = async (part: Part, module: string, args: readonly string[]): Promise<void> => {
    let current = part;
    for (let failures = 0; ; ) {
      await current.ended;
      if (stopping.signal.aborted) return;
      say(`${part.name} ended unexpectedly; starting it again (its log is in ${logFolder})`);
      await clock.sleep(backoffMs(++failures), stopping.signal);
      if (stopping.signal.aborted) return;
      current = await start(part.name, module, args).catch((error: unknown) => {
        say(messageOf(error));
        return current;
      });
    }
  };

  const run = async (name: string, module: string, args: readonly string[]): Promise<Part> => {
    const part = await start(name, module, args);
    void watch(part, module, args);
    return part;
  };

  let ec2: Ec2 | undefined;
  const killAll = () => {
    stopping.abort();
    for (const part of parts.values()) part.kill();
  };

  try {
    const launcher = [process.execPath, bin, 'instance'];
    const cloud = await run('cloud', compiledModule('src/localcloud/main.ts'), [
      '--state',
      stateFolder,
      '--',
      ...launcher,
    ]);
    const endpoint = String(cloud.details['endpoint']);
    if (options.serve === undefined)
      return {
        endpoint,
        url: undefined,
        workersReady: async () => {},
        kill: killAll,
        stop: async () => {
          stopping.abort();
          await parts.get('cloud')?.stop(partGraceMs);
        },
      };

    const connection = connect({ cluster, local: true, state: stateFolder, region: undefined }, stateFolder);
    const provisioned = await provision(connection, {
      retentionSeconds: options.retentionSeconds,
      visibilitySeconds: options.visibilitySeconds,
      workerSettings: { ...quickDrain, ...options.workerSettings },
    });
    ec2 = createEc2(connection);
    const watching = keepWorkers(ec2, provisioned, options, stopping.signal);
    const serving = await run('serve', bin, [
      'serve',
      '--local',
      ...[
        '--state',
        stateFolder,
        '--cluster',
        cluster,
        '--host',
        '127.0.0.1',
        '--port',
        String(options.serve.port),
      ],
      ...options.serve.args,
    ]);
    return {
      endpoint,
      url: String(serving.details['url']),
      workersReady: () => watching.ready,
      kill: killAll,
      stop: async () => {
        stopping.abort();
        // The web tier first: it answers what it has taken, and needs the workers for that. The local cloud ends its instances.
        await parts.get('serve')?.stop(partGraceMs);
        await watching.ended;
        await parts.get('cloud')?.stop(partGraceMs);
        ec2?.close();
      },
    };
  } catch (error) {
    killAll();
    ec2?.close();
    throw error;
  }
};

/** Keeps the wanted number of worker instances: launches through the EC2 API what is missing. */
const keepWorkers = (
  ec2: Ec2,
  { account, region, installId }: ProvisionReport,
  { cluster, workers, clock, say }: DevOptions,
  signal: AbortSignal,
): { readonly ready: Promise<void>; readonly ended: Promise<void> } => {
  const names = clusterNames(cluster, account, region);
  let settleReady = () => {};
  const ready = new Promise<void>((resolve) => {
    settleReady = resolve;
  });
  if (workers === 0) settleReady();
  const watch = async () => {
    while (!signal.aborted) {
      try {
        const live = await liveWorkers(ec2, names);
        if (live.some(({ state }) => state === 'running')) settleReady();
        for (let missing = workers - live.length; missing > 0 && !signal.aborted; missing--)
          await launchWorker(ec2, { names, installId, ...localMachine });
      } catch (error) {
        if (!signal.aborted) say(`workers cannot be launched: ${messageOf(error)}`);
      }
      await clock.sleep(watchIntervalMs, signal);
    }
  };
  return { ready, ended: watch() };
};
