import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures/image-goldens.ts';
import { loadModel, type Model } from './model.ts';
import { type ModelSession, openSession } from './session.ts';

const open = async (model: Model): Promise<ModelSession> => {
  const opening = await openSession(model);
  if (!opening.ok) throw new Error(opening.misfit);
  return opening.session;
};

/** Images of one grey each: their classes differ, and so would answers that were swapped. */
const greys = (size: number, values: readonly number[]) =>
  values.map((value) => new Uint8Array(size * size * 3).map((_, index) => (value * (1 + (index % 7))) % 256));

const oneByOne = async (session: ModelSession, images: readonly Uint8Array[]) => {
  const answers: Float32Array[] = [];
  for (const image of images) answers.push(...(await session.infer([image])));
  return answers;
};

describe('a session', () => {
  let scratch: string;
  const planes = async (file: string): Promise<Model> => {
    const labels = path.join(scratch, 'labels.txt');
    await writeFile(labels, 'red\ngreen\nblue\n');
    return loadModel(fixture(file).pathname, { size: 32, resize: 'none', labels });
  };
  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'imgrec-session-'));
  });
  afterAll(() => rm(scratch, { recursive: true }));

  it('gives images that go through the model together the very bits that each gets alone', async () => {
    const session = await open(await loadModel());
    expect(session.batch).toBe(4);
    const images = greys(224, [3, 50, 120, 200]);
    expect(await session.infer(images)).toEqual(await oneByOne(session, images));
  });

  it('does the same for a model of planes', async () => {
    const session = await open(await planes('mean-of-planes.onnx'));
    const images = greys(32, [3, 50, 120]);
    expect(await session.infer(images)).toEqual(await oneByOne(session, images));
  });

  it('goes on one by one where a graph takes several only at its door', async () => {
    const session = await open(await planes('narrow-inside.onnx'));
    expect(session.batch).toBe(4);
    const images = greys(32, [3, 50, 120]);
    const answers = await session.infer(images);
    expect(session.batch).toBe(1);
    expect(answers).toEqual(await oneByOne(await open(await planes('mean-of-planes.onnx')), images));
  });
});
