// npm run bench:stages: CPU time of each stage of classifying an image, in one thread, now and at first light (raw.mjs), interleaved.
//
//     npm run bench:stages [-- --rounds N] [--only photos-200] [--json]
//
// The images are those of IMGREC_TEST_DATA (default ../shared), or the sample photographs. Exit code 4 when a figure misses what it must reach.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { imageNamesIn } from '../dist/src/image/folder.js';
import { conclude, imageSets, median, rounded } from './figures.mjs';
import { implementations, measureStages as measure } from './stage-costs.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(flags.rounds);
/** CPU ms an image, by set. */
const promised = { 'photos-200': { must: 6.5, aim: 4.0 }, 'imagenet-100': { must: 2.0, aim: 0.8 } };

const figures = [];
const report = [];
for (const { name, folder } of imageSets(flags.only)) {
  const images = await Promise.all(
    (await imageNamesIn(folder)).map((image) => readFile(path.join(folder, image))),
  );
  const crops = [];
  let equal = 0;
  await measure(implementations.yardstick, images, { onCrop: (_i, crop) => crops.push(Buffer.from(crop)) });
  await measure(implementations.now, images, {
    withInference: true,
    onCrop: (i, crop) => {
      equal += crops[i].equals(crop) ? 1 : 0;
    },
  });
  const samples = { now: [], yardstick: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? ['now', 'yardstick'] : ['yardstick', 'now'];
    for (const which of order)
      samples[which].push(await measure(implementations[which], images, { withInference: which === 'now' }));
  }
  const of = (which, stage) => median(samples[which].map((sample) => sample[stage] ?? 0));
  const infer = of('now', 'infer');
  for (const which of ['now', 'yardstick']) {
    const stages = {
      header: of(which, 'header'),
      decode: of(which, 'decode'),
      'resize and crop': of(which, 'resize'),
      infer,
    };
    const total = Object.values(stages).reduce((a, b) => a + b, 0);
    for (const [stage, ms] of Object.entries(stages))
      report.push({ images: name, which, stage, 'CPU ms': ms, share: ms / total });
  }
  const toCrop = median(samples.now.map(({ decode, resize }) => decode + resize));
  const toCropThen = median(samples.yardstick.map(({ decode, resize }) => decode + resize));
  figures.push(
    { figure: `${name}: decode + resize + crop, CPU ms an image`, value: toCrop, ...promised[name] },
    { figure: `${name}: the same / yardstick`, value: toCrop / toCropThen, must: 0.75, aim: 0.6 },
    {
      figure: `${name}: share of crops that differ from the yardstick's`,
      value: 1 - equal / images.length,
      must: 0,
      aim: 0,
    },
  );
}

if (flags.json) for (const row of report) console.error(JSON.stringify(row));
else
  console.table(
    report.map((row) => ({
      ...row,
      'CPU ms': rounded(row['CPU ms']),
      share: `${Math.round(row.share * 100)} %`,
    })),
  );
conclude(figures, flags.json);
