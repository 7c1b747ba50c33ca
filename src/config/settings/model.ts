import { availableParallelism } from 'node:os';
import { bytes, choice, integer, optional, seconds, setting, text, triple } from '../setting.ts';

/** Which model, and how images are read for it. */
export const modelFileSettings = {
  model: setting({
    name: 'model',
    type: optional(text),
    default: undefined,
    placeholder: 'DIR|FILE',
    help: 'model folder (model.onnx, manifest.json) or .onnx file; the built-in EfficientNet-Lite0 when absent',
  }),
  modelSize: setting({
    name: 'model-size',
    type: optional(integer(1, 4_096)),
    default: undefined,
    placeholder: 'PIXELS',
    help: 'with an .onnx file: side of its input and of the centre crop (224 when absent)',
  }),
  modelResize: setting({
    name: 'model-resize',
    type: optional(text),
    default: undefined,
    placeholder: 'HOW',
    help: 'with an .onnx file: "shorter-side N", "stretch" or "none" ("shorter-side 256" when absent)',
  }),
  modelLayout: setting({
    name: 'model-layout',
    type: optional(choice(['nchw-f32', 'nhwc-u8'])),
    default: undefined,
    placeholder: 'LAYOUT',
    help: 'with an .onnx file: nchw-f32 (when absent) or nhwc-u8',
  }),
  modelMean: setting({
    name: 'model-mean',
    type: optional(triple),
    default: undefined,
    placeholder: 'R,G,B',
    help: "with an .onnx file: mean of the normalisation (ImageNet's when absent)",
  }),
  modelStd: setting({
    name: 'model-std',
    type: optional(triple),
    default: undefined,
    placeholder: 'R,G,B',
    help: "with an .onnx file: standard deviation of the normalisation (ImageNet's when absent)",
  }),
  modelOutput: setting({
    name: 'model-output',
    type: optional(choice(['logits', 'probabilities'])),
    default: undefined,
    placeholder: 'KIND',
    help: 'with an .onnx file: logits (when absent) or probabilities',
  }),
  modelLabels: setting({
    name: 'model-labels',
    type: optional(text),
    default: undefined,
    placeholder: 'FILE',
    help: 'with an .onnx file: its labels, a JSON array or one a line (the 1,000 of ImageNet when absent)',
  }),
  top: setting({
    name: 'top',
    type: integer(1, 100),
    default: 5,
    placeholder: 'N',
    help: 'labels to return for each image, most probable first',
  }),
  classifiers: setting({
    name: 'classifiers',
    type: integer(1, 256),
    default: () => availableParallelism(),
    placeholder: 'N',
    help: 'classifier processes, one thread each (default: one per core)',
  }),
  jobTimeoutSeconds: setting({
    name: 'job-timeout',
    type: seconds(0.1, 3_600),
    default: 10,
    placeholder: 'TIME',
    help: 'time one image may take in a classifier before that process is replaced',
  }),
  maxImageBytes: setting({
    name: 'max-image-bytes',
    type: bytes(1, 100 * 2 ** 20),
    default: 10 * 2 ** 20,
    placeholder: 'SIZE',
    help: 'largest image file accepted',
  }),
  maxPixels: setting({
    name: 'max-pixels',
    type: integer(1, 268_402_689),
    default: 50_000_000,
    placeholder: 'N',
    help: 'largest width x height accepted, read from the header before anything is decoded',
  }),
} as const;
