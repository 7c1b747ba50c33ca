import { describe, expect, test } from 'vitest';
import { type Counter, type FlowInput, type FlowMemory, noteFlow } from './flow.ts';

const start = 1_000_000;
const counter = (total: number, atMs: number, more: Partial<Counter> = {}): Counter => ({
  name: 'one',
  total,
  atMs,
  ...more,
});

/** The images that were seen to arrive over several looks. */
const arrived = (looks: readonly FlowInput[]): number => {
  let memory: FlowMemory | undefined;
  let sum = 0;
  for (const look of looks) {
    const noted = noteFlow(memory, look);
    memory = noted.memory;
    for (const { count } of noted.arrivals) sum += count;
  }
  return sum;
};
const look = (
  seconds: number,
  backlog: number,
  done: readonly Counter[] = [],
  accepted: readonly Counter[] = [],
) => ({
  nowMs: start + seconds * 1_000,
  backlog,
  done,
  accepted,
});

describe('what has arrived', () => {
  test('the first look knows of nothing before it', () => {
    expect(noteFlow(undefined, look(0, 500, [counter(10_000, start)])).arrivals).toEqual([]);
  });

  test('what the queue gained, where nobody works', () => {
    expect(arrived([look(0, 5), look(10, 25)])).toBe(20);
  });

  test('what the queue gained and what the workers took out of it', () => {
    const at = (seconds: number) => start + seconds * 1_000;
    expect(arrived([look(0, 50, [counter(0, at(0))]), look(10, 30, [counter(40, at(10))])])).toBeCloseTo(20);
  });

  test('a queue that is only worked off is not an arrival', () => {
    const at = (seconds: number) => start + seconds * 1_000;
    expect(arrived([look(0, 50, [counter(0, at(0))]), look(10, 10, [counter(40, at(10))])])).toBeCloseTo(0);
  });

  test('what web processes accepted counts where the queue shows less', () => {
    const at = (seconds: number) => start + seconds * 1_000;
    // The worker's report is lost: the queue alone would say that nothing came.
    expect(arrived([look(0, 0, [], [counter(0, at(0))]), look(10, 0, [], [counter(30, at(10))])])).toBe(30);
  });

  test('the same images are not counted by the queue and again by the web tier', () => {
    const at = (seconds: number) => start + seconds * 1_000;
    const looks = [0, 10, 20, 30, 40].map((seconds) =>
      look(seconds, 0, [counter(seconds * 2, at(seconds))], [counter(seconds * 2, at(seconds))]),
    );
    expect(arrived(looks)).toBeCloseTo(80);
  });

  test('a burst that workers report half a minute after the web tier did is no second one', () => {
    const at = (seconds: number) => start + seconds * 1_000;
    const web = (seconds: number, total: number) => [counter(total, at(seconds), { name: 'web' })];
    const done = counter(200, at(46), { name: 'worker', forSeconds: 40 });
    const looks = [
      look(0, 0, [], web(0, 0)),
      look(6, 100, [], web(6, 130)),
      look(9, 0, [], web(9, 200)),
      look(50, 0, [done], web(46, 200)),
    ];
    expect(arrived(looks)).toBeCloseTo(200);
  });

  test('after a purge, what others send is seen again within minutes', () => {
    const purged = [look(0, 1_000), look(10, 0)];
    const later = Array.from({ length: 60 }, (_, index) => look(20 + index * 10, 10 * (index + 1)));
    // One a second for ten minutes; a thousand hide those of the first four and a half.
    expect(arrived([...purged, ...later])).toBeGreaterThan(300);
  });

  test('reports that come late make neither a pause nor a burst', () => {
    const at = (seconds: number) => start + seconds * 1_000;
    // Ten a second; the worker reports every 20 s, the look is every 10 s.
    let memory: FlowMemory | undefined;
    const rates: number[] = [];
    for (let seconds = 0; seconds <= 120; seconds += 10) {
      const reported = Math.floor(seconds / 20) * 20;
      const noted = noteFlow(memory, look(seconds, 0, [counter(reported * 10, at(reported))]));
      memory = noted.memory;
      for (const { from, to, count } of noted.arrivals) rates.push(count / (to - from));
    }
    expect(rates.length).toBeGreaterThan(3);
    for (const rate of rates) expect(rate).toBeCloseTo(10);
  });

  test('a worker that has gone is not waited for', () => {
    const at = (seconds: number) => start + seconds * 1_000;
    const gone = counter(40, at(5), { final: true });
    const looks = [look(0, 0, [counter(0, at(0))]), look(10, 0, [gone]), look(20, 7, [gone])];
    expect(arrived(looks)).toBeCloseTo(47);
  });

  test('a worker that starts anew under its name counts from 0, one that is merely met late does not', () => {
    const at = (seconds: number) => start + seconds * 1_000;
    expect(arrived([look(0, 0, [counter(90, at(0))]), look(10, 0, [counter(7, at(10))])])).toBeCloseTo(7);
    const old = counter(5_000, at(10), { name: 'old', forSeconds: 3_600 });
    expect(arrived([look(0, 0), look(10, 0, [old])])).toBeCloseTo(0);
    const fresh = counter(5, at(10), { name: 'fresh', forSeconds: 5 });
    expect(arrived([look(0, 0), look(10, 0, [fresh])])).toBeCloseTo(5);
  });
});
