import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { prepareWorkload, runBench } from '../src/bench/measure.ts';
import { renderOutcome } from '../src/bench/render.ts';
import type { Verdict } from '../src/bench/thresholds.ts';
import { systemClock } from '../src/clock.ts';
import { settings as definitions, type Settings } from '../src/config/settings.ts';
import { type DevCluster, startDevCluster } from '../src/dev/dev-cluster.ts';
import { type ExitCode, exitCodes, usageError } from '../src/errors.ts';
import { targetWaits } from '../src/scaling/own.ts';
import { firstKeyOf } from './api-keys.ts';
import type { Command, CommandContext, CommandResult } from './command.ts';
import { devScale, fixedScale, scaledInDev } from './dev-scale.ts';

/** The port of the course project's web tier, which its load generators take for granted. */
const coursePort = 8000;

/** A fleet that is to grow and shrink gets this long to shrink: whoever watches wants to see it. */
const calmWithinMs = 60_000;

const exitCodeOf = ({ invalid, passed }: Verdict): ExitCode => {
  if (invalid !== undefined) return exitCodes.invalid;
  return passed ? exitCodes.done : exitCodes.unmet;
};

/** What a cluster of bench's own scales by: flags, and no other source. */
const defaultsUnlessFlags = ({ sources }: CommandContext['resolved']): Partial<Settings> =>
  Object.fromEntries(
    scaledInDev.filter((key) => sources[key] !== 'flag').map((key) => [key, definitions[key].default]),
  );

/** Measures the web tier that `target` makes available; images are read and varied while it does. */
const measure = async (
  settings: Settings,
  { output, signal, workingFolder }: CommandContext,
  target: () => Promise<URL>,
): Promise<CommandResult> => {
  const absolute = (file: string | undefined) => file && path.resolve(workingFolder, file);
  const progress = await output.progress('preparing the images');
  try {
    // Both are waited for, also when one fails: a cluster that is still starting could not be stopped.
    const [prepared, reached] = await Promise.allSettled([
      prepareWorkload({
        images: absolute(settings.images),
        truth: absolute(settings.truth),
        requests: settings.requests,
        minAccuracy: settings.minAccuracy,
      }),
      target(),
    ]);
    if (prepared.status === 'rejected') throw prepared.reason;
    if (reached.status === 'rejected') throw reached.reason;
    const outcome = await runBench({
      url: reached.value,
      workload: prepared.value,
      apiKey: (await firstKeyOf(settings, workingFolder))?.key,
      requests: settings.requests,
      concurrency: settings.concurrency,
      timeoutMs: settings.requestTimeoutSeconds * 1_000,
      lostAfterMs: settings.lostAfterSeconds * 1_000,
      signal,
      onProgress: progress.update,
    });
    const { report, verdict, problems } = outcome;
    const { passed, invalid = null, checks } = verdict;
    return {
      data: { ...report, passed, invalid, checks, problems },
      text: renderOutcome(outcome),
      exitCode: exitCodeOf(verdict),
    };
  } finally {
    progress.stop();
  }
};

/** Runs `act` with a cluster that is started at its first use and gone, with its state folder, afterwards. */
const withTemporaryCluster = async <T>(
  settings: Settings,
  { output, signal, resolved }: CommandContext,
  act: (target: () => Promise<URL>) => Promise<T>,
): Promise<T> => {
  const stateFolder = await mkdtemp(path.join(tmpdir(), 'imgrec-bench-'));
  // A fleet of the size that settings meant for another cluster give would be a surprise: only flags make one that scales.
  const isElastic = scaledInDev.some((key) => resolved.sources[key] === 'flag');
  const scale = isElastic
    ? devScale({ ...settings, ...defaultsUnlessFlags(resolved) }, resolved)
    : fixedScale(settings, settings.workers ?? 1);
  // The others take a minute and more, or never come down.
  const comesDown = isElastic && scale.choices.policy.policy in targetWaits;
  let cluster: DevCluster | undefined;
  // A second Ctrl-C exits without unwinding.
  const removeNow = () => rmSync(stateFolder, { recursive: true, force: true });
  process.once('exit', removeNow);
  try {
    const result = await act(async () => {
      cluster = await startDevCluster({
        cluster: settings.cluster,
        stateFolder,
        serve: { port: 0, args: [] },
        scale,
        retentionSeconds: settings.retentionSeconds,
        visibilitySeconds: settings.visibilitySeconds,
        graceSeconds: settings.graceSeconds,
        workerSettings: resolved.sources.classifiers === 'flag' ? { classifiers: settings.classifiers } : {},
        clock: systemClock,
        say: output.info,
        signal,
      });
      return new URL(cluster.url ?? '');
    });
    if (comesDown && (await cluster?.calmsDown(calmWithinMs)) === false && !signal.aborted)
      output.warn(`the fleet was not down to ${scale.choices.policy.min} after ${calmWithinMs / 1_000} s`);
    return result;
  } finally {
    await cluster?.stop();
    process.removeListener('exit', removeNow);
    await rm(stateFolder, { recursive: true, force: true });
  }
};

export const bench: Command = {
  name: 'bench',
  summary: 'Send images to a web tier, check every label, measure the answers',
  description:
    'Send images to a web tier, --concurrency of them at once, and check every label. Exits 4 when a request is lost or\n' +
    'failed, an id answered two requests, or fewer labels than --min-accuracy are right; 5 when the run proves nothing.\n' +
    'Labels are compared without regard to case. Percentiles are exact (nearest rank).',
  settings: [
    'url',
    'apiKeyFile',
    'dev',
    'workers',
    ...scaledInDev,
    'classifiers',
    'images',
    'truth',
    'requests',
    'concurrency',
    'minAccuracy',
    'requestTimeoutSeconds',
    'lostAfterSeconds',
  ],
  aliases: {
    requests: { flag: '--num_request' },
    images: { flag: '--image_folder' },
    truth: { flag: '--prediction_file' },
    url: { flag: '--ip_addr', convert: (address) => `http://${address}:${coursePort}/` },
  },
  examples: [
    { does: 'the built-in sample photographs, through a cluster started for it', line: 'imgrec bench --dev' },
    {
      does: 'the same through one that grows from no worker to three, and shrinks again',
      line: 'imgrec bench --dev --min-workers 0 --max-workers 3 --classifiers 1 --target-wait 3s',
    },
    {
      does: 'the same through a cluster that runs already',
      line: 'imgrec bench --url http://127.0.0.1:8081/',
    },
    {
      does: 'your own images and labels',
      line: 'imgrec bench --url http://127.0.0.1:8081/ --images assets/samples --truth assets/samples/truth.csv --requests 60 --min-accuracy 0.8',
    },
  ],
  run: async (settings, context) => {
    const { url } = settings;
    if (settings.dev) {
      if (url !== undefined)
        throw usageError('--dev and --url are both given', '--dev starts a web tier of its own');
      return withTemporaryCluster(settings, context, (target) => measure(settings, context, target));
    }
    if (url === undefined)
      throw usageError(
        '--url is missing',
        'name the web tier, such as --url http://127.0.0.1:8081/, or start one with --dev',
      );
    return measure(settings, context, async () => new URL(url));
  },
};
