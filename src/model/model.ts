import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { exitCodes, ImgrecError } from '../errors.ts';
import { assetPath } from '../package.ts';
import { contractSchema, type ModelContract, manifestSchema, torchvisionContract } from './manifest.ts';

/** A model whose files were read and verified; plain data, so that it can be sent to a classifier process. */
export interface Model {
  readonly name: string;
  /** Absolute path of the ONNX file. */
  readonly file: string;
  /** Of the ONNX file, hexadecimal. */
  readonly sha256: string;
  /** Index = class. */
  readonly labels: readonly string[];
  readonly contract: ModelContract;
}

/** What a bare `.onnx` file does not say about itself; torchvision's values where absent. */
export interface ModelOptions {
  readonly inputName?: string;
  readonly layout?: 'nhwc-u8' | 'nchw-f32';
  /** Width and height of the input, which is also the centre crop. */
  readonly size?: number;
  /** `shorter-side N`, `stretch` or `none`. */
  readonly resize?: string;
  readonly mean?: readonly [number, number, number];
  readonly std?: readonly [number, number, number];
  readonly output?: 'logits' | 'probabilities';
  /** A JSON array, or one label a line; the 1,000 ImageNet labels where absent. */
  readonly labels?: string;
}

/** The model that is used when none is named. */
export const defaultModelFolder = assetPath('models', 'efficientnet-lite0-int8');

const refuse = (message: string, hint?: string, cause?: unknown): ImgrecError =>
  new ImgrecError(message, { exitCode: exitCodes.usage, ...(hint === undefined ? {} : { hint }), cause });

const read = async (file: string): Promise<Buffer> =>
  readFile(file).catch((cause: unknown) => {
    throw refuse(
      `cannot read ${file}`,
      'a model is a folder with model.onnx and manifest.json, or one .onnx file',
      cause,
    );
  });

const readJson = async (file: string): Promise<unknown> => {
  const text = (await read(file)).toString('utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refuse(`${file} is not JSON: ${(cause as Error).message}`, undefined, cause);
  }
};

const check = <T extends z.ZodType>(schema: T, value: unknown, file: string): z.output<T> => {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw refuse(`${file} is not valid:\n${z.prettifyError(result.error)}`);
};

const labelList = z.array(z.string().min(1)).min(1);

const readLabels = async (file: string): Promise<readonly string[]> => {
  if (file.endsWith('.json')) return check(labelList, await readJson(file), file);
  const lines = (await read(file)).toString('utf8').split(/\r?\n/);
  return check(labelList, lines.at(-1) === '' ? lines.slice(0, -1) : lines, file);
};

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const loadFolder = async (folder: string): Promise<Model> => {
  const manifestFile = path.join(folder, 'manifest.json');
  const manifest = check(manifestSchema, await readJson(manifestFile), manifestFile);
  const file = path.join(folder, 'model.onnx');
  const [onnx, labels] = await Promise.all([read(file), readLabels(path.join(folder, manifest.labels))]);
  const sha256 = digest(onnx);
  if (sha256 !== manifest.sha256)
    throw refuse(
      `${file} is not the file its manifest describes: sha256 is ${sha256}, ${manifestFile} says ${manifest.sha256}`,
      'copy the model folder again, or correct sha256 if the change is meant',
    );
  const { name, input, resize, crop, mean, std, output } = manifest;
  return { name, file, sha256, labels, contract: { input, resize, crop, mean, std, output } };
};

const loadFile = async (file: string, options: ModelOptions): Promise<Model> => {
  const defaults = torchvisionContract;
  const size = options.size ?? defaults.input.size;
  const contract = check(
    contractSchema,
    {
      input: { layout: options.layout ?? defaults.input.layout, size, name: options.inputName },
      resize: options.resize ?? defaults.resize,
      crop: size,
      mean: options.mean ?? (options.layout === 'nhwc-u8' ? undefined : defaults.mean),
      std: options.std ?? (options.layout === 'nhwc-u8' ? undefined : defaults.std),
      output: { kind: options.output ?? defaults.output.kind },
    },
    `the description of ${file}`,
  );
  const [onnx, labels] = await Promise.all([
    read(file),
    readLabels(options.labels ?? path.join(defaultModelFolder, 'labels.json')),
  ]);
  return {
    name: path.basename(file, '.onnx'),
    file: path.resolve(file),
    sha256: digest(onnx),
    labels,
    contract,
  };
};

/**
 * Reads a model folder (`model.onnx`, `manifest.json`, labels) or a bare `.onnx` file, and verifies all that can be
 * without opening the graph. Whether the graph fits is found by the classifier processes: `ClassifierPool.ready()`.
 * @throws ImgrecError (exit 64) naming the file and what is wrong with it.
 */
export const loadModel = async (
  location: string = defaultModelFolder,
  options: ModelOptions = {},
): Promise<Model> => {
  const found = await stat(location).catch((cause: unknown) => {
    throw refuse(`there is no model at ${location}`, '--model takes a model folder or an .onnx file', cause);
  });
  return found.isDirectory() ? loadFolder(path.resolve(location)) : loadFile(location, options);
};
