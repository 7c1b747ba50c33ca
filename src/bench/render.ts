import Table from 'cli-table3';
import type { BenchOutcome } from './measure.ts';
import type { Problem } from './problems.ts';
import type { Check, Verdict } from './thresholds.ts';

const shownPerKind = 5;

const milliseconds = (value: number | null): string => (value === null ? '–' : value.toFixed(1));

const fraction = (value: number | null): string => (value === null ? '–' : value.toFixed(4));

const renderCheck = ({ name, value, limit, passed }: Check): string => {
  const shown = value === null || Number.isInteger(value) ? String(value ?? 'unknown') : value.toFixed(4);
  const bound = 'most' in limit ? `<= ${limit.most}` : `>= ${limit.least}`;
  return `${passed ? 'ok    ' : 'FAILED'} ${name} ${shown} (${bound})`;
};

const renderProblems = (problems: readonly Problem[]): readonly string[] => {
  const lines: string[] = [];
  for (const kind of ['lost', 'failed', 'refused', 'wrong'] as const) {
    const ofKind = problems.filter((problem) => problem.kind === kind);
    for (const { reason, count, image } of ofKind.slice(0, shownPerKind))
      lines.push(`${kind} ${count}x: ${reason}${kind === 'wrong' ? '' : ` (first: ${image})`}`);
    const more = ofKind.slice(shownPerKind).reduce((sum, { count }) => sum + count, 0);
    if (more > 0) lines.push(`${kind} ${more}x more (all of them: --json)`);
  }
  return lines;
};

const renderVerdict = ({ passed, invalid }: Verdict): string => {
  if (invalid !== undefined) return `not a valid measurement: ${invalid}`;
  return passed ? 'passed' : 'FAILED';
};

/** The outcome of a run as people read it. */
export const renderOutcome = ({ report, verdict, problems }: BenchOutcome): string => {
  const { latencyMs } = report;
  const counts = new Table({
    head: ['sent', 'answered', 'correct', 'wrong', 'unjudged', 'refused', 'failed', 'lost', 'duplicates'],
    style: { head: [], border: [] },
  });
  counts.push([
    report.sent,
    report.late > 0 ? `${report.answered} (${report.late} late)` : report.answered,
    report.correct,
    report.wrong,
    report.unjudged,
    report.refused,
    report.failed,
    report.lost,
    report.duplicates,
  ]);
  const speed = new Table({
    head: ['accuracy', 'seconds', 'answers/s', 'ms mean', 'p50', 'p90', 'p95', 'p99', 'max'],
    style: { head: [], border: [] },
  });
  speed.push([
    fraction(report.accuracy),
    report.durationSeconds.toFixed(2),
    report.throughputPerSecond.toFixed(1),
    ...[latencyMs.mean, latencyMs.p50, latencyMs.p90, latencyMs.p95, latencyMs.p99, latencyMs.max].map(
      milliseconds,
    ),
  ]);
  return [
    counts.toString(),
    speed.toString(),
    ...renderProblems(problems),
    ...verdict.checks.map(renderCheck),
    renderVerdict(verdict),
  ].join('\n');
};
