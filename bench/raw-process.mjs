// One process of the reference: decode, resize and classify images from memory, and nothing else. Started by processes.mjs.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { frame } from '../dist/src/model/framing.js';
import { loadModel } from '../dist/src/model/model.js';
import { openSession } from '../dist/src/model/session.js';
import { rawDecode, rawResample } from './raw.mjs';

const [folder, share, shares] = process.argv.slice(2);
const images = readdirSync(folder)
  .sort()
  .filter((_, index) => index % Number(shares) === Number(share))
  .map((name) => readFileSync(path.join(folder, name)));
const model = await loadModel();
const opening = await openSession(model);
if (!opening.ok) throw new Error(opening.misfit);

process.on('message', async (count) => {
  const { user, system } = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    const { pixels } = await rawDecode(images[i % images.length]);
    const { rgb, width, height } = pixels;
    await opening.session.infer([rawResample(rgb, frame(width, height, model.contract))]);
  }
  const spent = process.cpuUsage({ user, system });
  process.send({ cpuMs: (spent.user + spent.system) / 1_000 });
});
process.once('disconnect', () => process.exit(0));
process.send('ready');
