import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTruth } from '../image/truth.ts';
import { type Entry, type Found, type Outcome, settle, unansweredIds } from './ledger.ts';
import { problemsOf } from './problems.ts';
import { reportOf } from './report.ts';

const truth = parseTruth('a.jpg,cat|kitten\nb.jpg,dog\n', 'truth.csv');

const entry = (index: number, image: string, outcome: Outcome, more: Partial<Entry> = {}): Entry => ({
  index,
  image,
  outcome,
  sentAtMs: 1_000 + index * 100,
  latencyMs: 50,
  id: `id-${index}`,
  status: 200,
  ...more,
});

const label = (text: string): Outcome => ({ kind: 'answered', label: text });
const unanswered: Outcome = { kind: 'unanswered', reason: 'HTTP 504' };

const entries: readonly Entry[] = [
  entry(0, 'a.jpg', label('Kitten')),
  entry(1, 'b.jpg', label('cat'), { latencyMs: 150 }),
  entry(2, 'c.jpg', label('cow')),
  entry(3, 'a.jpg', { kind: 'refused', reason: 'HTTP 503' }),
  entry(4, 'a.jpg', { kind: 'failed', reason: 'HTTP 422' }),
  entry(5, 'a.jpg', unanswered),
  entry(6, 'b.jpg', unanswered),
  entry(7, 'b.jpg', unanswered, { latencyMs: 800 }),
  entry(8, 'a.jpg', label('cat'), { id: 'id-0' }),
];

const found = new Map<string, Found>([
  ['id-5', { kind: 'ok', label: 'cat', seenAtMs: 4_500 }],
  ['id-6', { kind: 'failed', reason: 'result failed: undecodable' }],
]);

describe('a ledger', () => {
  it('is looked up by the ids of what was not answered, each once', () => {
    const twice = [...entries, entry(9, 'a.jpg', unanswered, { id: 'id-5' })];
    expect(unansweredIds(twice)).toEqual(['id-5', 'id-6', 'id-7']);
  });

  it('settled and judged is the report', () => {
    expect(reportOf(settle(entries, found), truth)).toEqual({
      schema: 'imgrec.bench/1',
      sent: 9,
      answered: 5,
      correct: 3,
      wrong: 1,
      unjudged: 1,
      refused: 1,
      failed: 2,
      lost: 1,
      duplicates: 1,
      late: 1,
      accuracy: 0.75,
      // From 1,000 ms, when the first was sent, until 2,500 ms, when the eighth was given up.
      durationSeconds: 1.5,
      throughputPerSecond: 2.67,
      // 50, 50, 50, 150 and the late one, sent at 1,500 and seen at 4,500.
      latencyMs: { mean: 660, p50: 50, p90: 3_000, p95: 3_000, p99: 3_000, max: 3_000 },
    });
  });

  it('names what went wrong, the worst first', () => {
    expect(problemsOf(settle(entries, found), truth)).toEqual([
      { kind: 'lost', reason: 'HTTP 504', count: 1, image: 'b.jpg' },
      { kind: 'failed', reason: 'HTTP 422', count: 1, image: 'a.jpg' },
      { kind: 'failed', reason: 'result failed: undecodable', count: 1, image: 'b.jpg' },
      { kind: 'refused', reason: 'HTTP 503', count: 1, image: 'a.jpg' },
      { kind: 'wrong', reason: 'b.jpg is no "cat"', count: 1, image: 'b.jpg' },
    ]);
  });

  it('of nothing has no accuracy, no rate and no latency', () => {
    expect(reportOf([], truth)).toMatchObject({
      sent: 0,
      accuracy: null,
      durationSeconds: 0,
      throughputPerSecond: 0,
      latencyMs: { mean: null, p50: null, max: null },
    });
  });

  it('without truth leaves every answer unjudged', () => {
    expect(reportOf(settle(entries, found), undefined)).toMatchObject({
      answered: 5,
      unjudged: 5,
      accuracy: null,
    });
  });

  it('does not round an accuracy up to a threshold', () => {
    const answers = Array.from({ length: 20_000 }, (_, at) =>
      entry(at, 'a.jpg', label(at < 17_399 ? 'cat' : 'dog')),
    );
    expect(reportOf(settle(answers, new Map()), truth).accuracy).toBeLessThan(0.87);
  });
});

describe('for any ledger', () => {
  const ids = fc.option(fc.constantFrom('i', 'j', 'k', 'l'), { nil: undefined });
  const outcomes = fc.oneof(
    fc.constantFrom('cat', 'dog', 'cow').map(label),
    fc
      .constantFrom<Outcome['kind']>('refused', 'failed', 'unanswered')
      .map((kind) => ({ kind, reason: 'x' }) as Outcome),
  );
  const anyEntry = fc
    .tuple(fc.constantFrom('a.jpg', 'b.jpg', 'c.jpg'), outcomes, ids, fc.nat(10_000), fc.nat(10_000))
    .map(([image, outcome, id, sentAtMs, latencyMs]) =>
      entry(0, image, outcome, { id, sentAtMs, latencyMs }),
    );
  const anyFound = fc.dictionary(
    fc.constantFrom('i', 'j', 'k', 'l'),
    fc.oneof(
      fc.nat(50_000).map((seenAtMs): Found => ({ kind: 'ok', label: 'cat', seenAtMs })),
      fc.constant<Found>({ kind: 'failed', reason: 'x' }),
    ),
  );

  it('every request is answered, refused, failed or lost, and every answer judged or not', () => {
    fc.assert(
      fc.property(fc.array(anyEntry), anyFound, (ledger, results) => {
        const report = reportOf(settle(ledger, new Map(Object.entries(results))), truth);
        expect(report.sent).toBe(ledger.length);
        expect(report.answered + report.refused + report.failed + report.lost).toBe(report.sent);
        expect(report.correct + report.wrong + report.unjudged).toBe(report.answered);
        expect(report.late).toBeLessThanOrEqual(report.answered);
        const claimed = ledger.filter(({ outcome }) => outcome.kind === 'answered').length;
        expect(report.answered - report.late).toBe(claimed);
        for (const value of Object.values(report.latencyMs))
          if (value !== null) expect(value).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('a late answer is never faster than its own request', () => {
    fc.assert(
      fc.property(fc.array(anyEntry), anyFound, (ledger, results) => {
        for (const { settlement, latencyMs } of settle(ledger, new Map(Object.entries(results))))
          if (settlement.kind === 'answered') expect(settlement.latencyMs).toBeGreaterThanOrEqual(latencyMs);
      }),
    );
  });
});
