import path from 'node:path';
import type { SettingKey, Settings } from '../src/config/settings.ts';
import { ImgrecError, usageError } from '../src/errors.ts';
import { readPrices } from '../src/prices.ts';
import { type MonthlyCost, monthlyCost } from '../src/provision/cost.ts';
import type { MachineChoices } from '../src/provision/machines.ts';
import type { Wish } from '../src/provision/wanted.ts';
import type { Order } from '../src/provision/wish.ts';
import { workerSettingsOf } from '../src/provision/worker-settings.ts';
import type { CommandContext } from './command.ts';

/** Settings that decide what there is to be. */
export const resourceSettings = [
  'instanceTypes',
  'minWorkers',
  'maxWorkers',
  'webInstances',
  'webInstanceType',
  'volumeGib',
  'subnets',
  'allowFrom',
  'port',
  'apiKeys',
  'iam',
  'rolePath',
  'permissionsBoundary',
  'retentionSeconds',
  'visibilitySeconds',
  'graceSeconds',
  'prices',
  'adopt',
] as const satisfies SettingKey[];

export const machineChoicesOf = (settings: Settings): MachineChoices => {
  const [first, ...others] = settings.instanceTypes;
  if (first === undefined) throw usageError('--instance-types is empty');
  return {
    iam: settings.iam,
    rolePath: settings.rolePath,
    permissionsBoundary: settings.permissionsBoundary,
    instanceTypes: [first, ...others],
    webInstanceType: settings.webInstanceType,
    webInstances: settings.webInstances,
    volumeGib: settings.volumeGib,
    port: settings.port,
    subnets: settings.subnets,
    allowFrom: settings.allowFrom,
  };
};

/** What the settings ask for. */
export const orderOf = (
  settings: Settings,
  { resolved, workingFolder }: Pick<CommandContext, 'resolved' | 'workingFolder'>,
): Order => ({
  retentionSeconds: settings.retentionSeconds,
  visibilitySeconds: settings.visibilitySeconds,
  graceSeconds: settings.graceSeconds,
  apiKeys: settings.apiKeys,
  workerSettings: workerSettingsOf(resolved, workingFolder),
  machines: machineChoicesOf(settings),
});

/** What a month of a wish costs, with the built-in prices or those of `--prices`. */
export const costOf = (
  settings: Settings,
  { machines }: Wish,
  workingFolder: string,
): MonthlyCost | undefined => {
  if (machines === undefined) return undefined;
  const { prices, minWorkers, maxWorkers } = settings;
  return monthlyCost(
    machines.choices,
    { least: minWorkers, most: maxWorkers },
    machines.surroundings.hasPublicAddresses,
    readPrices(prices === undefined ? undefined : path.resolve(workingFolder, prices)),
  );
};

/**
 * Asks whether to go on, unless `--yes` says so.
 * @throws ImgrecError when the answer is no, or nobody can be asked (exit 64)
 */
export const confirm = async (
  question: string,
  settings: Pick<Settings, 'yes'>,
  { ask }: Pick<CommandContext, 'ask'>,
): Promise<void> => {
  if (settings.yes) return;
  if (ask === undefined)
    throw usageError('this needs an answer, and there is no terminal to ask on', 'add --yes');
  if (!(await ask(question))) throw new ImgrecError('nothing was changed');
};
