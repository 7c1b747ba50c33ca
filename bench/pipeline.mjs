// npm run bench:pipeline: the whole way of an image against bare decoding and classifying, in one run, interleaved.
//
//     npm run bench:pipeline [-- --rounds 5] [--requests 400] [--concurrency 50] [--images DIR] [--json]
//
// The reference (`raw`) is as many processes as there are cores, each decoding, resizing and classifying the same files from
// memory. The pipeline is the load generator, the web tier, the local cloud and one worker on the same cores. CPU times are those
// of the processes, from /proc (Linux only). Also: API calls an image by kind, counted by the local cloud, and what a million
// images cost in requests at the list prices below. Exit code 4 when a figure misses what it must reach.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readCalls } from '../dist/src/localcloud/admin-client.js';
import { packageRoot } from '../dist/src/package.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '400' },
    concurrency: { type: 'string', default: '50' },
    images: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(flags.rounds);
const requests = Number(flags.requests);
const folder = path.resolve(
  packageRoot,
  flags.images ?? path.join(process.env.IMGREC_TEST_DATA ?? '../shared', 'data', 'photos-200'),
);
const cores = availableParallelism();
const bin = fileURLToPath(new URL('../dist/bin/imgrec.js', import.meta.url));
const cloudModule = fileURLToPath(new URL('../dist/src/localcloud/main.js', import.meta.url));
const rawModule = fileURLToPath(new URL('./raw-process.mjs', import.meta.url));

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const started = [];
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});

const start = async (module, args, options = {}) => {
  const child = fork(module, args, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
    ...options,
  });
  started.push(child);
  for (;;) {
    const [message] = await once(child, 'message');
    if (message === 'ready' || message.type === 'ready') return { child, details: message };
    if (message.type === 'failed') throw new Error(message.message);
  }
};

/** CPU milliseconds of a process and of all its descendants. */
const treeCpuMs = (root) => {
  const stats = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      stats.set(Number(name), {
        parent: Number(fields[1]),
        ms: (Number(fields[11]) + Number(fields[12])) * 10,
      });
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (pid) => pid === root || (stats.has(pid) && isBelow(stats.get(pid).parent));
  return [...stats].filter(([pid]) => isBelow(pid)).reduce((sum, [, { ms }]) => sum + ms, 0);
};

const state = mkdtempSync(path.join(tmpdir(), 'imgrec-pipeline-'));
const local = ['--local', '--state', state];
const cloud = await start(cloudModule, ['--state', state]);
await new Promise((resolve, reject) => {
  const provisioning = fork(bin, ['provision', '--yes', ...local, '--quiet'], { stdio: 'ignore' });
  provisioning.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`provision: ${code}`))));
});
const web = await start(bin, ['serve', ...local, '--port', '0', '--quiet']);
const worker = await start(bin, ['worker', ...local, '--quiet']);
const raw = await Promise.all(
  Array.from({ length: cores }, (_, share) => start(rawModule, [folder, String(share), String(cores)])),
);
const credentials = JSON.parse(readFileSync(path.join(state, 'cloud.json'), 'utf8'));

const runRaw = async () => {
  const each = Math.ceil(requests / cores);
  const startedAt = performance.now();
  const done = raw.map(({ child }) => once(child, 'message'));
  for (const { child } of raw) child.send(each);
  const cpu = (await Promise.all(done)).reduce((sum, [{ cpuMs }]) => sum + cpuMs, 0);
  const images = each * cores;
  return { perSecond: (images * 1_000) / (performance.now() - startedAt), cpuMs: cpu / images };
};

const runPipeline = async () => {
  const parts = { web, cloud, worker };
  const before = Object.fromEntries(
    Object.entries(parts).map(([name, { child }]) => [name, treeCpuMs(child.pid)]),
  );
  const callsBefore = await readCalls(credentials);
  const generator = fork(
    bin,
    [
      'bench',
      '--url',
      web.details.url,
      '--images',
      folder,
      '--json',
      '--requests',
      String(requests),
      '--concurrency',
      flags.concurrency,
    ],
    { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], execArgv: [] },
  );
  let output = '';
  generator.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = await once(generator, 'close');
  const report = JSON.parse(output);
  if (code !== 0 || report.answered !== requests)
    throw new Error(`the run is not valid: ${output.slice(0, 400)}`);
  const callsAfter = await readCalls(credentials);
  return {
    perSecond: report.throughputPerSecond,
    p50: report.latencyMs.p50,
    p99: report.latencyMs.p99,
    sqsUnits: (callsAfter.sqsUnits - callsBefore.sqsUnits) / requests,
    calls: Object.fromEntries(
      Object.entries(callsAfter.calls).map(([name, count]) => [
        name,
        (count - (callsBefore.calls[name] ?? 0)) / requests,
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(parts).map(([name, { child }]) => [
        name,
        (treeCpuMs(child.pid) - before[name]) / requests,
      ]),
    ),
  };
};

// Warm-up: code is compiled, connections are open.
await runRaw();
await runPipeline();
const samples = { raw: [], pipeline: [] };
for (let round = 0; round < rounds; round++) {
  for (const which of round % 2 === 0 ? ['raw', 'pipeline'] : ['pipeline', 'raw'])
    samples[which].push(which === 'raw' ? await runRaw() : await runPipeline());
}

const of = (which, figure) => median(samples[which].map((sample) => sample[figure]));
const callNames = [...new Set(samples.pipeline.flatMap(({ calls }) => Object.keys(calls)))].sort();
const calls = Object.fromEntries(
  callNames.map((name) => [name, median(samples.pipeline.map((sample) => sample.calls[name] ?? 0))]),
);
const sumOf = (pattern) =>
  Object.entries(calls).reduce((sum, [name, count]) => sum + (pattern.test(name) ? count : 0), 0);
const puts = sumOf(/^s3:(Put|Copy|List)/);
const gets = sumOf(/^s3:(Get|Head)/);
const sqs = sumOf(/^sqs:/);
const units = of('pipeline', 'sqsUnits');
/** us-east-1 list prices: S3 PUT $5 and GET $0.40, SQS $0.40 a million. */
const dollars = puts * 5 + gets * 0.4 + units * 0.4;

const figures = [
  {
    figure: 'worker process tree, CPU ms an image / raw',
    value: median(samples.pipeline.map((s, i) => s.worker / samples.raw[i].cpuMs)),
    must: 1.2,
    aim: 1,
  },
  {
    figure: 'pipeline images/s / raw images/s',
    value: median(samples.pipeline.map((s, i) => s.perSecond / samples.raw[i].perSecond)),
    must: 0.6,
    aim: 0.8,
    atLeast: true,
  },
  { figure: 'local cloud, CPU ms an image', value: of('pipeline', 'cloud'), must: 1.8, aim: 0.9 },
  { figure: 'web tier, CPU ms an image', value: of('pipeline', 'web'), must: 2.6, aim: 1.2 },
  { figure: 'S3 PUT an image', value: puts, must: 2.05, aim: 2 },
  { figure: 'S3 GET an image', value: gets, must: 1.05, aim: 1 },
  { figure: 'SQS requests an image', value: sqs, must: 1.5, aim: 0.8 },
];
const missed = figures.filter(({ value, must, atLeast }) => (atLeast ? value < must : value > must));
const rounded = (value) => Number(value.toFixed(3));
if (!flags.json) {
  console.table([
    {
      what: 'raw',
      'images/s': rounded(of('raw', 'perSecond')),
      'CPU ms an image': rounded(of('raw', 'cpuMs')),
    },
    {
      what: 'pipeline',
      'images/s': rounded(of('pipeline', 'perSecond')),
      'p50 ms': of('pipeline', 'p50'),
      'p99 ms': of('pipeline', 'p99'),
    },
    ...['worker', 'web', 'cloud'].map((name) => ({
      what: name,
      'CPU ms an image': rounded(of('pipeline', name)),
    })),
  ]);
  console.table(
    Object.entries(calls)
      .filter(([, count]) => count > 0)
      .map(([call, count]) => ({ call, 'an image': rounded(count) })),
  );
  console.log(`requests of a million images: $${dollars.toFixed(2)}`);
  console.table(
    figures.map(({ figure, value, must, aim }) => ({ figure, value: rounded(value), must, aim })),
  );
}
if (flags.json)
  console.log(
    JSON.stringify(
      figures.map(({ figure, value, must, aim }) => ({ figure, value: rounded(value), must, aim })),
    ),
  );
for (const { child } of [worker, web, cloud, ...raw]) child.kill('SIGTERM');
await Promise.all([worker, web, cloud].map(({ child }) => child.exitCode ?? once(child, 'exit')));
rmSync(state, { recursive: true, force: true });
process.exit(missed.length > 0 ? 4 : 0);
