import { setImmediate as breathe } from 'node:timers/promises';
import Table from 'cli-table3';
import type { Settings } from '../src/config/settings.ts';
import { usageError } from '../src/errors.ts';
import { type Capacity, capacityFor, type Plant } from '../src/scaling/capacity.ts';
import { choosePolicies } from '../src/scaling/chosen.ts';
import { type Cost, cheapestTypes, costOf, type PerImage, type TypeCost } from '../src/scaling/forecast.ts';
import type { JournalEntry } from '../src/scaling/journal.ts';
import { learnedRates } from '../src/scaling/simulate/lived.ts';
import { runCourse } from '../src/scaling/simulate/run.ts';
import { busiestMinute, type Trace, traceRequests, traceSeconds } from '../src/scaling/simulate/trace.ts';
import type { Command, CommandContext } from './command.ts';
import {
  courseOf,
  dollarsAnHour,
  pricesOf,
  readJournal,
  simulationSettings,
  tracesOf,
} from './scale-simulate.ts';

interface Forecast extends Cost {
  readonly trace: string;
  readonly policy: string;
  readonly instanceHours: number;
  readonly over60sPercent: number;
}

const perImageOf = (settings: Settings): PerImage => ({
  s3Puts: settings.s3PutsPerImage,
  s3Gets: settings.s3GetsPerImage,
  sqsRequests: settings.sqsPerImage,
  storedBytes: settings.imageBytes + settings.resultBytes,
  retentionSeconds: settings.retentionSeconds,
  answerBytes: settings.answerBytes,
});

/** The fewest workers that keep up with the busiest minute. */
const alwaysOn = (trace: Trace, serviceRate: number) => {
  const workers = Math.max(1, Math.ceil(busiestMinute(trace) / serviceRate));
  return { label: `always on (${workers})`, policy: 'fixed', parameter: workers } as const;
};

const forecastsOf = async (
  settings: Settings,
  context: CommandContext,
  journal: readonly JournalEntry[] | undefined,
): Promise<Forecast[]> => {
  const prices = pricesOf(settings, context.workingFolder);
  const course = courseOf(settings, context);
  const policies = choosePolicies(context.resolved.sources.policy === 'default' ? 'all' : settings.policy);
  const forecasts: Forecast[] = [];
  const progress = await context.output.progress('simulating');
  try {
    for (const trace of await tracesOf(settings, context, journal)) {
      const { serviceRate } = course.world;
      const steady = alwaysOn(trace, serviceRate);
      for (const chosen of [steady, ...policies.filter(({ label }) => label !== 'fixed')]) {
        progress.update(`${trace.name}: ${chosen.label}`);
        await breathe();
        context.signal.throwIfAborted();
        const max = Math.max(course.config.max, chosen === steady ? steady.parameter : 0);
        const row = runCourse({ ...course, config: { ...course.config, max }, trace, chosen });
        const usage = {
          images: traceRequests(trace),
          seconds: traceSeconds(trace) + course.world.graceSeconds,
          instanceHours: row.instanceHours,
          serviceRate,
        };
        const standing = { pollWaitSeconds: settings.pollWaitSeconds, webProcesses: 1 };
        const cost = costOf(usage, perImageOf(settings), standing, course.dollarsAnHour, prices);
        const { instanceHours, over60sPercent } = row;
        forecasts.push({ trace: trace.name, policy: chosen.label, instanceHours, over60sPercent, ...cost });
      }
    }
  } finally {
    progress.stop();
  }
  return forecasts;
};

const plantOf = (settings: Settings, { workingFolder, resolved }: CommandContext): Plant => {
  const prices = pricesOf(settings, workingFolder);
  if (resolved.sources.serviceRate === 'default')
    throw usageError(
      '--rate needs --service-rate',
      'images a second of one worker: "imgrec scale explain" says what a cluster has learned, "npm run bench:pipeline" measures it here',
    );
  return {
    serviceRate: settings.serviceRate,
    workerVcpus: settings.workerVcpus,
    workerHour: dollarsAnHour(settings, workingFolder),
    webRate: settings.webRate,
    webHour: prices.instanceHour['c7a.medium'] ?? 0,
    perImage: perImageOf(settings),
    pollWaitSeconds: settings.pollWaitSeconds,
    imageBytes: settings.imageBytes,
    heldSeconds: settings.heldSeconds,
  };
};

const style = { head: [], border: [] };
const dollars = (amount: number): string => amount.toFixed(2);
const whole = (amount: number): string => Math.ceil(amount).toLocaleString('en-US');

const renderForecasts = (forecasts: readonly Forecast[]): string => {
  const head = ['trace', 'policy', 'compute', 'S3', 'SQS', 'storage', 'transfer', '$ a million', 'idle, %'];
  const table = new Table({ head: [...head, '> 60 s, %'], style });
  for (const each of forecasts)
    table.push([
      each.trace,
      each.policy,
      ...[each.compute, each.s3Requests, each.sqsRequests, each.storage, each.transfer, each.total].map(
        dollars,
      ),
      each.idlePercent.toFixed(0),
      each.over60sPercent.toFixed(1),
    ]);
  return table.toString();
};

const renderTypes = (types: readonly TypeCost[]): string => {
  const table = new Table({
    head: ['instance type', 'images a second', '$ an hour', '$ a million, busy'],
    style,
  });
  for (const { type, imagesPerSecond, dollarsAnHour: hour, dollarsAMillion } of types)
    table.push([type, imagesPerSecond, hour.toFixed(4), dollars(dollarsAMillion)]);
  return table.toString();
};

const renderCapacities = (capacities: readonly Capacity[]): string => {
  const table = new Table({
    head: ['', ...capacities.map(({ imagesPerSecond }) => `${whole(imagesPerSecond)} a second`)],
    style,
  });
  const line = (name: string, pick: (capacity: Capacity) => string) =>
    table.push([name, ...capacities.map(pick)]);
  line('workers', ({ workers }) => whole(workers));
  line('web replicas', ({ webReplicas }) => whole(webReplicas));
  line('SQS requests a second', ({ sqsRequestsPerSecond }) => whole(sqsRequestsPerSecond));
  line('S3 PUT a second', ({ s3PutsPerSecond }) => whole(s3PutsPerSecond));
  line('S3 GET a second', ({ s3GetsPerSecond }) => whole(s3GetsPerSecond));
  line('images in, Gibit a second', ({ inGibitPerSecond }) => inGibitPerSecond.toFixed(2));
  line('messages in flight', ({ inFlight }) => whole(inFlight));
  line('kept in S3, TiB', ({ storedTib }) => storedTib.toFixed(2));
  line('$ an hour', ({ dollarsAnHour: hour }) => dollars(hour));
  line('$ a million images', ({ dollarsAMillion }) => dollars(dollarsAMillion));
  for (const [index, { what, granted }] of (capacities[0]?.limits ?? []).entries())
    line(`${what}: ${whole(granted)}`, ({ limits }) => {
      const limit = limits[index];
      return limit === undefined ? '' : `${whole(limit.needed)}${limit.isEnough ? '' : ' (raise)'}`;
    });
  return table.toString();
};

export const scaleForecast: Command = {
  name: 'forecast',
  summary: 'Say what a million images cost, on which instances, and what a given rate takes',
  description:
    'For traces, or the journal: dollars a million images by what they are paid for, under each policy and with a fleet that is always on. With --type-rates: the cheapest instance type. With --rate: workers, web processes, request rates and limits for a steady rate. Requests an image are those that "npm run bench:pipeline" counted (400 photographs, 50 at a time); prices are list prices of the day that assets/prices.json names.',
  operands: '[trace...]',
  settings: [
    ...simulationSettings,
    'retentionSeconds',
    'pollWaitSeconds',
    'typeRates',
    'steadyRates',
    'webRate',
    'workerVcpus',
    'heldSeconds',
    'imageBytes',
    's3PutsPerImage',
    's3GetsPerImage',
    'sqsPerImage',
    'resultBytes',
    'answerBytes',
  ],
  examples: [
    {
      does: 'a day that comes with imgrec, under two policies, at 12 images a second a worker',
      line: 'imgrec scale forecast assets/traces/day.csv --policy balanced,keda --service-rate 12',
    },
    {
      does: 'what 10, 1,000 and 100,000 images a second take, and the cheapest of two instance types',
      line: 'imgrec scale forecast --rate 10,1000,100000 --service-rate 48 --type-rates c7a.medium=48,t3.small=20',
    },
  ],
  run: async (settings, context) => {
    const prices = pricesOf(settings, context.workingFolder);
    const { steadyRates, typeRates } = settings;
    const journal = await readJournal(settings, context.workingFolder);
    const hasTrace = context.operands.length > 0 || journal !== undefined;
    if (!hasTrace && steadyRates.length === 0 && typeRates.length === 0)
      throw usageError(
        'nothing to forecast is given',
        'name a trace, --trace-from journal, --rate or --type-rates',
      );
    const forecasts = hasTrace ? await forecastsOf(settings, context, journal) : [];
    const learned = learnedRates(journal ?? []);
    const given = typeRates.map((each): [string, number] => {
      const [type = '', rate] = each.split('=');
      return [type, Number(rate)];
    });
    const rates = { ...learned, ...Object.fromEntries(given) };
    const unpriced = given.map(([type]) => type).filter((type) => prices.instanceHour[type] === undefined);
    if (unpriced.length > 0)
      throw usageError(`no price is known of ${unpriced.join(', ')}`, 'give a file with --prices');
    const types = cheapestTypes(rates, prices);
    const plant = steadyRates.length > 0 ? plantOf(settings, context) : undefined;
    const capacities = plant === undefined ? [] : steadyRates.map((rate) => capacityFor(rate, plant, prices));
    const parts = [
      forecasts.length > 0 ? renderForecasts(forecasts) : '',
      types.length > 0 ? renderTypes(types) : '',
      capacities.length > 0 ? renderCapacities(capacities) : '',
      `prices: ${prices.currency}, ${prices.region}, ${prices.asOf}`,
    ];
    return {
      data: { schema: 'imgrec.forecast/1', pricesAsOf: prices.asOf, forecasts, types, capacities },
      text: parts.filter((part) => part !== '').join('\n'),
    };
  },
};
