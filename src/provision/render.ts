import Table from 'cli-table3';
import type { MonthlyCost } from './cost.ts';
import type { Step } from './diff.ts';

const signs: Readonly<Record<Step['action'], string>> = { create: '+', update: '~', delete: '-', keep: '=' };

/** No line between rows: a plan has many. */
const compact = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };

/** The steps as a table. */
export const renderPlan = (steps: readonly Step[]): string => {
  const table = new Table({
    head: ['', 'kind', 'name', 'why'],
    colWidths: [3, null, null, 62],
    wordWrap: true,
    chars: compact,
    style: { head: [], border: [] },
  });
  for (const { action, kind, name, reason } of steps) table.push([signs[action], kind, name, reason]);
  return table.toString();
};

/** One line for a step that is done. */
export const renderDone = ({ action, kind, name, changes }: Step, seconds: number): string =>
  `${signs[action]} ${kind} ${name}${changes.length > 0 ? `: ${changes.join(', ')}` : ''} (${seconds.toFixed(1)} s)`;

/** What a month costs, as a table. */
export const renderCost = (cost: MonthlyCost): string => {
  const money = (amount: number): string => amount.toFixed(2);
  const table = new Table({
    head: [`${cost.currency} a month`, 'least', 'most'],
    colAligns: ['left', 'right', 'right'],
    chars: compact,
    style: { head: [], border: [] },
  });
  for (const { item, least, most } of cost.lines) table.push([item, money(least), money(most)]);
  table.push(['all, running all the time', money(cost.least), money(cost.most)]);
  return [
    table.toString(),
    `list prices of ${cost.region} as of ${cost.asOf}; requests, storage and traffic are not in it`,
    ...(cost.unknown.length > 0
      ? [`no price is known for ${cost.unknown.join(', ')}: add it with --prices`]
      : []),
  ].join('\n');
};
