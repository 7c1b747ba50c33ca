import { createServer } from 'node:http';
import path from 'node:path';
import { type Clock, systemClock } from '../clock.ts';
import { createAdmin } from './admin.ts';
import { createCallCounter } from './calls.ts';
import { createInstances, type Instances } from './ec2/instances.ts';
import { idleMachines, processMachines } from './ec2/machine.ts';
import { createMetadata } from './ec2/metadata.ts';
import { createEc2 } from './ec2.ts';
import { createFaultEngine, type FaultEngine } from './faults/engine.ts';
import { openLog } from './faults/log.ts';
import type { FaultPlan } from './faults.ts';
import { createFront } from './front.ts';
import { createIam } from './iam.ts';
import { type Journal, openJournal } from './journal.ts';
import { listenLocally } from './listen.ts';
import { lockStateFolder } from './lock.ts';
import { createBuckets } from './s3/buckets.ts';
import { createS3 } from './s3.ts';
import { createShelves } from './shelf.ts';
import { createVerifier } from './sigv4.ts';
import { createMoveTasks } from './sqs/move-tasks.ts';
import { createQueues } from './sqs/queues.ts';
import { createSqs } from './sqs.ts';
import { createSsm } from './ssm.ts';
import { generateCredentials, prepareStateFolder, readCloudFile, writeCloudFile } from './state.ts';
import { createSts } from './sts.ts';

export interface LocalCloudOptions {
  /** Made if absent, mode 0700. */
  readonly stateFolder: string;
  /** 0 or absent: the port that this state folder had last time, else a free one. */
  readonly port?: number;
  /** argv of the program that RunInstances starts; without it RunInstances answers an error. */
  readonly launcher?: readonly string[];
  /** Instances are entries with nothing behind them, up to 2,000: for tests of what controls that many. */
  readonly idleInstances?: boolean;
  /** Between SIGTERM and SIGKILL of an instance, default 30 s. */
  readonly graceSeconds?: number;
  readonly clock?: Clock;
  /** Answers 403 for missing keys where S3 would, to callers without s3:ListBucket: see S3Options. */
  readonly strict403?: boolean;
  /** Lets polls of broken connections take messages, as AWS does: see SqsOptions. */
  readonly strandAbortedPoll?: boolean;
  /** Refuses instances with an instance profile younger than 10 s, as EC2 does before it has heard of it. */
  readonly slowIam?: boolean;
  /** Writes every call, and the permissions that it needs, into `calls.jsonl` of the state folder. */
  readonly callLog?: boolean;
  /** Faults from the first request on. */
  readonly faults?: FaultPlan;
  /** Gets one object for each thing that an operator may want to know; silent by default. */
  readonly log?: (line: object) => void;
}

export interface LocalCloud {
  readonly endpoint: string;
  readonly port: number;
  readonly region: 'us-east-1';
  readonly account: '000000000000';
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Terminates the instances, answers waiting polls, gives the state folder back. */
  close(): Promise<void>;
}

const region = 'us-east-1';
const account = '000000000000';
/** About as long as EC2 takes to hear of a new instance profile. */
const slowIamMs = 10_000;
/** Live at the same time: a client in a loop must not fill this machine with processes. */
const maxInstances = 64;
const maxIdleInstances = 2_000;

const openServices = (
  options: LocalCloudOptions,
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
  endpoint: () => string,
  faults: FaultEngine,
) => {
  const { stateFolder, launcher, clock = systemClock, log = () => {} } = options;
  let opened: Journal | undefined;
  const journal = (): Journal => {
    if (!opened) throw new Error('the journal is not open');
    return opened;
  };
  const queues = createQueues({ clock, journal, region, account });
  const buckets = createBuckets({ clock, journal, folder: path.join(stateFolder, 's3') });
  const moveTasks = createMoveTasks({ queues, clock });
  const shelves = createShelves(journal);
  const metadata = createMetadata({ get: (id) => instances.get(id), account, clock, log });
  const processes =
    launcher &&
    processMachines({
      launcher,
      logFolder: path.join(stateFolder, 'instances'),
      log,
      environment: (id) => ({
        AWS_ENDPOINT_URL: endpoint(),
        AWS_REGION: region,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        ...metadata.environmentOf(id),
      }),
    });
  const startMachine = options.idleInstances ? idleMachines : processes && metadata.around(processes);
  const instances: Instances = createInstances({
    ...(startMachine && { startMachine }),
    shelves,
    clock,
    graceSeconds: options.graceSeconds ?? 30,
    log,
  });
  const ssm = createSsm({
    clock,
    journal,
    shelves,
    region,
    account,
    targets: {
      online: () =>
        instances
          .list()
          .filter(({ state }) => state === 'running')
          .map(({ id }) => id),
      stopProgram: instances.stopProgram,
    },
  });
  const iam = createIam({ shelves, clock, account });
  const ec2 = createEc2({
    instances,
    shelves,
    clock,
    account,
    region,
    maxInstances: options.idleInstances ? maxIdleInstances : maxInstances,
    profiles: iam.profiles,
    profileDelayMs: options.slowIam ? slowIamMs : 0,
    faults,
  });
  opened = openJournal({
    file: path.join(stateFolder, 'journal.jsonl'),
    replay: (entry) => {
      if (shelves.replay(entry)) return;
      queues.replay(entry);
      buckets.replay(entry);
      ssm.replay(entry);
    },
    snapshot: function* () {
      yield* queues.snapshot();
      yield* buckets.snapshot();
      yield* ssm.snapshot();
      yield* shelves.snapshot();
    },
  });
  instances.recover();
  ssm.recover();
  return {
    services: {
      sqs: createSqs({
        queues,
        moveTasks,
        clock,
        account,
        endpoint,
        strandAbortedPoll: options.strandAbortedPoll ?? false,
      }),
      s3: createS3({ buckets, clock, account, region, strict403: options.strict403 ?? false }),
      ssm,
      sts: createSts(account),
      iam: iam.service,
      ec2,
    },
    close: async (): Promise<void> => {
      await instances.close();
      moveTasks.close();
      queues.close();
    },
    closeFiles: () => {
      opened?.close();
      buckets.close();
    },
  };
};

/**
 * Starts the embedded AWS on 127.0.0.1. All it knows is in the state folder; a restart finds it again.
 * Throws ImgrecError when another local cloud has the folder or the port that was asked for is taken.
 */
export const startLocalCloud = async (options: LocalCloudOptions): Promise<LocalCloud> => {
  const { stateFolder, clock = systemClock, log = () => {} } = options;
  prepareStateFolder(stateFolder);
  const lock = await lockStateFolder(stateFolder, clock);
  try {
    const last = readCloudFile(stateFolder);
    const { accessKeyId, secretAccessKey } = last ?? generateCredentials();
    let port = 0;
    const endpoint = (): string => `http://127.0.0.1:${port}`;
    const verifier = createVerifier({ accessKeyId, secretAccessKey, region, wallMs: clock.wallMs });
    const faultLog = openLog(path.join(stateFolder, 'faults.jsonl'));
    const faults = createFaultEngine({ clock, log: faultLog.write });
    const cloud = openServices(options, { accessKeyId, secretAccessKey }, endpoint, faults);
    faults.set(options.faults);
    const calls = createCallCounter();
    const services = { ...cloud.services, admin: createAdmin(faults, calls) };
    const callLog = openLog(path.join(stateFolder, 'calls.jsonl'));
    const front = createFront({
      services,
      verifier,
      calls,
      callLog: options.callLog ? callLog.write : undefined,
      faults,
      clock,
      log,
      region,
      account,
    });
    const server = createServer(
      {
        // Longer than any client keeps an idle connection, so that it is never the server that closes first.
        keepAliveTimeout: 75_000,
        headersTimeout: 20_000,
        requestTimeout: 120_000,
        connectionsCheckingInterval: 5_000,
        maxHeaderSize: 32 * 1024,
        noDelay: true,
      },
      (request, response) => void front(request, response),
    );
    try {
      port = await listenLocally(server, { asked: options.port ?? 0, last: last?.port ?? 0 }, clock);
      writeCloudFile(stateFolder, {
        endpoint: endpoint(),
        port,
        region,
        account,
        accessKeyId,
        secretAccessKey,
        pid: process.pid,
      });
    } catch (error) {
      server.close();
      cloud.closeFiles();
      throw error;
    }
    log({ event: 'listening', endpoint: endpoint() });

    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      lock.sayClosing();
      // Instances first: a draining worker still needs its queue.
      await cloud.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        // A poll that was just answered empty needs a moment to reach its client.
        setTimeout(() => server.closeAllConnections(), 500).unref();
      });
      cloud.closeFiles();
      faultLog.close();
      callLog.close();
      lock.release();
    };
    return {
      endpoint: endpoint(),
      port,
      region,
      account,
      accessKeyId,
      secretAccessKey,
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
};
