import type { SettingKey } from './settings.ts';

/** Which model to use: every command that classifies takes these. */
export const modelSettings = [
  'model',
  'modelSize',
  'modelResize',
  'modelLayout',
  'modelMean',
  'modelStd',
  'modelOutput',
  'modelLabels',
] as const satisfies SettingKey[];

/** How a worker works, wherever it runs. */
export const workerSettings = [
  ...modelSettings,
  'classifiers',
  'jobTimeoutSeconds',
  'maxImageBytes',
  'maxPixels',
  'visibilitySeconds',
  'maxReceives',
  'pollWaitSeconds',
  'reportIntervalSeconds',
  'graceSeconds',
  'idleExitSeconds',
] as const satisfies SettingKey[];

/** How a fleet is scaled. */
export const scaleSettings = [
  'minWorkers',
  'maxWorkers',
  'policy',
  'targetWaitSeconds',
  'schedule',
  'everySeconds',
  'scaleIn',
  'warm',
  'instanceTypes',
  'subnets',
  'spot',
  'hoursPerDay',
  'serviceRate',
  'bootSeconds',
  'minUptimeSeconds',
  'graceSeconds',
] as const satisfies SettingKey[];
