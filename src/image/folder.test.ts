import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures/image-goldens.ts';
import { imageNamesIn } from './folder.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'imgrec-folder-'));
  for (const name of ['photo_10.jpg', 'photo_9.JPEG', 'broken.png', '.hidden.jpg', 'truth.csv', 'empty'])
    await writeFile(path.join(folder, name), name === 'empty' ? '' : 'text');
  await copyFile(fixture('images/rgb.bmp'), path.join(folder, 'scan'));
  await mkdir(path.join(folder, 'more.jpg'));
});
afterAll(() => rm(folder, { recursive: true }));

it('finds the images of a folder by extension or by content, in the order in which people count', async () => {
  expect(await imageNamesIn(folder)).toEqual(['broken.png', 'photo_9.JPEG', 'photo_10.jpg', 'scan']);
});

it('says when there is no such folder', async () => {
  await expect(imageNamesIn(path.join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
});
