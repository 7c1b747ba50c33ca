import { describe, expect, test } from 'vitest';
import { parseTrace, scaleTrace, traceRequests } from './trace.ts';

describe('traces', () => {
  test('are counts by time; bins left out are empty', () => {
    expect(parseTrace('t', 't_seconds,requests\n0,5\n10,0\n\n40,7\n')).toEqual({
      name: 't',
      startSeconds: 0,
      binSeconds: 10,
      counts: Float64Array.from([5, 0, 0, 0, 7]),
    });
  });

  test('or one timestamp a request, in seconds or ISO 8601, in any order', () => {
    const seconds = parseTrace('t', '12.5\n10\n12.9');
    expect([seconds.startSeconds, [...Array.from(seconds.counts)]]).toEqual([10, [1, 0, 2]]);
    const dates = parseTrace('t', 'time\n2024-05-01T00:00:01Z\n2024-05-01T00:00:00.5Z');
    expect([dates.startSeconds, [...Array.from(dates.counts)]]).toEqual([1_714_521_600, [1, 1]]);
  });

  test.each([
    ['', /has no data/],
    ['t_seconds,requests\n', /has no data/],
    ['0,1\n10,x', /line 2: "x" is not a number of requests/],
    ['0,1\n10,-4', /line 2: "-4" is not a number of requests/],
    ['0,1\n10', /line 2: 1 columns where line 1 has 2/],
    ['0,1\n10,1\n5,1', /line 3: the time 5 does not come after 10/],
    ['0,1\n0,1', /line 2: the time 0 does not come after 0/],
    ['a,1,2', /line 1: 3 columns/],
    ['0,1\nnoon,3', /line 2: "noon" is not a time/],
    ['0,1\n1,1\n1700000000,1', /spans 19676 days/],
  ])('%j is refused, with the line', (text, message) => {
    expect(() => parseTrace('t', text)).toThrow(message);
  });

  test('are scaled by chance, to the right mean', () => {
    const trace = parseTrace(
      't',
      Array.from({ length: 2_000 }, (_, index) => `${index},${index % 50}`).join('\n'),
    );
    const scaled = traceRequests(scaleTrace(trace, 0.1, 1));
    expect(scaled / traceRequests(trace)).toBeGreaterThan(0.095);
    expect(scaled / traceRequests(trace)).toBeLessThan(0.105);
    expect(scaleTrace(trace, 1, 1).counts).toEqual(trace.counts);
  });
});
