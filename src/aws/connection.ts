import { existsSync, readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import path from 'node:path';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { z } from 'zod';
import type { Settings } from '../config/settings.ts';
import { exitCodes, ImgrecError } from '../errors.ts';

/** What the local cloud writes into its state folder for those who connect to it. */
const localCloudFile = z.object({
  endpoint: z.string(),
  region: z.string(),
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
});

/** Where the calls of this process go: AWS through the SDK's own chain, or one endpoint with its credentials. */
export interface Connection {
  readonly cluster: string;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** Buckets are named in the path, not in the host: every endpoint but AWS's own needs that. */
  readonly pathStyle: boolean;
  /** Whether this process may be on an EC2 instance, and may look for its metadata service. */
  readonly mayBeOnEc2: boolean;
  /** Instances run the program that launched their cloud: they need no software from the ops bucket. */
  readonly instancesHaveProgram?: boolean;
}

const readLocalCloud = (stateFolder: string): z.infer<typeof localCloudFile> => {
  const file = path.join(stateFolder, 'cloud.json');
  if (!existsSync(file))
    throw new ImgrecError(`there is no local cloud in ${stateFolder}`, {
      hint: 'start one with "imgrec dev --only cloud", or name its folder with --state',
      exitCode: exitCodes.cloud,
    });
  try {
    return localCloudFile.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new ImgrecError(`${file} is not readable`, {
      hint: 'stop the local cloud, remove the file and start it again',
      exitCode: exitCodes.cloud,
      cause,
    });
  }
};

/**
 * Decides where a command connects. This is the only place that tells the local cloud from AWS.
 * @throws ImgrecError (exit 3) when `local` is set and no local cloud ever ran in the state folder.
 */
export const connect = (
  settings: Pick<Settings, 'cluster' | 'local' | 'state' | 'region'>,
  workingFolder: string,
): Connection => {
  const { cluster } = settings;
  if (!settings.local) {
    // The SDK reads these variables itself; only the style of S3's URLs depends on them here.
    const pathStyle = Boolean(process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']);
    return {
      cluster,
      region: settings.region,
      endpoint: undefined,
      credentials: undefined,
      pathStyle,
      mayBeOnEc2: true,
    };
  }
  const { endpoint, region, accessKeyId, secretAccessKey } = readLocalCloud(
    path.resolve(workingFolder, settings.state),
  );
  return {
    cluster,
    region,
    endpoint,
    credentials: { accessKeyId, secretAccessKey },
    pathStyle: true,
    // The local cloud's instances have a metadata service each, and are told where; nobody else here has one.
    mayBeOnEc2: process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] !== undefined,
    instancesHaveProgram: true,
  };
};

export interface CallLimits {
  /** Time one attempt may take, from sending the request to the end of its headers. */
  readonly requestTimeoutMs: number;
  readonly maxAttempts: number;
  /** Time that all attempts of a call may take together; without limit when absent. */
  readonly totalTimeoutMs?: number;
  /** Attempts while the service answers with an error that may pass, which takes no time; `maxAttempts` when absent. */
  readonly maxAnsweredAttempts?: number;
}

/**
 * Where 36 % of the calls are answered with an error (test F9), three attempts fail for one image in twenty, which is then refused
 * or handed back; six fail for one in 460, within half a second.
 */
export const defaultLimits: CallLimits = {
  requestTimeoutMs: 10_000,
  maxAttempts: 3,
  maxAnsweredAttempts: 6,
  // Where nobody answers a client has its 503 after this long, not after three time-outs.
  totalTimeoutMs: 15_000,
};

/**
 * A long poll answers after up to 20 s: its client waits longer than that, and leaves retries after silence to the poll loop.
 * A throttled or failed one is answered at once and tried again soon: a loop has one poll at a time, and its pauses, of a second
 * and more, would cost most of the throughput where every third call fails.
 */
export const longPollLimits: CallLimits = {
  requestTimeoutMs: 30_000,
  maxAttempts: 1,
  maxAnsweredAttempts: 8,
};

/** For an object of 100 MB: half an hour is 0.5 Mbit/s. */
export const largeObjectLimits: CallLimits = { requestTimeoutMs: 1_800_000, maxAttempts: 3 };

export const connectionTimeoutMs = 3_000;

/** Options of one call of an SDK client. */
export const endingWith = (signal: AbortSignal | undefined) =>
  signal === undefined ? {} : { abortSignal: signal };

// The SDK prints a note about future Node versions on stderr at every start; package.json says which Node this needs.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

/**
 * Configuration of one SDK client. The SDK has no time-outs of its own: without these a silent server holds a call for ever,
 * and `requestTimeout` alone only warns.
 */
export const clientConfig = (connection: Connection, limits: CallLimits = defaultLimits) => ({
  ...(connection.region === undefined ? {} : { region: connection.region }),
  ...(connection.endpoint === undefined ? {} : { endpoint: connection.endpoint }),
  ...(connection.credentials === undefined ? {} : { credentials: connection.credentials }),
  maxAttempts: limits.maxAttempts,
  requestHandler: new NodeHttpHandler({
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    throwOnRequestTimeout: true,
    httpAgent: new HttpAgent({ keepAlive: true, maxSockets: 256 }),
    httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: 256 }),
  }),
});
