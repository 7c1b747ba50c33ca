import path from 'node:path';
import { prepareWorkload, runBench } from '../src/bench/measure.ts';
import { renderOutcome } from '../src/bench/render.ts';
import type { Verdict } from '../src/bench/thresholds.ts';
import type { Settings } from '../src/config/settings.ts';
import { type ExitCode, exitCodes, usageError } from '../src/errors.ts';
import type { Command, CommandContext, CommandResult } from './command.ts';

/** The port of the course project's web tier, which its load generators take for granted. */
const coursePort = 8000;

const exitCodeOf = ({ invalid, passed }: Verdict): ExitCode => {
  if (invalid !== undefined) return exitCodes.invalid;
  return passed ? exitCodes.done : exitCodes.unmet;
};

/** Measures the web tier that `target` makes available; images are read and varied while it does. */
const measure = async (
  settings: Settings,
  { output, signal, workingFolder }: CommandContext,
  target: () => Promise<URL>,
): Promise<CommandResult> => {
  const absolute = (file: string | undefined) => file && path.resolve(workingFolder, file);
  const progress = await output.progress('preparing the images');
  try {
    const [workload, url] = await Promise.all([
      prepareWorkload({
        images: absolute(settings.images),
        truth: absolute(settings.truth),
        requests: settings.requests,
        minAccuracy: settings.minAccuracy,
      }),
      target(),
    ]);
    const outcome = await runBench({
      url,
      workload,
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

export const bench: Command = {
  name: 'bench',
  summary: 'Send images to a web tier, check every label, measure the answers',
  description:
    'Send images to a web tier, --concurrency of them at once, and check every label. Exits 4 when a request is lost or\n' +
    'failed, an id answered two requests, or fewer labels than --min-accuracy are right; 5 when the run proves nothing.\n' +
    'Labels are compared without regard to case. Percentiles are exact (nearest rank).',
  settings: [
    'url',
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
    {
      does: 'the built-in sample photographs, 100 variations of them',
      line: 'imgrec bench --url http://127.0.0.1:8081/',
    },
    {
      does: 'your own images and labels',
      line: 'imgrec bench --url http://127.0.0.1:8081/ --images assets/samples --truth assets/samples/truth.csv --requests 60 --min-accuracy 0.8',
    },
  ],
  run: async (settings, context) => {
    const { url } = settings;
    if (url === undefined)
      throw usageError('--url is missing', 'name the web tier, such as --url http://127.0.0.1:8081/');
    return measure(settings, context, async () => new URL(url));
  },
};
