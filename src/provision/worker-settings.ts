import path from 'node:path';
import { scaleSettings, workerSettings } from '../config/groups.ts';
import { type SettingKey, type Settings, settings } from '../config/settings.ts';

/** Settings that instances take from whoever provisioned the cluster: workers, and the web tier and scaler of a web instance. */
const instanceKeys = [
  ...workerSettings,
  'port',
  'waitSeconds',
  'reply',
  'top',
  'transport',
  ...scaleSettings,
] as const satisfies SettingKey[];

/** A worker has a working folder of its own, so these say the whole path. */
const pathKeys: readonly SettingKey[] = ['model', 'modelLabels'];

/**
 * The imgrec.json of this cluster's instances: what was chosen here, and not what is merely this machine's default
 * (the number of cores here says nothing about theirs).
 */
export const workerSettingsOf = (
  resolved: { readonly values: Settings; readonly sources: Readonly<Record<SettingKey, string>> },
  workingFolder: string,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    instanceKeys
      .filter((key) => resolved.sources[key] !== 'default' && resolved.values[key] !== undefined)
      .map((key) => {
        const value = resolved.values[key];
        const isPath = pathKeys.includes(key) && typeof value === 'string';
        return [settings[key].name, isPath ? path.resolve(workingFolder, value) : value];
      }),
  );
