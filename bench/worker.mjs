// npm run bench:worker: what a worker costs beyond decoding and classifying, how its memory grows, and how soon it answers.
//
//     npm run bench:worker [-- --rounds 5] [--images 400] [--soak 20000] [--starts 5] [--only photos-200] [--json]
//
// The reference (`raw`) is as many processes as there are cores, each decoding, resizing and classifying the same files from
// memory. The worker takes a backlog from the local cloud's queue; local cloud and load generator (this process) are not counted.
// CPU times and memory are those of the processes, from /proc (Linux only). Exit code 4 when a figure misses what it must reach.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openCluster } from '../dist/src/aws/cluster.js';
import { connect } from '../dist/src/aws/connection.js';
import { sha256Hex } from '../dist/src/aws/sigv4.js';
import { imageNamesIn } from '../dist/src/image/folder.js';
import { contractVersion, encode } from '../dist/src/jobs/contract.js';
import { newJobId } from '../dist/src/jobs/id.js';
import { callsAnImage, conclude, imageSets, median, rounded } from './figures.mjs';
import { bin, cpuMs, residentMb, residentMbEach, start, startCloud, startRaw, stop } from './processes.mjs';
import { implementations, measureStages } from './stage-costs.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    images: { type: 'string', default: '400' },
    soak: { type: 'string', default: '20000' },
    starts: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(flags.rounds);
const images = Number(flags.images);
const replyTo = 'bench';
const paceMs = 50;
/** Images that are not answered after this long are lost. */
const lostAfterMs = 120_000;

const cloud = await startCloud();
const cluster = await openCluster(
  connect({ cluster: 'imgrec', local: true, state: cloud.state, region: undefined }, '/'),
);
const { sqs, s3, names } = cluster;
await sqs.create(names.replies(replyTo), {}, {});
const startWorker = () => start(bin, ['worker', ...cloud.local, '--quiet']);

/** Stores the files of a folder, and returns what a request says about each. */
const store = async (folder) => {
  const stored = [];
  for (const name of await imageNamesIn(folder)) {
    const bytes = readFileSync(path.join(folder, name));
    const key = `images/bench-${name}`;
    await s3.put(names.inputBucket, key, bytes, 'image/jpeg');
    stored.push({ name, image: { key, sha256: sha256Hex(bytes), bytes: bytes.length, type: 'image/jpeg' } });
  }
  return stored;
};

const enqueue = async (stored, count) => {
  const sender = sqs.sender(names.requests);
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      sender.add(
        encode({ v: contractVersion, id: newJobId(), replyTo, topK: 5, ...stored[index % stored.length] }),
      ),
    ),
  );
};

/** Takes `count` replies; each must hold a label. */
const takeReplies = async (count) => {
  const remover = sqs.remover(names.replies(replyTo));
  const giveUpAt = performance.now() + lostAfterMs;
  for (let taken = 0; taken < count; ) {
    if (performance.now() > giveUpAt) throw new Error(`${count - taken} of ${count} not answered`);
    const deliveries = await sqs.receive(names.replies(replyTo), 10, 1);
    for (const { body, handle } of deliveries) {
      const { result } = JSON.parse(body);
      if (result.status !== 'ok') throw new Error(`the run is not valid: ${body}`);
      taken++;
      void remover.add(handle);
    }
    // As the web tier: who waits for many answers takes them in tens.
    if (deliveries.length < 10 && count > 10) await delay(paceMs);
  }
  await remover.flush();
};

const runWorker = async (worker, stored, count) => {
  const callsBefore = await cloud.calls();
  await enqueue(stored, count);
  const sent = await cloud.calls();
  const before = cpuMs(worker.pid);
  const startedAt = performance.now();
  await takeReplies(count);
  const seconds = (performance.now() - startedAt) / 1_000;
  const after = cpuMs(worker.pid);
  const requests = callsAnImage(sent, await cloud.calls(), count);
  const received = callsAnImage(callsBefore, sent, count);
  const tree = (after.tree - before.tree) / count;
  const parent = (after.own - before.own) / count;
  return { perSecond: count / seconds, tree, parent, requests, received };
};

const measure = async ({ title, folder, name }) => {
  const stored = await store(folder);
  const files = stored.map(({ name: file }) => readFileSync(path.join(folder, file)));
  const raw = await startRaw(folder);
  const worker = await startWorker();
  await raw.run(images);
  await runWorker(worker, stored, images);
  const samples = [];
  for (let round = 0; round < rounds; round++) {
    const rawFirst = round % 2 === 0;
    const early = rawFirst ? await raw.run(images) : undefined;
    const run = await runWorker(worker, stored, images);
    samples.push({
      raw: early ?? (await raw.run(images)),
      run,
      stages: await measureStages(implementations.now, files, { withInference: true }),
    });
  }
  await stop([...raw.parts, worker]);
  const of = (pick) => median(samples.map(({ run }) => pick(run)));
  const tree = of((run) => run.tree);
  const parent = of((run) => run.parent);
  const stages = Object.fromEntries(
    ['header', 'decode', 'resize', 'infer'].map((stage) => [
      stage,
      median(samples.map((each) => each.stages[stage])),
    ]),
  );
  if (!flags.json) {
    console.log(`\n${title} (${name})`);
    const rawMs = median(samples.map((each) => each.raw.cpuMs));
    console.table({
      raw: { 'CPU ms an image': rounded(rawMs) },
      worker: { 'CPU ms an image': rounded(tree), 'images/s': rounded(of((run) => run.perSecond)) },
    });
    // Stages are measured in this process, one image at a time; together they may be more than the classifiers need for batches.
    const known = { 'parent (queue, S3, leases)': parent, ...stages };
    const rest = tree - Object.values(known).reduce((sum, ms) => sum + ms, 0);
    console.table(
      Object.entries({ ...known, 'rest of the classifiers, less what batches save': rest }).map(
        ([stage, ms]) => ({ stage, 'CPU ms an image': rounded(ms), 'share %': rounded((100 * ms) / tree) }),
      ),
    );
    const { calls } = samples.at(-1)?.run.requests ?? {};
    console.table(Object.entries(calls).map(([call, count]) => ({ call, 'an image': rounded(count) })));
  }
  // The worker's own calls, and its part of those that bring it requests: the reply queue's are the web tier's.
  const sqsCalls = of((run) =>
    [
      'sqs:ReceiveMessage',
      'sqs:DeleteMessageBatch',
      'sqs:SendMessageBatch',
      'sqs:ChangeMessageVisibilityBatch',
    ]
      .map((call) => run.requests.calls[call] ?? 0)
      .reduce((sum, count) => sum + count, 0),
  );
  return {
    stored,
    sqsCalls,
    figures: [
      {
        figure: `worker process tree, CPU ms an image / raw (${title})`,
        value: median(samples.map((each) => each.run.tree / each.raw.cpuMs)),
        must: 1.2,
        aim: 1,
      },
      {
        figure: `SQS requests an image with a backlog, replies taken in tens included (${title})`,
        value: sqsCalls + of((run) => run.received.sqs),
        must: 0.8,
        aim: 0.6,
      },
      { figure: `S3 PUT an image (${title})`, value: of((run) => run.requests.put), must: 1.05, aim: 1 },
      { figure: `S3 GET an image (${title})`, value: of((run) => run.requests.get), must: 1.05, aim: 1 },
    ],
  };
};

/** Resident memory of a worker tree after 2,000 images, and after many more. */
const soak = async (stored, count) => {
  const worker = await startWorker();
  const early = 2_000;
  const chunk = 1_000;
  const resident = [];
  for (let done = 0; done < count; done += chunk) {
    await enqueue(stored, chunk);
    // The middle of several looks: a collection may be due at any one of them.
    const taking = takeReplies(chunk);
    const looks = [];
    const looking = setInterval(() => looks.push(residentMb(worker.pid)), 200);
    await taking;
    clearInterval(looking);
    resident.push(median(looks));
    if (!flags.json) {
      const each = residentMbEach(worker.pid).map((mb) => mb.toFixed(0));
      console.error(`${done + chunk} images: ${resident.at(-1).toFixed(0)} MB (${each.join(' + ')})`);
    }
  }
  await stop([worker]);
  return {
    figure: `worker tree, RSS after ${count} images / after ${early}`,
    value: resident.at(-1) / resident[early / chunk - 1],
    must: 1.05,
    aim: 1,
  };
};

/** From starting the command to the reply of a message that waits. */
const coldStarts = async (stored, count) => {
  const seconds = [];
  for (let run = 0; run < count; run++) {
    await enqueue(stored, 1);
    const startedAt = performance.now();
    const starting = startWorker();
    await takeReplies(1);
    seconds.push((performance.now() - startedAt) / 1_000);
    await stop([await starting]);
  }
  return {
    figure: 'cold start, seconds from exec to the first result',
    value: median(seconds),
    must: 1.5,
    aim: 0.7,
  };
};

const figures = [];
let stored = [];
for (const set of imageSets(flags.only)) {
  const measured = await measure(set);
  figures.push(...measured.figures);
  stored = [...stored, ...measured.stored];
}
if (Number(flags.starts) > 0) figures.push(await coldStarts(stored, Number(flags.starts)));
if (Number(flags.soak) > 2_000) figures.push(await soak(stored, Number(flags.soak)));
cluster.close();
await stop([cloud]);
cloud.remove();
conclude(figures, flags.json);
