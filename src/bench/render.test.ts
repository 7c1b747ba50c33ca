import { expect, it } from 'vitest';
import { renderOutcome } from './render.ts';
import { type BenchReport, reportOf } from './report.ts';
import { verdictOf } from './thresholds.ts';

const report: BenchReport = {
  ...reportOf([], undefined),
  sent: 10,
  answered: 8,
  correct: 5,
  wrong: 3,
  failed: 1,
  lost: 1,
  late: 1,
  accuracy: 0.625,
  durationSeconds: 2,
  throughputPerSecond: 3.5,
  latencyMs: { mean: 12.34, p50: 10, p90: 20, p95: 30, p99: 40, max: 41 },
};

const problems = Array.from({ length: 7 }, (_, at) => ({
  kind: 'wrong' as const,
  reason: `${at}.jpg is no "cat"`,
  count: 1,
  image: `${at}.jpg`,
}));

it('shows counts, speed, problems, checks and the verdict', () => {
  const lost = { kind: 'lost' as const, reason: 'HTTP 504', count: 1, image: 'a.jpg' };
  const verdict = verdictOf(report, 'complete', 0.5);
  const text = renderOutcome({ report, verdict, problems: [lost, ...problems] });
  expect(text).toContain('8 (1 late)');
  expect(text).toMatch(/0\.6250\D+2\.00\D+3\.5\D+12\.3\D+10\.0\D+20\.0\D+30\.0\D+40\.0\D+41\.0/);
  expect(text.split('\n').slice(-12)).toEqual([
    'lost 1x: HTTP 504 (first: a.jpg)',
    'wrong 1x: 0.jpg is no "cat"',
    'wrong 1x: 1.jpg is no "cat"',
    'wrong 1x: 2.jpg is no "cat"',
    'wrong 1x: 3.jpg is no "cat"',
    'wrong 1x: 4.jpg is no "cat"',
    'wrong 2x more (all of them: --json)',
    'FAILED lost 1 (<= 0)',
    'FAILED failed 1 (<= 0)',
    'ok     duplicates 0 (<= 0)',
    'ok     accuracy 0.6250 (>= 0.5)',
    'FAILED',
  ]);
});

it('shows dashes where nothing was measured, and why that proves nothing', () => {
  const empty = reportOf([], undefined);
  const text = renderOutcome({ report: empty, verdict: verdictOf(empty, 'interrupted', 0.8), problems: [] });
  expect(text).toMatch(/–\D+0\.00\D+0\.0(\D+–){6}/);
  expect(text).toContain('FAILED accuracy unknown (>= 0.8)');
  expect(text.split('\n').at(-1)).toBe('not a valid measurement: nothing was sent');
});
