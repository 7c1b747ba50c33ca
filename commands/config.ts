import Table from 'cli-table3';
import { settingKeys, settings } from '../src/config/settings.ts';
import type { Command } from './command.ts';

const shown = (value: unknown): string => (value === undefined ? '' : String(value));

export const config: Command = {
  name: 'config',
  summary: 'Print every setting, its value and where it came from',
  settings: settingKeys.filter(
    (key) => !['cluster', 'local', 'state', 'region', 'json', 'quiet', 'verbose'].includes(key),
  ),
  examples: [
    { does: 'every setting in force here', line: 'imgrec config' },
    { does: 'for a script', line: 'imgrec config --json' },
  ],
  run: async (values, { resolved }) => {
    const rows = settingKeys.map((key) => ({
      name: settings[key].name,
      value: values[key],
      source: resolved.sources[key],
      help: settings[key].help,
    }));
    const table = new Table({ head: ['setting', 'value', 'from', 'what'], style: { head: [], border: [] } });
    for (const row of rows) table.push([row.name, shown(row.value), row.source, row.help]);
    return {
      data: {
        schema: 'imgrec.config/1',
        file: resolved.file ?? null,
        settings: Object.fromEntries(
          rows.map((row) => [row.name, { value: row.value ?? null, source: row.source }]),
        ),
      },
      text: table.toString(),
    };
  },
};
