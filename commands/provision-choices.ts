import type { Settings } from '../src/config/settings.ts';
import { ImgrecError, usageError } from '../src/errors.ts';
import type { Choices } from '../src/provision/wanted.ts';
import { workerSettingsOf } from '../src/provision/worker-settings.ts';
import type { CommandContext } from './command.ts';

/** Settings that decide what there is to be. */
export const resourceSettings = ['retentionSeconds', 'visibilitySeconds', 'adopt'] as const;

export const choicesOf = (
  settings: Settings,
  { resolved, workingFolder }: Pick<CommandContext, 'resolved' | 'workingFolder'>,
): Choices => ({
  retentionSeconds: settings.retentionSeconds,
  visibilitySeconds: settings.visibilitySeconds,
  workerSettings: workerSettingsOf(resolved, workingFolder),
});

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
