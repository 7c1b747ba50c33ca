import type { Setting } from './setting.ts';
import { benchingSettings } from './settings/benching.ts';
import { connectingSettings } from './settings/connecting.ts';
import { localSettings } from './settings/local.ts';
import { modelFileSettings } from './settings/model.ts';
import { provisioningSettings } from './settings/provisioning.ts';
import { scalingSettings } from './settings/scaling.ts';
import { servingSettings } from './settings/serving.ts';
import { simulatingSettings } from './settings/simulating.ts';
import { workingSettings } from './settings/working.ts';

/** Every setting of imgrec. Units are in the property's name where the unit is not obvious; users see `name`. */
export const settings = {
  ...connectingSettings,
  ...modelFileSettings,
  ...servingSettings,
  ...workingSettings,
  ...provisioningSettings,
  ...scalingSettings,
  ...simulatingSettings,
  ...localSettings,
  ...benchingSettings,
} as const satisfies Record<string, Setting<never> | Setting<unknown>>;

export type SettingKey = keyof typeof settings;

export type Settings = {
  readonly [K in SettingKey]: (typeof settings)[K] extends Setting<infer T> ? T : never;
};

export const settingKeys = Object.keys(settings) as SettingKey[];

/** `max-pixels` -> `IMGREC_MAX_PIXELS`. */
export const environmentName = (name: string): string => `IMGREC_${name.toUpperCase().replaceAll('-', '_')}`;
