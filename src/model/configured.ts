import path from 'node:path';
import { modelSettings } from '../config/groups.ts';
import { settings as descriptions, type Settings } from '../config/settings.ts';
import { usageError } from '../errors.ts';
import { defaultModelFolder, loadModel, type Model, type ModelOptions } from './model.ts';

/**
 * Loads the model that the settings name.
 * @throws ImgrecError (exit 64) also when a flag that describes an .onnx file is given without one
 */
export const loadConfiguredModel = async (
  settings: Pick<Settings, (typeof modelSettings)[number]>,
  workingFolder: string,
): Promise<Model> => {
  const { model } = settings;
  if (!model?.endsWith('.onnx')) {
    const stray = modelSettings.find((key) => key !== 'model' && settings[key] !== undefined);
    if (stray !== undefined)
      throw usageError(
        `--${descriptions[stray].name} describes an .onnx file, and --model names none`,
        'a model folder has all of it in its manifest.json',
      );
    return loadModel(path.resolve(workingFolder, model ?? defaultModelFolder));
  }
  const given = {
    size: settings.modelSize,
    resize: settings.modelResize,
    layout: settings.modelLayout,
    mean: settings.modelMean,
    std: settings.modelStd,
    output: settings.modelOutput,
    labels: settings.modelLabels && path.resolve(workingFolder, settings.modelLabels),
  };
  const known = Object.entries(given).filter(([, value]) => value !== undefined);
  return loadModel(path.resolve(workingFolder, model), Object.fromEntries(known) as ModelOptions);
};
