import { openCluster } from '../src/aws/cluster.ts';
import { connect } from '../src/aws/connection.ts';
import { usageError } from '../src/errors.ts';
import { type Explanation, explainAt, explainLast, renderExplanation } from '../src/scaling/explain.ts';
import type { Command } from './command.ts';

const momentOf = (text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw usageError(
      `--at must be a time such as 2026-01-31T10:20:30Z, not "${text}"`,
      'decisions are listed by --last',
    );
  return ms;
};

export const scaleExplain: Command = {
  name: 'explain',
  summary: 'Say why there are as many workers as there are: a sentence a decision',
  description:
    'Read decisions from the journal, make each again from what was seen then, and say so where the outcome differs. Decisions that changed nothing are journalled once a minute.',
  settings: ['at', 'last'],
  examples: [
    { does: 'the last three decisions', line: 'imgrec scale explain --local --last 3' },
    { does: 'the one that held at a moment', line: 'imgrec scale explain --local --at 2030-01-01T00:00:00Z' },
  ],
  run: async (settings, { workingFolder }) => {
    const atMs = settings.at === undefined ? undefined : momentOf(settings.at);
    const cluster = await openCluster(connect(settings, workingFolder));
    try {
      const { s3, names } = cluster;
      const decisions: readonly Explanation[] =
        atMs === undefined
          ? await explainLast(s3, names.opsBucket, settings.last)
          : [await explainAt(s3, names.opsBucket, atMs)].filter((found) => found !== undefined);
      return {
        data: { schema: 'imgrec.scale.explanation/1', decisions },
        text:
          decisions.length === 0
            ? `the journal has no decision ${atMs === undefined ? 'yet' : 'from then or before'}`
            : decisions.map(renderExplanation).join('\n'),
      };
    } finally {
      cluster.close();
    }
  },
};
