import { availableParallelism } from 'node:os';
import { settings as definitions, type SettingKey, type Settings } from '../src/config/settings.ts';
import type { DevOptions } from '../src/dev/dev-cluster.ts';
import { usageError } from '../src/errors.ts';
import type { CommandContext } from './command.ts';
import { scaleChoicesOf } from './scale-choices.ts';

/** Settings of `scale` that a cluster on one machine takes, too. */
export const scaledInDev = [
  'minWorkers',
  'maxWorkers',
  'policy',
  'targetWaitSeconds',
  'scaleIn',
  'warm',
  'hoursPerDay',
] as const satisfies SettingKey[];

/** What is known of a machine before anything has been measured on it: a core does some 30 images a second, a worker is up in 2 s. */
const perClassifier = 30;
const bootSeconds = 2;
/** Nobody bills a process. */
const minUptimeSeconds = 0;
/** A type has to exist; here it is a name without meaning. */
const localTypes = ['c7a.medium'] as const;
/** A person watches: it reacts within seconds. */
const everySeconds = 1;

const scaleOf = (settings: Settings, keys: readonly (typeof scaledInDev)[number][]): DevOptions['scale'] => {
  const local: Settings = {
    ...settings,
    everySeconds,
    bootSeconds,
    minUptimeSeconds,
    serviceRate: perClassifier * settings.classifiers,
    instanceTypes: [...localTypes],
    subnets: [],
    spot: false,
    schedule: [],
  };
  const passed = [
    ...keys,
    'everySeconds',
    'bootSeconds',
    'minUptimeSeconds',
    'serviceRate',
    'graceSeconds',
  ] as const;
  return {
    choices: scaleChoicesOf(local),
    args: ['--instance-types', localTypes.join(',')].concat(
      passed.flatMap((key) => {
        const value = local[key];
        return value === undefined ? [] : [`--${definitions[key].name}`, String(value)];
      }),
    ),
  };
};

/** Exactly this many workers. */
export const fixedScale = (settings: Settings, workers: number): DevOptions['scale'] =>
  scaleOf({ ...settings, minWorkers: workers, maxWorkers: workers, policy: 'balanced' }, [
    'minWorkers',
    'maxWorkers',
  ]);

/**
 * How `imgrec dev` scales: as many workers as cores at most, unless told otherwise.
 * @throws ImgrecError (exit 64) for choices that contradict each other
 */
export const devScale = (
  settings: Settings,
  { sources }: CommandContext['resolved'],
): DevOptions['scale'] => {
  const { workers } = settings;
  const range = (['minWorkers', 'maxWorkers'] as const).find((key) => sources[key] === 'flag');
  // A flag wins over what a file or the environment says.
  if (workers !== undefined && (range === undefined || sources.workers === 'flag')) {
    if (range !== undefined)
      throw usageError(`--workers and --${definitions[range].name} are both given`, 'leave one out');
    return fixedScale(settings, workers);
  }
  const most = Math.max(availableParallelism(), settings.minWorkers);
  const maxWorkers = sources.maxWorkers === 'default' ? most : settings.maxWorkers;
  return scaleOf({ ...settings, maxWorkers }, scaledInDev);
};
