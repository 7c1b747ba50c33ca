import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cluster, openCluster } from '../../src/aws/cluster.ts';
import { connect } from '../../src/aws/connection.ts';
import { sha256Hex, signedHeaders } from '../../src/aws/sigv4.ts';
import { machinesWith } from '../../src/provision/machines.ts';
import { provision } from '../../src/provision/provision.ts';
import { type Part, startPart } from './parts.ts';
import { moduleOf, type Product } from './product.ts';

/** Where a part connects, when not straight to the local cloud. */
export interface Via {
  readonly endpoint: string;
}

export interface StartOptions {
  readonly args?: readonly string[];
  readonly via?: Via;
  readonly environment?: Readonly<Record<string, string>>;
  /** Instead of the lab's own. */
  readonly product?: Product;
}

/** As `readFaultPlan` of the local cloud takes it. */
export type FaultRule = Readonly<Record<string, string | number>> & {
  readonly operation: string;
  readonly fault: string;
};

/** Messages of the request queue by state. */
export interface Depth {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

/** One cluster of separate processes in a folder of its own. */
export interface Lab {
  readonly folder: string;
  readonly visibilitySeconds: number;
  /** The tests' own eyes: connected to the local cloud directly. */
  readonly cluster: Cluster;
  cloud(): Part;
  endpoint(): string;
  /** Starts the local cloud (again), on the same port and state. */
  startCloud(): Promise<Part>;
  startWeb(options?: StartOptions): Promise<Part>;
  startWorker(options?: StartOptions): Promise<Part>;
  /** As startWorker, without waiting until it is ready. */
  launchWorker(options?: StartOptions): Part;
  launchWeb(options?: StartOptions): Part;
  launchScaler(options?: StartOptions): Part;
  /** Those that run. */
  workers(): readonly Part[];
  webs(): readonly Part[];
  /** Every worker and web process of this lab, ended ones as well. */
  everStarted(): readonly Part[];
  depth(queue?: string): Promise<Depth>;
  /** Tells the local cloud which faults to have from now on; none without rules. */
  setFaults(rules: readonly FaultRule[], seed?: number): Promise<void>;
  /** API calls since the local cloud started, by operation. */
  calls(): Promise<Readonly<Record<string, number>>>;
  /** Kills everything that it started and, unless it is to be kept, removes the folder. */
  close(keepFolder?: boolean): Promise<void>;
}

export interface LabOptions {
  readonly product: Product;
  /** Made; must not exist. */
  readonly folder: string;
  readonly visibilitySeconds: number;
  /** Where the state of the local cloud is, if not below `folder`. */
  readonly stateFolder?: string;
  readonly cloudArgs?: readonly string[];
  /** Of workers that are launched as instances. */
  readonly workerSettings?: Readonly<Record<string, unknown>>;
}

export const urlOf = async (web: Part): Promise<string> => String((await web.ready)['url']);

/** Asks again and again until the answer is true, or the time is over. @returns whether it came true */
export const becomesTrue = async (
  ask: () => boolean | Promise<boolean>,
  withinMs: number,
  everyMs = 100,
): Promise<boolean> => {
  for (const deadline = performance.now() + withinMs; ; await delay(everyMs)) {
    if (await ask()) return true;
    if (performance.now() > deadline) return false;
  }
};

/** Starts a local cloud and provisions a cluster in it; web processes and workers are the test's to start. */
export const openLab = async (options: LabOptions): Promise<Lab> => {
  const { folder, visibilitySeconds } = options;
  const stateFolder = options.stateFolder ?? `${folder}/state`;
  await mkdir(folder, { recursive: true });
  await mkdir(stateFolder, { recursive: true });
  const parts: Part[] = [];
  let cloud: Part | undefined;
  let endpoint = '';

  const startCloud = async (): Promise<Part> => {
    const part = startPart({
      name: 'cloud',
      module: moduleOf(options.product, 'src/localcloud/main.ts'),
      args: ['--state', stateFolder, ...(options.cloudArgs ?? [])],
      folder,
    });
    cloud = part;
    endpoint = String((await part.ready)['endpoint']);
    return part;
  };
  await startCloud();
  const connection = connect(
    { cluster: 'imgrec', local: true, state: stateFolder, region: undefined },
    folder,
  );
  await provision(connection, {
    retentionSeconds: 7 * 86_400,
    visibilitySeconds,
    workerSettings: options.workerSettings ?? {},
    graceSeconds: 30,
    machines: machinesWith({ webInstances: 0 }),
  });
  const cluster = await openCluster(connection);
  const { accessKeyId = '', secretAccessKey = '' } = connection.credentials ?? {};

  /** What is no API of AWS but about the local cloud itself. */
  const admin = async (method: 'GET' | 'PUT' | 'DELETE', name: string, body = ''): Promise<unknown> => {
    const url = new URL(`/_imgrec/${name}`, endpoint);
    const headers = signedHeaders(
      { method, path: url.pathname, headers: { host: url.host }, payloadSha256: sha256Hex(body) },
      {
        region: cluster.identity.region,
        service: 'admin',
        credentials: { accessKeyId, secretAccessKey },
        date: new Date(),
      },
    );
    const response = await fetch(url, { method, headers, ...(body === '' ? {} : { body }) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
    return JSON.parse(text);
  };

  const launch = (verb: 'worker' | 'serve' | 'scale', own: readonly string[], start: StartOptions): Part => {
    const way = start.via
      ? {
          args: [],
          environment: {
            AWS_ENDPOINT_URL: start.via.endpoint,
            AWS_REGION: cluster.identity.region,
            AWS_ACCESS_KEY_ID: accessKeyId,
            AWS_SECRET_ACCESS_KEY: secretAccessKey,
          },
        }
      : { args: ['--local', '--state', stateFolder], environment: {} };
    const part = startPart({
      name: verb,
      module: moduleOf(start.product ?? options.product, 'bin/imgrec.ts'),
      args: [verb, ...way.args, ...own, ...(start.args ?? [])],
      folder,
      environment: { ...way.environment, ...start.environment },
    });
    parts.push(part);
    return part;
  };
  const workerArgs = ['--classifiers', '1', '--poll-wait', '1', '--visibility', String(visibilitySeconds)];
  const launchWorker = (start: StartOptions = {}) => launch('worker', workerArgs, start);
  const launchWeb = (start: StartOptions = {}) => launch('serve', ['--port', '0'], start);
  const launchScaler = (start: StartOptions = {}) => launch('scale', [], start);
  const whenReady = async (part: Part): Promise<Part> => {
    await part.ready;
    return part;
  };
  const still = (verb: string) => parts.filter((part) => part.name === verb && part.isRunning());

  return {
    folder,
    visibilitySeconds,
    cluster,
    cloud: () => {
      if (cloud === undefined) throw new Error('there is no local cloud');
      return cloud;
    },
    endpoint: () => endpoint,
    startCloud,
    startWeb: (start) => whenReady(launchWeb(start)),
    startWorker: (start) => whenReady(launchWorker(start)),
    launchWorker,
    launchWeb,
    launchScaler,
    workers: () => still('worker'),
    webs: () => still('serve'),
    everStarted: () => parts,
    depth: async (queue = cluster.names.requests) => {
      const found = await cluster.sqs.attributes(queue, [
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesNotVisible',
        'ApproximateNumberOfMessagesDelayed',
      ]);
      return {
        visible: Number(found?.['ApproximateNumberOfMessages'] ?? 0),
        inFlight: Number(found?.['ApproximateNumberOfMessagesNotVisible'] ?? 0),
        delayed: Number(found?.['ApproximateNumberOfMessagesDelayed'] ?? 0),
      };
    },
    setFaults: async (rules, seed = 1) => {
      if (rules.length === 0) await admin('DELETE', 'faults');
      else await admin('PUT', 'faults', JSON.stringify({ seed, rules }));
    },
    calls: async () => ((await admin('GET', 'calls')) as { readonly calls: Record<string, number> }).calls,
    close: async (keepFolder = false) => {
      cluster.close();
      await Promise.all(parts.map((part) => part.kill()));
      await cloud?.kill();
      if (!keepFolder) await rm(folder, { recursive: true, force: true });
    },
  };
};
