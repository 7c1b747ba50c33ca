import { judge, type Truth } from '../image/truth.ts';
import type { SettledEntry } from './ledger.ts';
import { type LatencySummary, rounded, summarizeLatencies } from './statistics.ts';

/** What a run measured. `sent` = `answered` + `refused` + `failed` + `lost`; `answered` = `correct` + `wrong` + `unjudged`. */
export interface BenchReport {
  readonly schema: 'imgrec.bench/1';
  readonly sent: number;
  /** Requests that brought a label, `late` ones among them. */
  readonly answered: number;
  readonly correct: number;
  readonly wrong: number;
  /** Answered, but the truth does not know the image. */
  readonly unjudged: number;
  /** 503 or 429: declined, nothing owed. */
  readonly refused: number;
  /** Neither label nor refusal, and nothing to wait for. */
  readonly failed: number;
  /** Accepted, but without a result long after the run. */
  readonly lost: number;
  /** Ids that came with the answers of more than one request. */
  readonly duplicates: number;
  /** Answered only in the sense that the result was found after the run. */
  readonly late: number;
  /** correct / (correct + wrong); null when none was judged. */
  readonly accuracy: number | null;
  /** From the first request sent until the last one ended, without the look-ups after it. */
  readonly durationSeconds: number;
  /** Answers that came during the run, by its duration. */
  readonly throughputPerSecond: number;
  /** Of answered requests; a late one counts until its result was seen. */
  readonly latencyMs: LatencySummary;
}

const countDuplicates = (entries: readonly SettledEntry[]): number => {
  const seen = new Map<string, number>();
  for (const { id } of entries) if (id !== undefined) seen.set(id, (seen.get(id) ?? 0) + 1);
  return [...seen.values()].filter((count) => count > 1).length;
};

const durationMsOf = (entries: readonly SettledEntry[]): number => {
  let start = Number.POSITIVE_INFINITY;
  let end = Number.NEGATIVE_INFINITY;
  for (const { sentAtMs, latencyMs } of entries) {
    start = Math.min(start, sentAtMs);
    end = Math.max(end, sentAtMs + latencyMs);
  }
  return entries.length === 0 ? 0 : end - start;
};

/** Computes the report of a settled ledger. */
export const reportOf = (entries: readonly SettledEntry[], truth: Truth | undefined): BenchReport => {
  const settled = { answered: 0, refused: 0, failed: 0, lost: 0 };
  const judged = { correct: 0, wrong: 0, unjudged: 0 };
  const latenciesMs: number[] = [];
  let late = 0;
  for (const { image, settlement } of entries) {
    settled[settlement.kind]++;
    if (settlement.kind !== 'answered') continue;
    judged[judge(truth, image, settlement.label)]++;
    latenciesMs.push(settlement.latencyMs);
    if (settlement.late) late++;
  }
  const judgedCount = judged.correct + judged.wrong;
  const durationSeconds = durationMsOf(entries) / 1_000;
  return {
    schema: 'imgrec.bench/1',
    sent: entries.length,
    answered: settled.answered,
    correct: judged.correct,
    wrong: judged.wrong,
    unjudged: judged.unjudged,
    refused: settled.refused,
    failed: settled.failed,
    lost: settled.lost,
    duplicates: countDuplicates(entries),
    late,
    // Not rounded: a threshold is compared with it.
    accuracy: judgedCount === 0 ? null : judged.correct / judgedCount,
    durationSeconds: rounded(durationSeconds, 3),
    throughputPerSecond: durationSeconds === 0 ? 0 : rounded((settled.answered - late) / durationSeconds, 2),
    latencyMs: summarizeLatencies(latenciesMs),
  };
};
