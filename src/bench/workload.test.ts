import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectImageType } from '../image/formats.ts';
import { inspectImage } from '../image/inspect.ts';
import { rightLabels } from '../image/truth.ts';
import { readImages } from './images.ts';
import { prepareWorkload } from './measure.ts';
import { encodeUploads } from './multipart.ts';
import { sampleImages } from './samples.ts';

const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');

let folder = '';
const file = (name: string) => path.join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'imgrec-bench-'));
  await mkdir(file('images/below'), { recursive: true });
  await mkdir(file('empty'));
  for (const name of ['t_10.JPEG', 't_9.JPEG', 'noextension', '.hidden.png', 'below/x.png'])
    await writeFile(file(`images/${name}`), png);
  await writeFile(file('images/broken.jpg'), 'no image');
  await writeFile(file('images/truth.csv'), 't_9,cat\n');
  await writeFile(file('empty/readme.txt'), 'nothing here');
  await writeFile(file('other.csv'), 'x.png,cat\n');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('readImages', () => {
  it('takes images by their bytes, broken ones by their name, in natural order', async () => {
    const images = await readImages(file('images'), 100);
    expect(images.map(({ name, mediaType }) => [name, mediaType])).toEqual([
      ['broken.jpg', 'application/octet-stream'],
      ['noextension', 'image/png'],
      ['t_9.JPEG', 'image/png'],
      ['t_10.JPEG', 'image/png'],
    ]);
  });

  it('reads no more than will be sent', async () => {
    expect(await readImages(file('images'), 2)).toHaveLength(2);
  });

  it.each([
    ['empty', 'there are no images in'],
    ['absent', 'cannot read the folder'],
    ['other.csv', 'cannot read the folder'],
  ])('refuses %s', async (name, message) => {
    await expect(readImages(file(name), 1)).rejects.toMatchObject({
      exitCode: 64,
      message: expect.stringContaining(message),
    });
  });
});

describe('prepareWorkload', () => {
  const prepare = (more: Partial<Parameters<typeof prepareWorkload>[0]>) =>
    prepareWorkload({
      images: file('images'),
      truth: undefined,
      requests: 10,
      minAccuracy: undefined,
      ...more,
    });

  it('reads images and truth', async () => {
    const workload = await prepare({ truth: file('images/truth.csv'), minAccuracy: 0.5 });
    expect(workload.images).toHaveLength(4);
    expect(workload.truth?.byName.size).toBe(1);
    expect(workload.minAccuracy).toBe(0.5);
  });

  it.each([
    ['a threshold without truth', { minAccuracy: 0.5 }, '--min-accuracy without --truth'],
    ['truth without images', { images: undefined, truth: '/x' }, '--truth without --images'],
    ['a truth file that is absent', { truth: '/nowhere/truth.csv' }, 'cannot read /nowhere/truth.csv'],
  ])('refuses %s', async (_what, more, message) => {
    await expect(prepare(more)).rejects.toMatchObject({
      exitCode: 64,
      message: expect.stringContaining(message),
    });
  });

  it('refuses truth that knows none of the images', async () => {
    await expect(prepare({ truth: file('other.csv') })).rejects.toMatchObject({
      exitCode: 64,
      hint: 'the first image is broken.jpg, the first name x.png',
    });
  });
});

describe('encodeUploads', () => {
  it('makes forms that an independent parser reads back', async () => {
    const bytes = Buffer.from(Array.from({ length: 3_000 }, (_, at) => (at * 31) % 256));
    const name = 'a "great" shärk\r\n.jpg';
    const [upload] = encodeUploads([{ name, mediaType: 'image/jpeg', bytes }]);
    const form = await new Response(upload?.body, {
      headers: { 'content-type': upload?.contentType ?? '' },
    }).formData();
    const part = form.get('myfile');
    if (!(part instanceof File)) throw new Error('the form has no file myfile');
    expect([...form.keys()]).toEqual(['myfile']);
    expect(part.type).toBe('image/jpeg');
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes)).toBe(true);
    expect(part.name).toBe(name);
  });
});

describe('sampleImages', async () => {
  const { images, truth } = await sampleImages();

  it('are 100 different JPEGs with 100 different names', () => {
    expect(new Set(images.map(({ bytes }) => Buffer.from(bytes).toString('base64'))).size).toBe(100);
    expect(new Set(images.map(({ name }) => name)).size).toBe(100);
    expect(images.every(({ bytes }) => detectImageType(bytes) === 'jpeg')).toBe(true);
  });

  it('have the truth of their photograph', () => {
    expect(images[0]?.name).toBe('cameraman-00.jpg');
    expect([...(rightLabels(truth, 'cat-03.jpg') ?? [])]).toEqual(['tabby cat', 'tiger cat', 'egyptian mau']);
    expect(images.every(({ name }) => rightLabels(truth, name))).toBe(true);
  });

  it('are large enough for the classifier, and decode', async () => {
    for (const { bytes } of images) {
      const inspection = inspectImage(bytes, { maxImageBytes: 1e6, maxPixels: 1e6 });
      if (!inspection.ok) throw new Error(inspection.message);
      const { width, height } = inspection.header;
      expect(Math.min(width, height)).toBeGreaterThanOrEqual(256);
      expect((await sharp(bytes).raw().toBuffer()).length).toBe(width * height * 3);
    }
  });

  it('are the same at every call', async () => {
    const again = await sampleImages();
    expect(again.images.map(({ bytes }) => Buffer.from(bytes).toString('base64'))).toEqual(
      images.map(({ bytes }) => Buffer.from(bytes).toString('base64')),
    );
  });
});
