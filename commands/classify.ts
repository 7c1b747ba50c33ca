import path from 'node:path';
import { modelSettings } from '../src/config/groups.ts';
import { type ExitCode, exitCodes, ImgrecError, usageError } from '../src/errors.ts';
import { readTruth, rightLabels, type Truth } from '../src/image/truth.ts';
import { loadConfiguredModel } from '../src/model/configured.ts';
import { classifyFiles, findImages } from '../src/model/files.ts';
import { createClassifierPool } from '../src/model/pool.ts';
import { type ClassifyReport, classifyReport, renderClassifyReport } from '../src/model/report.ts';
import type { Command } from './command.ts';

/** The truth, when one was named and knows at least one of the images. */
const truthOf = async (file: string | undefined, images: readonly string[]): Promise<Truth | undefined> => {
  if (file === undefined) return undefined;
  const truth = await readTruth(file);
  if (images.some((image) => rightLabels(truth, path.basename(image)))) return truth;
  throw usageError(
    `${file} knows none of the images`,
    `the first image is ${path.basename(images[0] ?? '')}`,
  );
};

const exitCodeOf = ({ results, accuracy }: ClassifyReport, minAccuracy: number | undefined): ExitCode => {
  if ((accuracy ?? 1) < (minAccuracy ?? 0)) return exitCodes.unmet;
  return results.some((result) => 'error' in result) ? exitCodes.failed : exitCodes.done;
};

export const classify: Command = {
  name: 'classify',
  summary: 'Classify image files on this machine, without any cluster',
  description:
    'Classify image files on this machine, without any cluster. Of a folder, its own files (not those of subfolders)\n' +
    'that are images by their first bytes or by their extension. Exits 1 when an image could not be classified, 4 when fewer labels than\n' +
    '--min-accuracy are right.',
  operands: '<image...>',
  settings: [
    ...modelSettings,
    'top',
    'classifiers',
    'jobTimeoutSeconds',
    'maxImageBytes',
    'maxPixels',
    'truth',
    'minAccuracy',
  ],
  examples: [
    {
      does: 'one image, its three most probable labels',
      line: 'imgrec classify assets/samples/cat.jpg --top 3',
    },
    {
      does: 'how many labels are right, and which are not',
      line: 'imgrec classify assets/samples --truth assets/samples/truth.csv --min-accuracy 0.8',
    },
    { does: 'a folder, for a script', line: 'imgrec classify assets/samples --json' },
  ],
  run: async (settings, { operands, output, signal, workingFolder, resolved }) => {
    const { maxImageBytes, maxPixels, top, minAccuracy } = settings;
    if (settings.truth === undefined && minAccuracy !== undefined)
      throw usageError('--min-accuracy without --truth', 'name the right labels with --truth FILE');
    const images = await findImages(operands, workingFolder);
    const truth = await truthOf(settings.truth && path.resolve(workingFolder, settings.truth), images);
    const pool = createClassifierPool({
      model: await loadConfiguredModel(settings, workingFolder),
      classifiers: Math.min(settings.classifiers, images.length),
      jobTimeoutMs: settings.jobTimeoutSeconds * 1000,
      limits: { maxImageBytes, maxPixels },
    });
    const progress = await output.progress('starting the classifiers');
    try {
      const results = await classifyFiles(images, pool, {
        topK: top,
        maxImageBytes,
        workingFolder,
        signal,
        onDone: (done) => progress.update(`${done} of ${images.length} images`),
      });
      const report = classifyReport(results, truth);
      return {
        data: { ...report },
        text: renderClassifyReport(report, resolved.sources.top === 'default' ? 1 : top),
        exitCode: exitCodeOf(report, minAccuracy),
      };
    } catch (error) {
      if (signal.aborted) throw new ImgrecError('interrupted before all images were classified');
      throw error;
    } finally {
      progress.stop();
      await pool.close();
    }
  },
};
