import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Model } from './model.ts';

/** A graph that fits its manifest, open for inference. */
export interface ModelSession {
  /** Probabilities, index = class. @param rgb interleaved RGB bytes, `crop * crop * 3` */
  infer(rgb: Uint8Array): Promise<Float32Array>;
}

export type SessionOpening =
  | { readonly ok: true; readonly session: ModelSession }
  /** Why the graph does not fit, with both sides. */
  | { readonly ok: false; readonly misfit: string };

type Shape = readonly (string | number)[];

const elementTypes = { 'nhwc-u8': 'uint8', 'nchw-f32': 'float32' } as const;

/** Free dimensions of a graph are names, or negative. */
const fits = (found: Shape, wanted: readonly number[]): boolean =>
  found.length === wanted.length &&
  found.every((size, axis) => typeof size === 'string' || size < 0 || size === wanted[axis]);

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
  const ort = (await import('onnxruntime-node')).default;
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
  const tensorOf = (rgb: Uint8Array): Tensor =>
    input.layout === 'nhwc-u8'
      ? new ort.Tensor('uint8', rgb, [1, input.size, input.size, 3])
      : new ort.Tensor('float32', planes(rgb), [1, 3, input.size, input.size]);

  return {
    ok: true,
    session: {
      infer: async (rgb) => {
        const found = await session.run({ [inputName]: tensorOf(rgb) }, [outputName]);
        const values = found[outputName]?.data;
        if (!(values instanceof Float32Array) || values.length !== model.labels.length)
          throw new Error(
            `${model.file} returned ${values?.length} values for ${model.labels.length} labels`,
          );
        return output.kind === 'logits' ? softmax(values) : values;
      },
    },
  };
};
