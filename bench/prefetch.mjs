// npm run bench:prefetch: the whole pipeline with workers that hold a fixed number of messages for each classifier, interleaved.
//
//     npm run bench:prefetch [-- --rounds 5] [--requests 400] [--concurrency 50] [--held 2,3,4,6,8,12,24] [--json]
//
// For both transports: `key` (each image is fetched from the input bucket) and `inline` (it is in its message). Each worker is a
// copy of the build whose prefetch is that number, whatever an image takes; `as it is` is the build itself. Prints images a
// second, also in relation to the build itself in the same round (median), and what the worker's processes take an image.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { imageSets, median, rounded } from './figures.mjs';
import { bin, cpuMs, generate, start, startCloud, stop } from './processes.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '400' },
    concurrency: { type: 'string', default: '50' },
    held: { type: 'string', default: '2,3,4,6,8,12,24' },
    json: { type: 'boolean', default: false },
  },
});
const requests = Number(flags.requests);
const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(path.join(tmpdir(), 'imgrec-prefetch-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** A copy of the build that holds so many messages a classifier; a text that is not there once would change nothing. */
const buildThatHolds = (held) => {
  const folder = path.join(scratch, `held-${held}`);
  cpSync(path.join(root, 'dist'), path.join(folder, 'dist'), { recursive: true });
  cpSync(path.join(root, 'package.json'), path.join(folder, 'package.json'));
  for (const name of ['assets', 'node_modules']) symlinkSync(path.join(root, name), path.join(folder, name));
  const file = path.join(folder, 'dist', 'src', 'worker', 'prefetch.js');
  let text = readFileSync(file, 'utf8');
  for (const name of ['least', 'most']) {
    const pattern = new RegExp(`const ${name} = \\d+;`, 'g');
    if ((text.match(pattern) ?? []).length !== 1) throw new Error(`${file} does not say "${name}" once`);
    text = text.replace(pattern, `const ${name} = ${held};`);
  }
  writeFileSync(file, text);
  return path.join(folder, 'dist', 'bin', 'imgrec.js');
};

const builds = [
  { name: 'as it is', file: bin },
  ...flags.held.split(',').map((held) => ({ name: held, file: buildThatHolds(Number(held)) })),
];
const [{ folder }] = imageSets(['photos-200']);
const cloud = await startCloud();
const transports = [];
for (const name of ['key', 'inline']) {
  const web = await start(bin, ['serve', ...cloud.local, '--port', '0', '--quiet', '--transport', name]);
  transports.push({ name, web });
}

const measure = async (build, { web }) => {
  const worker = await start(build.file, ['worker', ...cloud.local, '--quiet', '--poll-wait', '1']);
  const load = { url: web.details.url, folder, concurrency: flags.concurrency };
  await generate({ ...load, requests: 100 });
  const before = cpuMs(worker.pid).tree;
  const { throughputPerSecond: perSecond } = await generate({ ...load, requests });
  const workerMs = (cpuMs(worker.pid).tree - before) / requests;
  await stop([worker]);
  return { perSecond, workerMs };
};

const runs = [];
for (let round = 0; round < Number(flags.rounds); round++)
  for (const transport of transports) {
    let reference;
    for (const build of builds) {
      const run = await measure(build, transport);
      reference ??= run.perSecond;
      runs.push({ transport: transport.name, held: build.name, ...run, ratio: run.perSecond / reference });
    }
  }
await stop([...transports.map(({ web }) => web), cloud]);
cloud.remove();

const rows = transports.flatMap(({ name }) =>
  builds.map((build) => {
    const own = runs.filter((run) => run.transport === name && run.held === build.name);
    const middle = (figure) => rounded(median(own.map((run) => run[figure])));
    return {
      transport: name,
      held: build.name,
      'images/s': middle('perSecond'),
      'against as it is': middle('ratio'),
      'worker CPU ms': middle('workerMs'),
    };
  }),
);
if (flags.json) console.log(JSON.stringify({ schema: 'imgrec.bench-prefetch/1', rows }));
else console.table(rows);
process.exit(0);
