import { connect } from '../src/aws/connection.ts';
import { systemClock } from '../src/clock.ts';
import { scaleSettings } from '../src/config/groups.ts';
import type { Settings } from '../src/config/settings.ts';
import { usageError } from '../src/errors.ts';
import type { Log } from '../src/log.ts';
import { hopelessBoots } from '../src/scaling/boots.ts';
import { reasonOf } from '../src/scaling/explain.ts';
import { runs } from '../src/scaling/loop.ts';
import type { ScalerStanding } from '../src/scaling/memory.ts';
import { serveMetrics } from '../src/scaling/metrics.ts';
import { type OpenedScaler, openScaler } from '../src/scaling/open.ts';
import { describeActs, type Run } from '../src/scaling/scaler.ts';
import { statusLine } from '../src/scaling/status.ts';
import { sentence } from '../src/scaling/why.ts';
import type { Command, CommandContext, CommandResult } from './command.ts';
import { scaleChoicesOf } from './scale-choices.ts';
import { scaleCron } from './scale-cron.ts';
import { scaleExplain } from './scale-explain.ts';
import { scaleForecast } from './scale-forecast.ts';
import { scalePause, scaleResume, scaleSet } from './scale-orders.ts';
import { scaleSimulate } from './scale-simulate.ts';
import { scaleStatus } from './scale-status.ts';
import { serviceLog, waitFor } from './service.ts';

const resultOf = (run: Run): CommandResult => {
  if (run.kind !== 'decided')
    return {
      data: { schema: 'imgrec.scale/1', ...run },
      text: run.kind === 'standby' ? `${run.owner} is at work; nothing was done` : 'nothing was done',
    };
  const { decision, desired, overruled, acts } = run.plan;
  return {
    data: {
      schema: 'imgrec.scale/1',
      kind: run.kind,
      desired,
      decided: decision.desired,
      overruled: overruled ?? null,
      why: decision.why,
      acts: describeActs(acts),
    },
    text: [
      reasonOf(sentence(decision.why), desired, overruled),
      ...describeActs(acts).map((act) => `  ${act}`),
    ].join('\n'),
  };
};

const rehearse = async (scaler: OpenedScaler): Promise<CommandResult> => {
  const plan = await scaler.rehearse();
  const { text, data } = resultOf({ kind: 'decided', plan, outcomes: [] });
  return { data: { ...data, dryRun: true }, text: `would do, and did not:\n${text}` };
};

const keepScaling = async (
  scaler: OpenedScaler,
  settings: Settings,
  { signal, ready, tell }: CommandContext,
  log: Log,
): Promise<void> => {
  let fleet: ScalerStanding | undefined;
  const { metricsPort, forSeconds } = settings;
  const metrics = metricsPort === undefined ? undefined : await serveMetrics(metricsPort, () => fleet);
  let isReady = false;
  let shown = '';
  try {
    const everyMs = settings.everySeconds * 1_000;
    const forMs = forSeconds === undefined ? undefined : forSeconds * 1_000;
    for await (const run of runs({ scaler, everyMs, forMs, clock: systemClock, log, signal })) {
      if (!isReady)
        ready(
          `scaling ${scaler.cluster.names.workerName}: ${settings.minWorkers} to ${settings.maxWorkers}`,
          {
            ...(metrics === undefined ? {} : { metrics: metrics.url }),
          },
        );
      isReady = true;
      if (run.kind === 'standby') log.debug(run, 'another scaler is at work');
      if (run.kind !== 'decided') continue;
      const { memory, decision, desired, overruled, acts, lost } = run.plan;
      fleet = memory.standing;
      const line = fleet === undefined ? '' : statusLine(fleet);
      const text = reasonOf(sentence(decision.why), desired, overruled);
      if (acts.length > 0 || lost.length > 0 || line !== shown) {
        log.info({ acts: describeActs(acts) }, `${line}; ${text}`);
        tell(text, { acts: describeActs(acts), lost, standing: fleet });
      }
      shown = line;
      if (memory.failedBoots >= hopelessBoots)
        log.error({ failedBoots: memory.failedBoots }, 'workers do not start: see the log of one of them');
    }
  } finally {
    metrics?.close();
  }
};

export const scale: Command = {
  name: 'scale',
  summary: 'Launch and end workers as the queue grows and shrinks',
  description:
    'Decide every --every how many workers there should be, and bring the fleet to that number, until SIGINT or SIGTERM. Any number of these may run: one at a time acts. --once takes one decision, --for ends after a shift.',
  settings: [...scaleSettings, 'forSeconds', 'once', 'dryRun', 'metricsPort'],
  examples: [
    {
      does: 'what it would do now, on the local cloud that "imgrec dev --only cloud" runs',
      line: 'imgrec scale --local --dry-run',
    },
    { does: 'none at rest, four at most', line: 'imgrec scale --local --min-workers 0 --max-workers 4' },
    {
      does: 'a short shift, as cron would start it: a decision each second',
      line: 'imgrec scale --local --min-workers 0 --for 2s --every 1s',
    },
  ],
  subcommands: [
    scaleCron,
    scalePause,
    scaleResume,
    scaleSet,
    scaleStatus,
    scaleExplain,
    scaleSimulate,
    scaleForecast,
  ],
  run: async (settings, context) => {
    const choices = scaleChoicesOf(settings);
    if (settings.once && settings.forSeconds !== undefined)
      throw usageError('--once and --for are both given', 'leave one out');
    const log = serviceLog(settings, context);
    const connection = connect(settings, context.workingFolder);
    const open = () => openScaler(connection, choices, { clock: systemClock, log });
    if (settings.dryRun || settings.once) {
      const scaler = await open();
      try {
        return settings.dryRun ? await rehearse(scaler) : resultOf(await scaler.run());
      } finally {
        await scaler.close();
      }
    }
    const scaler = await waitFor(open, log, context.signal);
    if (scaler === undefined) return undefined;
    try {
      await keepScaling(scaler, settings, context, log);
    } finally {
      await scaler.close();
    }
    return undefined;
  },
};
