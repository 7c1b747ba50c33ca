import { z } from 'zod';
import { type Cluster, openCluster } from '../src/aws/cluster.ts';
import { connect } from '../src/aws/connection.ts';
import { clusterNames } from '../src/aws/names.ts';
import { createSsm } from '../src/aws/ssm.ts';
import { systemClock } from '../src/clock.ts';
import { partitionSettings, resolveSettings } from '../src/config/resolve.ts';
import type { Settings } from '../src/config/settings.ts';
import { exitCodes, ImgrecError, messageOf, usageError } from '../src/errors.ts';
import { answersHealthily } from '../src/fleet/health.ts';
import { reportOwnState } from '../src/fleet/own-report.ts';
import { assignment, type Part, partsOf } from '../src/fleet/user-data.ts';
import { assetPath } from '../src/package.ts';
import type { FleetReport } from '../src/reports/reports.ts';
import type { Command, CommandContext } from './command.ts';

const parseJson = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
};

/** The settings that the cluster's parameter holds, under what this command line says of where to connect and how to print. */
const clusterSettings = async (settings: Settings, cluster: string, context: CommandContext) => {
  const ssm = createSsm(connect({ ...settings, cluster }, context.workingFolder));
  try {
    const { settingsParameter } = clusterNames(cluster, '', '');
    const stored = await ssm.get(settingsParameter);
    if (stored === undefined)
      throw new ImgrecError(`parameter ${settingsParameter} does not exist`, {
        hint: 'run "imgrec provision" first',
        exitCode: exitCodes.cloud,
      });
    const file = z.record(z.string(), z.unknown()).safeParse(parseJson(stored));
    if (!file.success)
      throw new ImgrecError(`parameter ${settingsParameter} does not hold settings`, {
        hint: 'run "imgrec provision" to write it anew',
      });
    const { known, strange } = partitionSettings(file.data);
    // Written by a newer release, which may be on its way back: what this one does not know it does without.
    if (strange.length > 0)
      context.output.warn(
        `parameter ${settingsParameter} has settings that are not known here: ${strange.join(', ')}`,
      );
    const { local, state, region, json, quiet, verbose } = settings;
    const flags = { cluster, local, state, region, json, quiet, verbose };
    return resolveSettings({ flags, environment: context.environment, file: known }, settingsParameter);
  } finally {
    ssm.close();
  }
};

/** On a machine that becomes an image: shows that the software works there, and waits until it has been seen. */
const imageTrial: Command = {
  name: 'image',
  summary: 'Try the software of this machine, and wait',
  settings: [],
  examples: [
    { does: 'never started by itself', line: 'imgrec instance' },
    { does: 'never started by itself', line: 'imgrec instance image' },
  ],
  run: async (settings, context) => {
    const { classify } = await import('./classify.ts');
    const operands = [assetPath('samples', 'daisy.jpg')];
    const result = await classify.run(settings, { ...context, operands });
    if ((result?.exitCode ?? exitCodes.done) !== exitCodes.done)
      throw new ImgrecError('the software does not work on this machine', { cause: result?.text });
    context.ready('the software works');
    // A signal alone does not keep a process up.
    while (!context.signal.aborted) await systemClock.sleep(3_600_000, context.signal);
    return undefined;
  },
};

/** Loaded only where they run: a worker must not wait for the web server's imports. */
const commandOf: Readonly<Record<Part, () => Promise<Command>>> = {
  worker: async () => (await import('./worker.ts')).worker,
  serve: async () => (await import('./serve.ts')).serve,
  scale: async () => (await import('./scale.ts')).scale,
  image: async () => imageTrial,
};

const partsToRun = (role: keyof typeof partsOf, asked: string | undefined): readonly Part[] => {
  const parts: readonly Part[] = partsOf[role];
  if (asked === undefined) return parts;
  const part = parts.find((candidate) => candidate === asked);
  if (part === undefined) throw usageError(`an instance with the role ${role} has no part ${asked}`);
  return [part];
};

/** Runs the parts side by side; the first that fails ends the others. */
const runParts = async (
  parts: readonly Part[],
  resolved: CommandContext['resolved'],
  context: CommandContext,
): Promise<void> => {
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  const run = async (part: Part) => {
    try {
      const command = await commandOf[part]();
      await command.run(resolved.values, { ...context, resolved, signal });
    } catch (error) {
      failed.abort();
      throw error;
    }
  };
  const outcomes = await Promise.allSettled(parts.map(run));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
};

/** The launched machine's own start: user data says what it is, the cluster's settings parameter says how. */
export const instance: Command = {
  name: 'instance',
  hidden: true,
  summary: "Start what this machine's user data says (called by the launcher, not by people)",
  operands: '[part]',
  settings: [],
  examples: [
    {
      does: 'a worker, by hand, as the local cloud would launch it',
      line: `IMGREC_USER_DATA='{"v":1,"role":"worker","cluster":"imgrec"}' imgrec instance --local`,
    },
    {
      does: 'the same as its unit does, which names the part (of a web instance: serve or scale)',
      line: `IMGREC_USER_DATA='{"v":1,"role":"worker","cluster":"imgrec"}' imgrec instance --local worker`,
    },
  ],
  run: async (settings, context) => {
    const { environment, signal, output, workingFolder, operands } = context;
    const parsed = assignment.safeParse(parseJson(environment['IMGREC_USER_DATA']));
    if (!parsed.success)
      throw usageError(
        'IMGREC_USER_DATA does not say what this instance is',
        'it is set by whoever launches instances',
      );
    const { cluster: name, role } = parsed.data;
    const parts = partsToRun(role, operands[0]);
    const id = environment['IMGREC_INSTANCE_ID'];

    /** For whoever waits for this instance; workers tell more about themselves, and keep telling. */
    const tell = async (
      state: FleetReport['state'],
      details: Pick<FleetReport, 'reason' | 'port'>,
    ): Promise<void> => {
      if (id === undefined) return;
      let cluster: Cluster | undefined;
      try {
        cluster = await openCluster(connect({ ...settings, cluster: name }, workingFolder));
        await reportOwnState(cluster, id, state, details);
      } catch (error) {
        output.info(`what became of this instance could not be stored: ${messageOf(error)}`);
      } finally {
        cluster?.close();
      }
    };

    /** Listening is not answering: who waits for a web instance is told when it does. */
    const tellWhenHealthy = async (url: string): Promise<void> => {
      if (await answersHealthily(url, systemClock, signal))
        await tell('ready', { port: Number(new URL(url).port) });
    };

    try {
      // An image is of no cluster's settings.
      const resolved = role === 'image' ? context.resolved : await clusterSettings(settings, name, context);
      const ready: CommandContext['ready'] = (text, details = {}) => {
        context.ready(text, details);
        const { url } = details;
        if (typeof url === 'string') void tellWhenHealthy(url);
        else if (role === 'image') void tell('ready', {});
      };
      await runParts(parts, resolved, { ...context, ready });
      return undefined;
    } catch (error) {
      await tell('stopped', { reason: messageOf(error) });
      throw error;
    }
  },
};
