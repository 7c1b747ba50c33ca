import { type SettingKey, type Settings, settings } from '../config/settings.ts';

/** Settings that a worker instance takes from whoever provisioned the cluster. */
const workerKeys = [
  'model',
  'classifiers',
  'jobTimeoutSeconds',
  'maxImageBytes',
  'maxPixels',
  'visibilitySeconds',
  'maxReceives',
  'graceSeconds',
] as const satisfies SettingKey[];

/**
 * The imgrec.json of this cluster's workers: what was chosen here, and not what is merely this machine's default
 * (the number of cores here says nothing about theirs).
 */
export const workerSettingsOf = (resolved: {
  readonly values: Settings;
  readonly sources: Readonly<Record<SettingKey, string>>;
}): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    workerKeys
      .filter((key) => resolved.sources[key] !== 'default' && resolved.values[key] !== undefined)
      .map((key) => [settings[key].name, resolved.values[key]]),
  );
