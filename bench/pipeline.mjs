// npm run bench:pipeline: the whole way of an image against bare decoding and classifying, in one run, interleaved.
//
//     npm run bench:pipeline [-- --rounds 5] [--requests 400] [--concurrency 50] [--only photos-200] [--json]
//
// The reference (`raw`) is as many processes as there are cores, each decoding, resizing and classifying the same files from
// memory. The pipeline is the load generator, the web tier, the local cloud and one worker on the same cores. CPU times are those
// of the processes, from /proc (Linux only). Also: API calls an image by kind, counted by the local cloud, and what a million
// images cost in requests. Exit code 4 when a figure misses what it must reach.
import { parseArgs } from 'node:util';
import { callsAnImage, conclude, imageSets, median, rounded } from './figures.mjs';
import { bin, cpuMs, generate, start, startCloud, startRaw, stop } from './processes.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '400' },
    concurrency: { type: 'string', default: '50' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(flags.rounds);
const requests = Number(flags.requests);

const cloud = await startCloud();
const web = await start(bin, ['serve', ...cloud.local, '--port', '0', '--quiet']);
const worker = await start(bin, ['worker', ...cloud.local, '--quiet']);
const parts = { worker, web, cloud };

const runPipeline = async (folder) => {
  const before = Object.entries(parts).map(([name, { pid }]) => [name, cpuMs(pid).tree]);
  const callsBefore = await cloud.calls();
  const { concurrency } = flags;
  const report = await generate({ url: web.details.url, folder, requests, concurrency });
  return {
    perSecond: report.throughputPerSecond,
    p50: report.latencyMs.p50,
    p99: report.latencyMs.p99,
    requests: callsAnImage(callsBefore, await cloud.calls(), requests),
    ...Object.fromEntries(
      before.map(([name, cpuBefore]) => [name, (cpuMs(parts[name].pid).tree - cpuBefore) / requests]),
    ),
  };
};

const measure = async ({ title, folder, name }) => {
  const raw = await startRaw(folder);
  // Warm-up: code is compiled, connections are open.
  await raw.run(requests);
  await runPipeline(folder);
  const samples = [];
  for (let round = 0; round < rounds; round++) {
    const rawFirst = round % 2 === 0;
    const early = rawFirst ? await raw.run(requests) : undefined;
    const pipeline = await runPipeline(folder);
    samples.push({ raw: early ?? (await raw.run(requests)), pipeline });
  }
  await stop(raw.parts);

  const of = (figure) => median(samples.map(({ pipeline }) => pipeline[figure]));
  const calls = median(samples.map(({ pipeline }) => pipeline.requests.dollars));
  const { requests: counted } = samples.find(({ pipeline }) => pipeline.requests.dollars === calls).pipeline;
  if (!flags.json) {
    console.log(`\n${title} (${name}), concurrency ${flags.concurrency}`);
    console.table({
      raw: {
        'images/s': rounded(median(samples.map((each) => each.raw.perSecond))),
        'CPU ms an image': rounded(median(samples.map((each) => each.raw.cpuMs))),
      },
      pipeline: { 'images/s': rounded(of('perSecond')), 'p50 ms': of('p50'), 'p99 ms': of('p99') },
      ...Object.fromEntries(
        Object.keys(parts).map((part) => [part, { 'CPU ms an image': rounded(of(part)) }]),
      ),
    });
    console.table(
      Object.entries(counted.calls).map(([call, count]) => ({ call, 'an image': rounded(count) })),
    );
    console.log(`requests of a million images: $${counted.dollars.toFixed(2)}`);
  }
  // What is asked of the whole is asked of photographs: of a 64 x 64 image, sending costs as much as classifying.
  const isPhotos = name === 'photos-200';
  return [
    {
      figure: `worker process tree, CPU ms an image / raw (${title})`,
      value: median(samples.map((each) => each.pipeline.worker / each.raw.cpuMs)),
      must: 1.2,
      aim: 1,
    },
    {
      figure: `pipeline images/s / raw images/s (${title})`,
      value: median(samples.map((each) => each.pipeline.perSecond / each.raw.perSecond)),
      ...(isPhotos ? { must: 0.6 } : {}),
      aim: 0.8,
      atLeast: true,
    },
    { figure: `local cloud, CPU ms an image (${title})`, value: of('cloud'), must: 1.8, aim: 0.9 },
    { figure: `web tier, CPU ms an image (${title})`, value: of('web'), must: 2.6, aim: 1.2 },
    // Reports that web tier and worker write now and then are puts as well.
    { figure: `S3 PUT an image (${title})`, value: counted.put, must: 2.05, aim: 2 },
    { figure: `S3 GET an image (${title})`, value: counted.get, must: 1.05, aim: 1 },
    { figure: `SQS requests an image (${title})`, value: counted.sqs, must: 1.5, aim: 0.8 },
  ];
};

const figures = [];
for (const set of imageSets(flags.only)) figures.push(...(await measure(set)));
await stop([worker, web]);
await stop([cloud]);
cloud.remove();
conclude(figures, flags.json);
