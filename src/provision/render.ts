import Table from 'cli-table3';
import type { Step } from './diff.ts';

/** A step as `--json` prints it. */
export const describeStep = ({ action, kind, name, changes, reason }: Step) => ({
  action,
  kind,
  name,
  changes,
  reason,
});

const signs: Readonly<Record<Step['action'], string>> = { create: '+', update: '~', delete: '-', keep: '=' };

/** The steps as a table. */
export const renderPlan = (steps: readonly Step[]): string => {
  const table = new Table({
    head: ['', 'kind', 'name', 'why'],
    colWidths: [3, null, null, 62],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const { action, kind, name, reason } of steps) table.push([signs[action], kind, name, reason]);
  return table.toString();
};

/** One line for a step that is done. */
export const renderDone = ({ action, kind, name, changes }: Step, seconds: number): string =>
  `${signs[action]} ${kind} ${name}${changes.length > 0 ? `: ${changes.join(', ')}` : ''} (${seconds.toFixed(1)} s)`;
