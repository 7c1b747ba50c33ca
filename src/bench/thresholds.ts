import type { Ending } from './closed-loop.ts';
import type { BenchReport } from './report.ts';

export interface Check {
  readonly name: string;
  readonly value: number | null;
  readonly limit: { readonly most: number } | { readonly least: number };
  readonly passed: boolean;
}

/** `invalid` says why the numbers prove nothing, whatever the checks say. */
export interface Verdict {
  readonly passed: boolean;
  readonly invalid: string | undefined;
  readonly checks: readonly Check[];
}

const atMost = (name: string, value: number, most: number): Check => ({
  name,
  value,
  limit: { most },
  passed: value <= most,
});

const atLeast = (name: string, value: number | null, least: number): Check => ({
  name,
  value,
  limit: { least },
  passed: value !== null && value >= least,
});

const whyInvalid = (report: BenchReport, ending: Ending): string | undefined => {
  if (report.sent === 0) return 'nothing was sent';
  if (ending === 'interrupted') return 'the run was interrupted';
  if (ending === 'unreachable') return 'the server could not be reached';
  if (report.answered === 0) return 'nothing was answered';
  return undefined;
};

/**
 * Judges a run. Nothing may be lost, fail or be answered under another's id; refusals are the server's right and only
 * counted. Accuracy is checked when a least one is given.
 */
export const verdictOf = (report: BenchReport, ending: Ending, minAccuracy: number | undefined): Verdict => {
  const checks = [
    atMost('lost', report.lost, 0),
    atMost('failed', report.failed, 0),
    atMost('duplicates', report.duplicates, 0),
    ...(minAccuracy === undefined ? [] : [atLeast('accuracy', report.accuracy, minAccuracy)]),
  ];
  const invalid = whyInvalid(report, ending);
  return { passed: invalid === undefined && checks.every((check) => check.passed), invalid, checks };
};
