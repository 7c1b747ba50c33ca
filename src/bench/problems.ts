import { judge, type Truth } from '../image/truth.ts';
import type { SettledEntry } from './ledger.ts';

/** Requests that ended alike, and not as they should. */
export interface Problem {
  readonly kind: 'wrong' | 'refused' | 'failed' | 'lost';
  readonly reason: string;
  readonly count: number;
  /** The first image that met it. */
  readonly image: string;
}

const problemOf = (
  { image, settlement }: SettledEntry,
  truth: Truth | undefined,
): Pick<Problem, 'kind' | 'reason'> | undefined => {
  if (settlement.kind !== 'answered') return settlement;
  if (judge(truth, image, settlement.label) !== 'wrong') return undefined;
  return { kind: 'wrong', reason: `${image} is no "${settlement.label}"` };
};

/** Groups what went wrong by kind and reason, the most frequent first within each kind, the worst kind first. */
export const problemsOf = (
  entries: readonly SettledEntry[],
  truth: Truth | undefined,
): readonly Problem[] => {
  const groups = new Map<string, Problem>();
  for (const entry of entries) {
    const problem = problemOf(entry, truth);
    if (problem === undefined) continue;
    const key = JSON.stringify([problem.kind, problem.reason]);
    const { kind, reason } = problem;
    const { image, count } = groups.get(key) ?? { image: entry.image, count: 0 };
    groups.set(key, { kind, reason, image, count: count + 1 });
  }
  const severity = ['lost', 'failed', 'refused', 'wrong'];
  return [...groups.values()].sort(
    (a, b) => severity.indexOf(a.kind) - severity.indexOf(b.kind) || b.count - a.count,
  );
};
