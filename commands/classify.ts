import { exitCodes, ImgrecError } from '../src/errors.ts';
import { loadConfiguredModel, modelSettings } from '../src/model/configured.ts';
import { classifyFiles, findImages } from '../src/model/files.ts';
import { createClassifierPool } from '../src/model/pool.ts';
import { classifyReport, renderClassifyReport } from '../src/model/report.ts';
import type { Command } from './command.ts';

export const classify: Command = {
  name: 'classify',
  summary: 'Classify image files on this machine, without any cluster',
  description:
    'Classify image files on this machine, without any cluster. Of a folder, its own files (not those of subfolders)\n' +
    'that are images by their first bytes or by their extension. Exits 1 when an image could not be classified.',
  operands: '<image...>',
  settings: [...modelSettings, 'top', 'classifiers', 'jobTimeoutSeconds', 'maxImageBytes', 'maxPixels'],
  examples: [
    {
      does: 'one image, its three most probable labels',
      line: 'imgrec classify assets/samples/cat.jpg --top 3',
    },
    { does: 'a folder, for a script', line: 'imgrec classify assets/samples --json' },
  ],
  run: async (settings, { operands, output, signal, workingFolder, resolved }) => {
    const { maxImageBytes, maxPixels, top } = settings;
    const images = await findImages(operands, workingFolder);
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
      const report = classifyReport(results);
      return {
        data: { ...report },
        text: renderClassifyReport(report, resolved.sources.top === 'default' ? 1 : top),
        exitCode: report.results.some((result) => 'error' in result) ? exitCodes.failed : exitCodes.done,
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
