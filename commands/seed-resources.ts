import type { Cluster } from '../src/aws/cluster.ts';
import { settings as descriptions, type SettingKey, type Settings } from '../src/config/settings.ts';
import { usageError } from '../src/errors.ts';

const resourceSettings = [
  'requestQueue',
  'responseQueue',
  'inputBucket',
  'outputBucket',
] as const satisfies SettingKey[];

/** The settings of `--transport seed`. */
export const seedSettings = [...resourceSettings, 'seedForm'] as const satisfies SettingKey[];

/** The queues and buckets that `--transport seed` works on, and how its messages are written. */
export interface ExistingResources {
  readonly requestQueue: string;
  readonly responseQueue: string;
  readonly inputBucket: string;
  readonly outputBucket: string;
  readonly form: Settings['seedForm'];
}

const flagsOf = (keys: readonly SettingKey[]): string =>
  keys.map((key) => `--${descriptions[key].name}`).join(', ');

/**
 * What the settings name for `--transport seed`; undefined for every other transport.
 * @throws ImgrecError (exit 64) when one is missing, or given without it
 */
export const existingResources = (
  settings: Pick<Settings, (typeof seedSettings)[number] | 'transport'>,
): ExistingResources | undefined => {
  const { transport, requestQueue, responseQueue, inputBucket, outputBucket, seedForm } = settings;
  if (transport !== 'seed') {
    const stray = resourceSettings.filter((key) => settings[key] !== undefined);
    if (stray.length === 0) return undefined;
    throw usageError(
      `${flagsOf(stray)} ${stray.length === 1 ? 'is' : 'are'} of --transport seed, and this is --transport ${transport}`,
      'every other transport uses the queues and buckets that "imgrec provision" made',
    );
  }
  const missing = resourceSettings.filter((key) => settings[key] === undefined);
  if (
    requestQueue === undefined ||
    responseQueue === undefined ||
    inputBucket === undefined ||
    outputBucket === undefined
  )
    throw usageError(
      `--transport seed needs ${flagsOf(missing)}`,
      'it works on queues and buckets that exist already; name all four',
    );
  if (requestQueue === responseQueue)
    throw usageError(`--request-queue and --response-queue are both ${requestQueue}`);
  return { requestQueue, responseQueue, inputBucket, outputBucket, form: seedForm };
};

/** The cluster with these queues and buckets in the place of its own. */
export const withResources = (cluster: Cluster, existing: ExistingResources | undefined): Cluster => {
  if (existing === undefined) return cluster;
  const { requestQueue, inputBucket, outputBucket } = existing;
  return { ...cluster, names: { ...cluster.names, requests: requestQueue, inputBucket, outputBucket } };
};
