import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import Table from 'cli-table3';
import { openCluster } from '../src/aws/cluster.ts';
import { connect } from '../src/aws/connection.ts';
import type { Settings } from '../src/config/settings.ts';
import { ImgrecError, messageOf, usageError } from '../src/errors.ts';
import { type Prices, readPrices } from '../src/prices.ts';
import { choosePolicies } from '../src/scaling/chosen.ts';
import { type JournalEntry, readWholeJournal } from '../src/scaling/journal.ts';
import { type History, recordHistory } from '../src/scaling/simulate/history.ts';
import { traceOfJournal } from '../src/scaling/simulate/lived.ts';
import { plotPage, plotSvg } from '../src/scaling/simulate/plot.ts';
import { type Course, type Row, runCourse, totalsOf } from '../src/scaling/simulate/run.ts';
import { parseTrace, scaleTrace, type Trace, traceSeconds } from '../src/scaling/simulate/trace.ts';
import { defaultWorld } from '../src/scaling/simulate/world.ts';
import type { Command, CommandContext } from './command.ts';

/** Settings of every simulation. */
export const simulationSettings = [
  'policy',
  'minWorkers',
  'maxWorkers',
  'targetWaitSeconds',
  'schedule',
  'everySeconds',
  'minUptimeSeconds',
  'serviceRate',
  'boot',
  'traceScale',
  'seed',
  'price',
  'prices',
  'instanceTypes',
  'traceFrom',
  'readingAgeSeconds',
  'reportEverySeconds',
  'readingNoise',
  'slowBoots',
  'hungBoots',
  'refusedLaunches',
  'interruptions',
] as const;

const readTrace = async (operand: string, settings: Settings, workingFolder: string): Promise<Trace> => {
  const [, file = operand, factor] = /^(.*)@(\d+(?:\.\d+)?|\.\d+)$/.exec(operand) ?? [];
  let text: string;
  try {
    text = await readFile(path.resolve(workingFolder, file), 'utf8');
  } catch (error) {
    throw usageError(`cannot read the trace ${file}: ${messageOf(error)}`);
  }
  const trace = parseTrace(path.basename(file, '.csv'), text);
  return scaleTrace(trace, settings.traceScale * (factor === undefined ? 1 : Number(factor)), settings.seed);
};

/** What the cluster's scalers have journalled, oldest first; undefined where nobody asks for it. Throws CloudError. */
export const readJournal = async (
  settings: Settings,
  workingFolder: string,
): Promise<readonly JournalEntry[] | undefined> => {
  if (settings.traceFrom !== 'journal') return undefined;
  const cluster = await openCluster(connect(settings, workingFolder));
  try {
    return await readWholeJournal(cluster.s3, cluster.names.opsBucket);
  } finally {
    cluster.close();
  }
};

const journalTrace = (journal: readonly JournalEntry[], settings: Settings): Trace => {
  const trace = traceOfJournal('journal', journal);
  if (trace === undefined)
    throw new ImgrecError('the journal knows of no image yet', { hint: '"imgrec scale" writes it' });
  return scaleTrace(trace, settings.traceScale, settings.seed);
};

/** @throws ImgrecError (exit 64) for a trace that cannot be read, or where there is none */
export const tracesOf = async (
  settings: Settings,
  { operands, workingFolder }: CommandContext,
  journal: readonly JournalEntry[] | undefined,
): Promise<readonly Trace[]> => {
  const files = await Promise.all(operands.map((operand) => readTrace(operand, settings, workingFolder)));
  if (journal !== undefined) return [...files, journalTrace(journal, settings)];
  if (files.length === 0)
    throw usageError('no trace is given', 'name CSV files of "t_seconds,requests", or --trace-from journal');
  return files;
};

/** The built-in prices, or those of `--prices`. @throws ImgrecError (exit 64) when that file holds none */
export const pricesOf = ({ prices }: Settings, workingFolder: string): Prices =>
  readPrices(prices === undefined ? undefined : path.resolve(workingFolder, prices));

/** What an instance costs an hour. @throws ImgrecError (exit 64) where the type has no known price */
export const dollarsAnHour = (settings: Settings, workingFolder: string): number => {
  if (settings.price !== undefined) return settings.price;
  const { instanceHour } = pricesOf(settings, workingFolder);
  const [type = ''] = settings.instanceTypes;
  const price = instanceHour[type];
  if (price === undefined)
    throw usageError(`no price is known of ${type}`, 'give --price, or a file with --prices');
  return price;
};

/** A simulation assumes 1 image a second and no minimum where nothing else is asked for: those of the measured prototype. */
export const courseOf = (settings: Settings, context: CommandContext): Omit<Course, 'trace' | 'chosen'> => {
  const { sources } = context.resolved;
  const serviceRate = sources.serviceRate === 'default' ? defaultWorld.serviceRate : settings.serviceRate;
  const min = sources.minWorkers === 'default' ? 0 : settings.minWorkers;
  const { maxWorkers: max, boot, targetWaitSeconds } = settings;
  if (min > max)
    throw usageError(`--min-workers ${min} is more than --max-workers ${max}`, 'raise --max-workers');
  if (!Number.isInteger(settings.everySeconds))
    throw usageError(`--every must be whole seconds in a simulation, not ${settings.everySeconds}`);
  const [bootMinSeconds, bootMaxSeconds] = boot;
  return {
    world: {
      ...defaultWorld,
      serviceRate,
      bootMinSeconds,
      bootMaxSeconds,
      slowBoots: settings.slowBoots,
      hungBoots: settings.hungBoots,
      refusedLaunches: settings.refusedLaunches,
      spotPerHour: settings.interruptions,
      readingAgeSeconds: settings.readingAgeSeconds,
      readingNoise: settings.readingNoise,
      webReportSeconds: settings.reportEverySeconds,
      seed: settings.seed,
    },
    config: {
      min,
      max,
      schedules: settings.schedule,
      intervalSeconds: settings.everySeconds,
      ...(targetWaitSeconds === undefined ? {} : { targetWaitSeconds }),
      priorRatePerSecond: serviceRate,
      priorBootSeconds: (bootMinSeconds + bootMaxSeconds) / 2,
      minUptimeSeconds: settings.minUptimeSeconds,
    },
    dollarsAnHour: dollarsAnHour(settings, context.workingFolder),
  };
};

const headings = {
  trace: 'trace',
  policy: 'policy',
  instanceHours: 'hours',
  costUsd: '$',
  over10sPercent: '> 10 s, %',
  over60sPercent: '> 60 s, %',
  p50Seconds: 'p50, s',
  p95Seconds: 'p95, s',
  p99Seconds: 'p99, s',
  launches: 'launches',
  peakWorkers: 'peak',
  unserved: 'unserved',
} as const satisfies Record<keyof Row, string>;

const render = (rows: readonly Row[]): string => {
  const columns = Object.keys(headings) as (keyof Row)[];
  const style = { head: [], border: [] };
  const table = new Table({ head: Object.values(headings), style });
  for (const row of rows) table.push(columns.map((column) => row[column]));
  if (new Set(rows.map(({ trace }) => trace)).size === 1) return table.toString();
  const totals = new Table({ head: ['all traces', 'hours', '$', '> 10 s, %', '> 60 s, %'], style });
  for (const total of totalsOf(rows)) totals.push(Object.values(total));
  return [table.toString(), totals.toString()].join('\n');
};

const writePlots = async (
  file: string,
  plots: readonly { readonly trace: string; readonly histories: readonly History[] }[],
  rows: readonly Row[],
) => {
  const drawn = plots.map(({ trace, histories }) => plotSvg(trace, histories));
  await writeFile(file, file.endsWith('.svg') ? `${drawn[0] ?? ''}\n` : plotPage(drawn, rows));
};

export const scaleSimulate: Command = {
  name: 'simulate',
  summary: 'Run policies over traces of arrivals, and say what they cost and how long images wait',
  description:
    'Run the very function that decides for a live fleet over traces: CSV of "t_seconds,requests", or a timestamp a line for each request. The simulated queue is counted late and with noise, instances boot slowly, and what is asked for goes wrong. Assumes 1 image a second a worker and no least number of workers, unless --service-rate and --min-workers say otherwise; waits are from arrival to answer.',
  operands: '[trace...]',
  settings: [...simulationSettings, 'html'],
  examples: [
    {
      does: 'two policies over a day that comes with imgrec',
      line: 'imgrec scale simulate assets/traces/day.csv --policy balanced,keda',
    },
    {
      does: 'twice the load, workers that do 12 images a second, spot instances, and a page of plots',
      line: 'imgrec scale simulate assets/traces/day.csv --scale 2 --service-rate 12 --interruptions 0.1 --html day.html',
    },
  ],
  run: async (settings, context) => {
    const chosen = choosePolicies(settings.policy);
    const course = courseOf(settings, context);
    const journal = await readJournal(settings, context.workingFolder);
    const traces = await tracesOf(settings, context, journal);
    if (settings.html?.endsWith('.svg') === true && traces.length > 1)
      throw usageError('an .svg shows one trace', 'give --html a name that ends with .html');
    const progress = await context.output.progress('simulating');
    const rows: Row[] = [];
    const plots: { trace: string; histories: History[] }[] = [];
    try {
      for (const trace of traces) {
        const histories: History[] = [];
        for (const policy of chosen) {
          progress.update(`${trace.name}: ${policy.label}`);
          // A simulation does not yield: this is where Ctrl-C is heard.
          await breathe();
          context.signal.throwIfAborted();
          const recorder = recordHistory(policy.label, traceSeconds(trace) + course.world.graceSeconds);
          rows.push(
            runCourse(
              { ...course, trace, chosen: policy },
              settings.html === undefined ? undefined : recorder.watch,
            ),
          );
          histories.push(recorder.history());
        }
        plots.push({ trace: trace.name, histories });
      }
    } finally {
      progress.stop();
    }
    if (settings.html !== undefined)
      await writePlots(path.resolve(context.workingFolder, settings.html), plots, rows);
    return { data: { schema: 'imgrec.simulation/1', rows }, text: render(rows) };
  },
};
