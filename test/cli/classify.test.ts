import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../commands/program.ts';
import type { ClassifyReport } from '../../src/model/report.ts';
import { assetPath, packageRoot } from '../../src/package.ts';
import { fixture, imageGoldens } from '../fixtures/image-goldens.ts';

const collector = () => {
  const written: string[] = [];
  return { write: (text: string) => written.push(text) > 0, text: () => written.join('') };
};

const imgrec = async (
  argv: readonly string[],
  workingFolder: string,
  signal = new AbortController().signal,
) => {
  const stdout = collector();
  const stderr = collector();
  const exitCode = await run({
    argv,
    environment: {},
    workingFolder,
    stdout,
    stderr,
    signal,
  });
  return {
    exitCode,
    stdout: stdout.text(),
    stderr: stderr.text(),
    report: () => JSON.parse(stdout.text()) as ClassifyReport,
  };
};

describe('imgrec classify', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'imgrec-classify-'));
    await copyFile(assetPath('samples', 'daisy.jpg'), path.join(folder, 'flower'));
    await copyFile(assetPath('samples', 'cat.jpg'), path.join(folder, 'cat.jpg'));
    await writeFile(path.join(folder, 'broken.jpg'), 'this is no picture');
    await writeFile(path.join(folder, 'truth.csv'), 'cat.jpg,cat\n');
    await writeFile(path.join(folder, '.hidden.jpg'), '');
    await mkdir(path.join(folder, 'nothing'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('prints a table of the samples', async () => {
    const { exitCode, stdout, stderr } = await imgrec(['classify', 'assets/samples'], packageRoot);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const [name, [best]] of Object.entries(imageGoldens.samples)) {
      expect(stdout).toContain(`assets/samples/${name}`);
      expect(stdout).toContain(best?.[0]);
    }
  });

  it('takes the images of a folder by content or name, reports the broken one, and exits 1', async () => {
    const { exitCode, report } = await imgrec(['classify', '.', '--json', '--top', '2'], folder);
    expect(exitCode).toBe(1);
    expect(report().schema).toBe('imgrec.classify/1');
    expect(report().results).toMatchObject([
      { image: 'broken.jpg', error: 'not a JPEG, PNG, WebP, GIF, BMP or TIFF image' },
      { image: 'cat.jpg', label: 'Egyptian Mau', top: [{}, {}] },
      { image: 'flower', label: 'daisy' },
    ]);
  });

  it('goes on when a file does not exist or is too large', async () => {
    const argv = ['classify', 'none.jpg', 'cat.jpg', 'flower', '--json', '--max-image-bytes', '40000'];
    const { exitCode, report } = await imgrec(argv, folder);
    expect(exitCode).toBe(1);
    expect(report().results).toMatchObject([
      { image: 'none.jpg', error: expect.stringContaining('no such file') },
      { image: 'cat.jpg', label: 'Egyptian Mau' },
      { image: 'flower', error: 'the image has 42143 bytes, the limit is 40000' },
    ]);
  });

  it('says when a folder has no images', async () => {
    const { exitCode, stdout, stderr } = await imgrec(['classify', 'nothing'], folder);
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: there are no images in nothing\n',
    });
  });

  it('refuses a model that does not fit, with both sides, and exits 64', async () => {
    const argv = ['classify', 'cat.jpg', '--model', fixture('mean-of-planes.onnx').pathname];
    const { exitCode, stderr } = await imgrec(argv, folder);
    expect(exitCode).toBe(64);
    expect(stderr).toMatch(/described: "\*" float32\[1, 3, 224, 224\]/);
    expect(stderr).toMatch(/mean-of-planes\.onnx: "pixels" float32\[N, 3, 32, 32\]/);
  });

  it('runs a bare .onnx file by its flags', async () => {
    await writeFile(path.join(folder, 'planes.txt'), 'red\ngreen\nblue\n');
    const model = ['--model', fixture('mean-of-planes.onnx').pathname, '--model-labels', 'planes.txt'];
    const how = [
      '--model-size',
      '32',
      '--model-resize',
      'stretch',
      '--model-mean',
      '0,0,0',
      '--model-std',
      '1,1,1',
    ];
    const image = fixture('images/rgb.png').pathname;
    const { exitCode, report } = await imgrec(['classify', image, ...model, ...how, '--json'], folder);
    expect(exitCode).toBe(0);
    const [golden] = imageGoldens.planes.filter(({ resize }) => resize === 'stretch');
    expect(report().results).toMatchObject([{ label: 'blue', probability: golden?.probabilities[2] }]);
  });

  it('compares with a truth file, lists the wrong ones, and exits 4 below --min-accuracy', async () => {
    await writeFile(path.join(folder, 'labels.csv'), 'flower,daisy\ncat,tiger cat\n');
    const argv = ['classify', 'flower', 'cat.jpg', '--truth', 'labels.csv', '--min-accuracy', '0.6'];
    const table = await imgrec(argv, folder);
    expect(table.exitCode).toBe(4);
    expect(table.stdout).toMatch(/cat\.jpg +│ Egyptian Mau +│ tiger cat.*accuracy 0\.5000, 1 wrong/s);
    const met = await imgrec([...argv.slice(0, -1), '0.5', '--json'], folder);
    expect(met.exitCode).toBe(0);
    expect(met.report()).toMatchObject({
      accuracy: 0.5,
      wrong: [{ image: 'cat.jpg', label: 'Egyptian Mau', expected: ['tiger cat'] }],
    });
  });

  it('refuses a threshold without truth, and a truth about other images', async () => {
    const without = await imgrec(['classify', 'cat.jpg', '--min-accuracy', '0.5'], folder);
    expect(without).toMatchObject({ exitCode: 64, stderr: expect.stringContaining('without --truth') });
    await writeFile(path.join(folder, 'others.csv'), 'dog.jpg,dog\n');
    const others = await imgrec(['classify', 'cat.jpg', '--truth', 'others.csv'], folder);
    expect(others).toMatchObject({ exitCode: 64, stderr: expect.stringContaining('knows none') });
  });

  it('stops when it is interrupted', async () => {
    const { exitCode, stderr } = await imgrec(['classify', '.'], folder, AbortSignal.abort('SIGINT'));
    expect(exitCode).toBe(1);
    expect(stderr).toContain('interrupted');
  });
});
