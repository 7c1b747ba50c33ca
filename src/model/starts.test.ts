import { describe, expect, test } from 'vitest';
import { ImgrecError } from '../errors.ts';
import { countStarts } from './starts.ts';

const error = new ImgrecError('does not start');

/** Pauses after `count` failed starts in a row, with no classifier ready. */
const failing = (starts: ReturnType<typeof countStarts>, count: number) =>
  Array.from({ length: count }, () => starts.failed(error, false));

describe('starts that fail', () => {
  test('are tried again later and later, and after eight of each classifier no more', () => {
    const starts = countStarts(1);
    const pauses = failing(starts, 8);
    expect(pauses.slice(0, 7).every((pause) => pause !== undefined)).toBe(true);
    expect(pauses[6]).toBeGreaterThan(pauses[0] ?? 0);
    expect(pauses[7]).toBeUndefined();
    expect(starts.trouble()).toEqual({ error, final: true });
  });

  test('are trouble only after four of each classifier', () => {
    const starts = countStarts(3);
    failing(starts, 9);
    expect(starts.trouble()).toBeUndefined();
    failing(starts, 1);
    expect(starts.trouble()).toEqual({ error, final: false });
  });

  test('are no trouble while another classifier is ready', () => {
    const starts = countStarts(2);
    for (let n = 0; n < 100; n++) expect(starts.failed(error, true)).toBeDefined();
    expect(starts.trouble()).toBeUndefined();
  });

  test('are forgotten once one succeeds', () => {
    const starts = countStarts(1);
    failing(starts, 7);
    starts.succeeded();
    expect(starts.trouble()).toBeUndefined();
    failing(starts, 3);
    expect(starts.trouble()).toBeUndefined();
  });
});
