// What the benches share: CPU time of each stage of classifying an image, in one thread of this process.
import { inspectImage } from '../dist/src/image/inspect.js';
import { createDecoder } from '../dist/src/model/decode.js';
import { frame } from '../dist/src/model/framing.js';
import { loadModel } from '../dist/src/model/model.js';
import { createResize } from '../dist/src/model/resize.js';
import { openSession } from '../dist/src/model/session.js';
import { rawDecode, rawResample } from './raw.mjs';

const limits = { maxImageBytes: 10 * 2 ** 20, maxPixels: 50_000_000 };
/** Decoded at once: their pixels are in memory together, as stages are measured one after the other. */
const chunkImages = 25;

/** CPU milliseconds of this process, all of its threads. */
const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const model = await loadModel();
const opening = await openSession(model);
if (!opening.ok) throw new Error(opening.misfit);
const { session } = opening;

export const implementations = {
  now: { decode: await createDecoder(limits.maxPixels), resize: createResize() },
  yardstick: { decode: rawDecode, resize: rawResample },
};

const headerOf = (bytes) => {
  const inspection = inspectImage(bytes, limits);
  if (!inspection.ok) throw new Error(inspection.message);
  return inspection.header;
};

/** Adds the CPU time of `work` to `spent[stage]`. */
const timed = async (spent, stage, work) => {
  const start = cpuMs();
  const result = await work();
  spent[stage] = (spent[stage] ?? 0) + cpuMs() - start;
  return result;
};

/** One pass over the images; CPU ms an image by stage. */
export const measureStages = async ({ decode, resize }, images, { withInference, onCrop }) => {
  const spent = {};
  for (let at = 0; at < images.length; at += chunkImages) {
    const chunk = images.slice(at, at + chunkImages);
    const headers = await timed(spent, 'header', () => chunk.map(headerOf));
    const decoded = await timed(spent, 'decode', async () => {
      const all = [];
      for (const [i, bytes] of chunk.entries()) all.push((await decode(bytes, headers[i])).pixels);
      return all;
    });
    const crops = await timed(spent, 'resize', () =>
      decoded.map(({ rgb, width, height }) => resize(rgb, frame(width, height, model.contract))),
    );
    if (withInference)
      await timed(spent, 'infer', async () => {
        for (const crop of crops) await session.infer([crop]);
      });
    for (const [i, crop] of crops.entries()) onCrop?.(at + i, crop);
  }
  return Object.fromEntries(Object.entries(spent).map(([stage, ms]) => [stage, ms / images.length]));
};
