import { createRequire } from 'node:module';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Model } from './model.ts';

/** A graph that fits its manifest, open for inference. */
export interface ModelSession {
  /** The most images that one call of `infer` takes: 1 where the graph has room for no more. */
  readonly batch: number;
  /**
   * Probabilities of each image, index = class.
   * @param images interleaved RGB bytes, `crop * crop * 3` each
   */
  infer(images: readonly Uint8Array[]): Promise<Float32Array[]>;
}

/**
 * CPU ms an image of the default model: 4.6 alone, 4.3 in twos, 4.05 in fours, 3.95 in eights, to the same bits.
 * Twice as many are in a classifier's hands.
 */
const largestBatch = 4;

export type SessionOpening =
  | { readonly ok: true; readonly session: ModelSession }
  /** Why the graph does not fit, with both sides. */
  | { readonly ok: false; readonly misfit: string };

type Shape = readonly (string | number)[];

const elementTypes = { 'nhwc-u8': 'uint8', 'nchw-f32': 'float32' } as const;

/** Free dimensions of a graph are names, or negative. */
const isFree = (size: string | number | undefined): boolean => typeof size === 'string' || Number(size) < 0;

const fits = (found: Shape, wanted: readonly number[]): boolean =>
  found.length === wanted.length && found.every((size, axis) => isFree(size) || size === wanted[axis]);

const show = (name: string, type: string, shape: Shape): string => `"${name}" ${type}[${shape.join(', ')}]`;

const pick = (
  found: readonly InferenceSession.ValueMetadata[],
  name: string | undefined,
): InferenceSession.TensorValueMetadata | undefined => {
  const value =
    name === undefined ? (found.length === 1 ? found[0] : undefined) : found.find((v) => v.name === name);
  return value?.isTensor ? value : undefined;
};

const showAll = (found: readonly InferenceSession.ValueMetadata[]): string =>
  found.map((v) => (v.isTensor ? show(v.name, v.type, v.shape) : `"${v.name}" (not a tensor)`)).join(', ');

/** Compares what the manifest says with what the graph has; undefined when they agree. */
const misfitOf = (session: InferenceSession, { contract, labels, file }: Model): string | undefined => {
  const { input, output } = contract;
  const { size } = input;
  const wantedType = elementTypes[input.layout];
  const wantedShape = input.layout === 'nhwc-u8' ? [1, size, size, 3] : [1, 3, size, size];
  const misfit = (what: string, wanted: string, found: string) =>
    `the model does not fit its description: ${what}\n  described: ${wanted}\n  ${file}: ${found}`;

  const wantedInput = show(input.name ?? '*', wantedType, wantedShape);
  const foundInput = pick(session.inputMetadata, input.name);
  if (session.inputMetadata.length !== 1 || foundInput === undefined)
    return misfit('input', wantedInput, showAll(session.inputMetadata));
  if (foundInput.type !== wantedType || !fits(foundInput.shape, wantedShape))
    return misfit('input', wantedInput, show(foundInput.name, foundInput.type, foundInput.shape));

  const wantedOutput = show(output.name ?? '*', 'float32', [1, labels.length]);
  const foundOutput = pick(session.outputMetadata, output.name);
  if (foundOutput === undefined) return misfit('output', wantedOutput, showAll(session.outputMetadata));
  if (foundOutput.type !== 'float32' || !fits(foundOutput.shape, [1, labels.length]))
    return misfit(
      `number of labels (${labels.length} in the labels file)`,
      wantedOutput,
      show(foundOutput.name, foundOutput.type, foundOutput.shape),
    );
  return undefined;
};

const softmax = (logits: Float32Array): Float32Array => {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = Float64Array.from(logits, (value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return Float32Array.from(powers, (value) => value / sum);
};

/** RGB bytes to planes of (value / 255 - mean) / std, each step in single precision as torchvision computes it. */
const planesOf = (mean: readonly number[], std: readonly number[]) => {
  const { fround } = Math;
  const tables = mean.map((center, channel) =>
    Float32Array.from({ length: 256 }, (_, value) =>
      fround(fround(fround(value / 255) - fround(center)) / fround(std[channel] ?? 1)),
    ),
  );
  return (rgb: Uint8Array): Float32Array => {
    const pixels = rgb.length / 3;
    const planes = new Float32Array(rgb.length);
    for (const [channel, table] of tables.entries())
      for (let i = 0; i < pixels; i++)
        planes[channel * pixels + i] = table[rgb[i * 3 + channel] as number] as number;
    return planes;
  };
};

/**
 * Opens a model's graph with onnxruntime on the CPU, one thread: parallelism comes from processes.
 * Rejects with onnxruntime's error when the file is no ONNX graph it can run.
 */
export const openSession = async (model: Model): Promise<SessionOpening> => {
  // `import` would read each file of a CommonJS package twice: ready 10 ms of CPU later, with sharp.
  const ort: typeof import('onnxruntime-node') = createRequire(import.meta.url)('onnxruntime-node');
  const session = await ort.InferenceSession.create(model.file, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  });
  const misfit = misfitOf(session, model);
  if (misfit !== undefined) return { ok: false, misfit };

  const { input, output, mean, std } = model.contract;
  const inputName = input.name ?? session.inputNames[0] ?? '';
  const outputName = output.name ?? session.outputNames[0] ?? '';
  const planes = planesOf(mean, std);
  const bytesEach = input.size * input.size * 3;
  const together = (images: readonly Uint8Array[]): Uint8Array => {
    const [first, ...others] = images;
    if (first !== undefined && others.length === 0) return first;
    const all = new Uint8Array(images.length * bytesEach);
    for (const [index, image] of images.entries()) all.set(image, index * bytesEach);
    return all;
  };
  const tensorOf = (images: readonly Uint8Array[]): Tensor => {
    const { length } = images;
    if (input.layout === 'nhwc-u8')
      return new ort.Tensor('uint8', together(images), [length, input.size, input.size, 3]);
    const all = new Float32Array(length * bytesEach);
    for (const [index, image] of images.entries()) all.set(planes(image), index * bytesEach);
    return new ort.Tensor('float32', all, [length, 3, input.size, input.size]);
  };

  const run = async (images: readonly Uint8Array[]): Promise<Float32Array[]> => {
    const found = await session.run({ [inputName]: tensorOf(images) }, [outputName]);
    const values = found[outputName]?.data;
    const classes = model.labels.length;
    if (!(values instanceof Float32Array) || values.length !== classes * images.length)
      throw new Error(
        `${model.file} returned ${values?.length} values for ${images.length} x ${classes} labels`,
      );
    return images.map((_, index) => {
      const each = values.subarray(index * classes, (index + 1) * classes);
      return output.kind === 'logits' ? softmax(each) : each;
    });
  };

  const shapes = [pick(session.inputMetadata, inputName), pick(session.outputMetadata, outputName)];
  let batch = shapes.every((found) => isFree(found?.shape[0])) ? largestBatch : 1;
  const oneByOne = async (images: readonly Uint8Array[]) => {
    const answers: Float32Array[] = [];
    for (const image of images) answers.push(...(await run([image])));
    return answers;
  };

  return {
    ok: true,
    session: {
      get batch() {
        return batch;
      },
      infer: async (images) => {
        if (images.length <= batch)
          try {
            return await run(images);
          } catch (error) {
            if (images.length === 1) throw error;
            // Free at the door, but somewhere inside the graph there is room for one.
            batch = 1;
          }
        return oneByOne(images);
      },
    },
  };
};
