import { describe, expect, test } from 'vitest';
import { bandsUpTo, type Level, noteNeed, shouldBeUp } from './gaps.ts';

const stakes = { bootSeconds: 90, launchSeconds: 90, priceSeconds: 300, intervalSeconds: 10 };
const isUpAt = (level: Level, elapsed: number, isUp: boolean) =>
  shouldBeUp(level, level.last + elapsed, isUp, stakes);

describe('idle workers', () => {
  test('before three pauses are known: kept for the break-even time, then not; never started ahead', () => {
    const unknown = { last: 0, gaps: [60, 60] };
    expect([isUpAt(unknown, 389, true), isUpAt(unknown, 390, true), isUpAt(unknown, 10, false)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('where a minute is billed for a short boot, a launch costs the minute', () => {
    const known = { last: 0, gaps: [] };
    const short = { bootSeconds: 2, launchSeconds: 60, priceSeconds: 0, intervalSeconds: 1 };
    expect(shouldBeUp(known, 59, true, short)).toBe(true);
    expect(shouldBeUp(known, 61, true, short)).toBe(false);
    expect(shouldBeUp(known, 3, true, { ...short, launchSeconds: 2 })).toBe(false);
  });

  test('short pauses are bridged, and a pause longer than all before is given up', () => {
    const short = { last: 0, gaps: Array.from({ length: 12 }, () => 120) };
    expect([isUpAt(short, 60, true), isUpAt(short, 300, true)]).toEqual([true, false]);
  });

  test('long pauses that come like clockwork: ended at once, started ahead of the next need', () => {
    const hourly = { last: 0, gaps: Array.from({ length: 12 }, () => 3_600) };
    expect(isUpAt(hourly, 60, true)).toBe(false);
    const startedAt = Array.from({ length: 360 }, (_, run) => run * 10).find((at) =>
      isUpAt(hourly, at, false),
    );
    expect(startedAt).toBeGreaterThan(3_400);
    expect(startedAt).toBeLessThanOrEqual(3_510);
  });

  test('pauses without a pattern: nobody is started ahead', () => {
    const random = { last: 0, gaps: [700, 4_000, 1_200, 9_000, 2_500, 16_000, 5_500, 30_000] };
    expect(Array.from({ length: 3_000 }, (_, run) => isUpAt(random, run * 10, false))).not.toContain(true);
  });
});

describe('levels', () => {
  test('a thousand workers fit in 31 of them', () => {
    const bands = bandsUpTo(1_000);
    expect(bands.slice(0, 10)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 10, 13]);
    expect(bands.length).toBeLessThanOrEqual(31);
  });

  test('remember pauses, not the time between two runs', () => {
    const first = noteNeed(undefined, 100, 10, 12);
    const second = noteNeed(first, 110, 10, 12);
    expect(noteNeed(second, 400, 10, 12)).toEqual({ last: 400, gaps: [290] });
  });

  test('remember the last twenty pauses, and fewer where there are many levels', () => {
    const gapsOf = (bands: number) => {
      let level = noteNeed(undefined, 0, 10, bands);
      for (let nth = 1; nth <= 30; nth++) level = noteNeed(level, level.last + 100 + nth, 10, bands);
      return level.gaps;
    };
    expect(gapsOf(12)).toEqual(Array.from({ length: 20 }, (_, index) => 111 + index));
    expect(gapsOf(31)).toHaveLength(12);
  });
});
