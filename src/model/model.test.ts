import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures/image-goldens.ts';
import { loadConfiguredModel } from './configured.ts';
import { defaultModelFolder, loadModel } from './model.ts';

describe('loadModel', () => {
  let scratch: string;
  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'imgrec-model-'));
  });
  afterAll(() => rm(scratch, { recursive: true, force: true }));

  /** A copy of the default model whose manifest was changed. */
  const changed = async (name: string, changes: Readonly<Record<string, unknown>>): Promise<string> => {
    const folder = path.join(scratch, name);
    await mkdir(folder);
    for (const file of ['model.onnx', 'labels.json'])
      await copyFile(path.join(defaultModelFolder, file), path.join(folder, file));
    const manifest = JSON.parse(
      await readFile(path.join(defaultModelFolder, 'manifest.json'), 'utf8'),
    ) as object;
    await writeFile(path.join(folder, 'manifest.json'), JSON.stringify({ ...manifest, ...changes }));
    return folder;
  };

  it('loads the default model, verified', async () => {
    const model = await loadModel();
    expect(model.name).toBe('efficientnet-lite0-int8');
    expect(model.labels).toHaveLength(1000);
    expect(model.contract).toMatchObject({ crop: 224, resize: { kind: 'shorter-side', side: 256 } });
  });

  it('takes a bare .onnx file for one of torchvision, with the labels of ImageNet', async () => {
    const model = await loadModel(fixture('mean-of-planes.onnx').pathname);
    expect(model.name).toBe('mean-of-planes');
    expect(model.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(model.labels[0]).toBe('tench');
    expect(model.contract).toMatchObject({
      input: { layout: 'nchw-f32', size: 224 },
      mean: [0.485, 0.456, 0.406],
      output: { kind: 'logits' },
    });
  });

  it.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    ['another sha256', { sha256: 'ab'.repeat(32) }, /sha256 is 942536944.* says abab/],
    ['an unknown resize', { resize: 'longer-side 256' }, /"longer-side 256"/],
    ['a crop larger than the resized side', { resize: 'shorter-side 200' }, /crop must not be larger/],
    ['a crop that is not the size', { crop: 200 }, /crop and input.size must be equal, not 200 and 224/],
    ['a mean that nobody applies', { mean: [0.5, 0.5, 0.5] }, /mean must be 0 and std 1/],
    ['no division by zero', { std: [1, 0, 1] }, /above 0/],
    ['labels that are not there', { labels: 'names.json' }, /cannot read .*names\.json/],
    ['no output', { output: undefined }, /output/],
  ])('refuses a manifest with %s', async (name, changes, message) => {
    await expect(loadModel(await changed(name, changes))).rejects.toThrow(message);
  });

  it('refuses a path without a model, with exit code 64', async () => {
    await expect(loadModel(path.join(scratch, 'none'))).rejects.toMatchObject({ exitCode: 64 });
  });

  it('refuses a flag that describes an .onnx file when there is none', async () => {
    const settings = {
      model: undefined,
      modelSize: 64,
      modelResize: undefined,
      modelLayout: undefined,
      modelMean: undefined,
      modelStd: undefined,
      modelOutput: undefined,
      modelLabels: undefined,
    };
    await expect(loadConfiguredModel(settings, scratch)).rejects.toThrow(
      /--model-size describes an .onnx file/,
    );
    const model = fixture('mean-of-planes.onnx').pathname;
    await expect(loadConfiguredModel({ ...settings, model }, scratch)).resolves.toMatchObject({
      contract: { crop: 64, input: { size: 64 } },
    });
  });
});
