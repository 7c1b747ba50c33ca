import Table from 'cli-table3';
import type { Finding } from './trial.ts';

/** What one test came to. */
export interface Row {
  readonly test: string;
  readonly title: string;
  readonly seed: number;
  readonly tookSeconds: number;
  readonly verdict: 'pass' | 'fail' | 'skipped';
  /** Absent when the test itself broke. */
  readonly finding: Finding | undefined;
  /** Why it failed or was skipped, a line each. */
  readonly why: readonly string[];
}

const columns = [
  'test',
  'ops',
  'acked',
  'lost',
  'unexpected',
  'duplicated',
  'wrong',
  'expired',
  'p50',
  'p99',
  'recovery_s',
  'seed',
  'verdict',
] as const;

const cells = ({ test, seed, verdict, finding }: Row): string[] => {
  if (finding?.kind !== 'judged') return [test, ...Array(10).fill('-'), String(seed), verdict];
  const { judgement } = finding;
  return [
    test,
    String(judgement.ops),
    String(judgement.acked),
    String(judgement.lost.length),
    String(judgement.unexpected.length),
    String(judgement.duplicated.length),
    String(judgement.wrong.length),
    String(judgement.expired.length),
    String(Math.round(judgement.p50Ms)),
    String(Math.round(judgement.p99Ms)),
    judgement.recoverySeconds.toFixed(1),
    String(seed),
    verdict,
  ];
};

/** So many accounts of what went wrong are printed: they tend to be the same. */
const accountsShown = 5;

const accountsOf = (finding: Finding | undefined): readonly string[] =>
  finding?.kind === 'judged' ? finding.judgement.accounts.slice(0, accountsShown) : [];

/** One line, for while the tests run. */
export const renderRow = (row: Row): string => {
  const figures = columns.map((name, index) => `${name} ${cells(row)[index]}`).slice(1);
  const checks =
    row.finding?.kind === 'judged'
      ? row.finding.checks.map(
          ({ what, measured, must, ok }) => `  ${ok ? 'ok' : 'NO'} ${what}: ${measured} (${must})`,
        )
      : [];
  return [
    `${row.test} ${row.title} (${row.tookSeconds.toFixed(0)} s)`,
    `  ${figures.join(' ')}`,
    ...checks,
    ...accountsOf(row.finding).map((line) => `  ${line}`),
    ...row.why.map((line) => `  ${row.verdict}: ${line}`),
  ].join('\n');
};

/** All tests in one table, and below it why what did not pass did not. */
export const renderTable = (rows: readonly Row[]): string => {
  const table = new Table({ head: [...columns], style: { head: [], border: [], compact: true } });
  for (const row of rows) table.push(cells(row));
  const notes = rows.flatMap(({ test, verdict, why, finding }) => [
    ...why.map((line) => `${test} ${verdict}: ${line}`),
    ...accountsOf(finding).map((line) => `${test} ${line}`),
  ]);
  return [table.toString(), ...notes].join('\n');
};
