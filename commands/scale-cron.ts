import path from 'node:path';
import { scaleSettings } from '../src/config/groups.ts';
import { settings as definitions } from '../src/config/settings.ts';
import { compiledModule } from '../src/package.ts';
import type { Command } from './command.ts';
import { scaleChoicesOf } from './scale-choices.ts';

/** A shift ends before the next begins; should it not, the next finds the lease taken and waits. */
const shift = ['--for', '55s'];

/** For a shell, and for cron, which takes "%" for a line break. */
const quoted = (word: string): string => {
  const shell = /^[\w@+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  return shell.replaceAll('%', '\\%');
};

const textOf = (value: unknown): string => {
  if (!Array.isArray(value)) return String(value);
  return value.every((each) => typeof each === 'string')
    ? value.join(',')
    : (value as { cron: string; min: number }[]).map(({ cron, min }) => `${cron} = ${min}`).join('; ');
};

export const scaleCron: Command = {
  name: 'cron',
  summary: 'Print the line for crontab that scales the cluster without a service',
  description:
    'Print a crontab line that starts a shift of 55 seconds each minute, with the settings given here. A shift that overlaps another does no harm.',
  settings: scaleSettings,
  examples: [
    { does: 'a decision each ten seconds', line: 'imgrec scale cron --region eu-central-1' },
    {
      does: 'none at rest, eight at most',
      line: 'imgrec scale cron --local --min-workers 0 --max-workers 8',
    },
  ],
  run: async (settings, { resolved, workingFolder }) => {
    scaleChoicesOf(settings);
    const chosen = [...scaleSettings, 'cluster', 'region', 'local', 'state'] as const;
    const flags = chosen
      .filter((key) => resolved.sources[key] !== 'default')
      .flatMap((key) => {
        const { name } = definitions[key];
        const value = key === 'state' ? path.resolve(workingFolder, settings.state) : settings[key];
        if (typeof value === 'boolean') return value ? [`--${name}`] : [];
        return [`--${name}`, textOf(value)];
      });
    // What cron starts has another working folder: the state of a local cloud is named in full.
    const state =
      settings.local && !flags.includes('--state')
        ? ['--state', path.resolve(workingFolder, settings.state)]
        : [];
    const words = [process.execPath, compiledModule('bin/imgrec.ts'), 'scale', ...shift, ...flags, ...state];
    const line = `* * * * * ${words.map(quoted).join(' ')}`;
    return { data: { schema: 'imgrec.scale.cron/1', line }, text: line };
  },
};
