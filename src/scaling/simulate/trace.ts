import { usageError } from '../../errors.ts';
import { poisson, seededRandom } from './random.ts';

/** Arrivals by time: `counts[i]` requests came in [startSeconds + i x binSeconds, that + binSeconds). */
export interface Trace {
  readonly name: string;
  /** Unix time of the first bin, or 0 where the file counts from its own start; schedules read the time of day from it. */
  readonly startSeconds: number;
  readonly binSeconds: number;
  readonly counts: ArrayLike<number>;
}

/** More than a year of seconds is a mistake in the file rather than a trace. */
const mostBins = 366 * 86_400;

/** The time in the first column: seconds, or a date such as 2024-05-01T12:00:00Z. NaN when it is neither. */
const secondsOf = (text: string): number =>
  /^-?\d+(\.\d+)?$/.test(text)
    ? Number(text)
    : /^\d{4}-\d\d-\d\d/.test(text)
      ? Date.parse(text) / 1_000
      : NaN;

const malformed = (name: string, line: number, problem: string) =>
  usageError(
    `${name}, line ${line}: ${problem}`,
    'a trace has lines of "t_seconds,requests", or one timestamp (seconds or ISO 8601) a line for each request',
  );

/** The lines that say something, with their numbers; a heading in the first one is left out. */
const dataLines = (text: string): { readonly number: number; readonly cells: readonly string[] }[] => {
  const lines = text.split(/\r?\n/).flatMap((line, index) => {
    const cells = line.split(',').map((cell) => cell.trim());
    return line.trim() === '' || line.startsWith('#') ? [] : [{ number: index + 1, cells }];
  });
  const heading = lines[0];
  return heading?.cells.every((cell) => /^[A-Za-z_]/.test(cell)) ? lines.slice(1) : lines;
};

/**
 * Reads a trace: lines of `t_seconds,requests` (the bin is the smallest distance between two of them; bins left out are
 * empty), or one timestamp a line, in any order, for each request.
 * @throws ImgrecError (exit 64) with the line that is not understood.
 */
export const parseTrace = (name: string, text: string): Trace => {
  const lines = dataLines(text);
  const [first] = lines;
  if (first === undefined)
    throw usageError(`${name} has no data`, 'the first line of a trace may be a heading');
  const columns = first.cells.length;
  if (columns > 2) throw malformed(name, first.number, `${columns} columns where 1 or 2 are expected`);
  const rows = lines.map(({ number, cells }) => {
    const time = secondsOf(cells[0] ?? '');
    if (cells.length !== columns)
      throw malformed(name, number, `${cells.length} columns where line ${first.number} has ${columns}`);
    if (!Number.isFinite(time)) throw malformed(name, number, `"${cells[0]}" is not a time`);
    const count = columns === 1 ? 1 : /^\d+(\.\d+)?$/.test(cells[1] ?? '') ? Number(cells[1]) : NaN;
    if (!Number.isFinite(count)) throw malformed(name, number, `"${cells[1]}" is not a number of requests`);
    return { number, time, count };
  });
  return columns === 1 ? fromTimestamps(name, rows) : fromCounts(name, rows);
};

interface Row {
  readonly number: number;
  readonly time: number;
  readonly count: number;
}

const fromTimestamps = (name: string, rows: readonly Row[]): Trace => {
  const start = Math.floor(rows.reduce((least, { time }) => Math.min(least, time), Infinity));
  return binned(name, start, 1, rows);
};

const fromCounts = (name: string, rows: readonly Row[]): Trace => {
  let bin = Infinity;
  for (const [index, row] of rows.entries()) {
    const before = rows[index - 1];
    if (before === undefined) continue;
    if (row.time <= before.time)
      throw malformed(name, row.number, `the time ${row.time} does not come after ${before.time}`);
    bin = Math.min(bin, row.time - before.time);
  }
  const start = rows[0]?.time ?? 0;
  const binSeconds = rows.length === 1 ? 1 : Math.max(1, bin);
  return binned(name, start, binSeconds, rows);
};

const binned = (name: string, start: number, binSeconds: number, rows: readonly Row[]): Trace => {
  const last = rows.reduce((most, { time }) => Math.max(most, time), start);
  const bins = Math.floor((last - start) / binSeconds + 1e-9) + 1;
  if (bins > mostBins)
    throw usageError(
      `${name} spans ${Math.round((last - start) / 86_400)} days in bins of ${binSeconds} s`,
      `at most ${mostBins} bins can be simulated; are all times in seconds?`,
    );
  const counts = new Float64Array(bins);
  for (const { time, count } of rows) {
    const index = Math.floor((time - start) / binSeconds + 1e-9);
    counts[index] = (counts[index] ?? 0) + count;
  }
  return { name, startSeconds: start, binSeconds, counts };
};

/** Multiplies the arrivals: each bin becomes Poisson with `factor` times its count. A factor of 1 keeps whole counts. */
export const scaleTrace = (trace: Trace, factor: number, seed: number): Trace => {
  const random = seededRandom(seed);
  const scaled = (count: number) =>
    factor === 1 && Number.isInteger(count) ? count : poisson(count * factor, random);
  return { ...trace, counts: Float64Array.from(trace.counts, scaled) };
};

/** How long the trace is. */
export const traceSeconds = (trace: Trace): number => trace.counts.length * trace.binSeconds;

/** How many requests it has. */
export const traceRequests = (trace: Trace): number => {
  let sum = 0;
  for (let index = 0; index < trace.counts.length; index += 1) sum += trace.counts[index] ?? 0;
  return sum;
};

/** The most requests a second over a minute. */
export const busiestMinute = ({ counts, binSeconds }: Trace): number => {
  const bins = Math.max(1, Math.round(60 / binSeconds));
  let most = 0;
  let sum = 0;
  for (let index = 0; index < counts.length; index += 1) {
    sum += (counts[index] ?? 0) - (counts[index - bins] ?? 0);
    most = Math.max(most, sum);
  }
  return most / (bins * binSeconds);
};
