import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { packageRoot } from '../../../src/package.ts';
import { makeBombs } from '../bombs.ts';
import { type Operation, percentile } from '../history.ts';
import { type Lab, urlOf } from '../lab.ts';
import { type Load, startLoad } from '../load.ts';
import { cpuSeconds, residentMb } from '../memory.ts';
import { mutate } from '../mutate.ts';
import type { Part } from '../parts.ts';
import { type Photo, readFolder, truncated, withComment } from '../photos.ts';
import {
  atMost,
  type Check,
  conclude,
  deadLetters,
  equals,
  type FaultTest,
  isTrue,
  timed,
} from '../trial.ts';

const marker = 'poison for a test';

/** No image that we know of crashes the classifier, so a build for this test has one that does. */
const poisonable = [
  {
    file: 'src/model/classifier.js',
    find: 'const decoding = await decode(job.bytes, job.header);',
    replace: `if (Buffer.from(job.bytes).includes('${marker}')) process.kill(process.pid, 'SIGSEGV'); const decoding = await decode(job.bytes, job.header);`,
  },
] as const;

const timesInLogs = (lab: Lab, text: string): number =>
  lab.everStarted().reduce((sum, part) => sum + part.log().split(text).length - 1, 0);

/** From the first request to the last answer. */
const secondsOf = (operations: readonly Operation[]): number => {
  const ends = operations.map(({ end }) => end.atMs);
  const starts = operations.map(({ invokedAtMs }) => invokedAtMs);
  return (Math.max(...ends) - Math.min(...starts)) / 1_000;
};

const poison: FaultTest = {
  name: 'F6',
  alone: true,
  title: 'images that crash the classifier, among good ones',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 10 });
    const product = await trial.mutated(poisonable);
    const [web, worker] = await Promise.all([
      lab.startWeb(),
      lab.startWorker({ product, args: ['--classifiers', '2'] }),
    ]);
    const url = await urlOf(web);
    const [poisons, count] = trial.pick([3, 150], [10, 1_000]);
    const every = Math.floor(count / poisons);
    const isPoison = (index: number) => index % every === every - 1 && index < poisons * every;
    // One photograph an operation, so that each poisoned one is expected to fail.
    const photos = Array.from({ length: count }, (_, index): Photo => {
      const photo = trial.wholePhotos[index % trial.wholePhotos.length];
      if (photo === undefined) throw new Error('there are no photographs');
      return isPoison(index) ? { ...photo, expected: { kind: 'failed' } } : photo;
    });
    const done: Operation[] = [];
    const send = async (load: Load): Promise<readonly Operation[]> => {
      await load.done;
      done.push(...load.operations);
      return load.operations;
    };
    const common = { urls: () => [url], concurrency: 16 };
    const calm = (round: number) =>
      send(
        startLoad({
          ...common,
          photos: trial.wholePhotos,
          count: count / 2,
          bytesOf: (photo, index) => withComment(photo.bytes, `calm ${round} ${index}`),
        }),
      );
    const rounds = trial.pick(1, 5);
    const losses: { readonly share: number; readonly seconds: number }[] = [];
    // Half of the calm work before and half after, so that a machine that gets slower meanwhile is no loss.
    for (let round = 0, before = await calm(0); round < rounds; round++) {
      const bytesOf = (photo: Photo, index: number) =>
        withComment(photo.bytes, `round ${round} ${index}${isPoison(index) ? ` ${marker}` : ''}`);
      const troubled = await send(startLoad({ ...common, photos, count, bytesOf }));
      const after = await calm(round + 1);
      const good = troubled.filter(({ expected }) => expected.kind === 'label');
      const calmSeconds = (good.length / count) * (secondsOf(before) + secondsOf(after));
      const seconds = secondsOf(good) - calmSeconds;
      losses.push({ share: seconds / secondsOf(good), seconds });
      before = after;
    }
    trial.say(`throughput lost: ${losses.map(({ share }) => share.toFixed(2)).join(', ')}`);
    const median = (of: 'share' | 'seconds') =>
      percentile(
        losses.map((loss) => loss[of]),
        0.5,
      );
    const answered = done.filter(({ expected, end }) => expected.kind === 'label' && end.kind === 'ok');
    const crashes = timesInLogs(lab, 'a classifier failed on an image');
    return conclude(lab, done, performance.now(), async () => [
      equals('dead letters', await deadLetters(lab), poisons * rounds),
      equals('good images answered', answered.length, done.length - poisons * rounds),
      equals('crashes', crashes, 3 * poisons * rounds),
      timed(trial, atMost('throughput lost', median('share'), 0.25)),
      timed(trial, atMost('seconds lost a crash', median('seconds') / (3 * poisons), 0.5)),
      isTrue('the worker goes on', worker.isRunning()),
    ]);
  },
};

const undecodable: FaultTest = {
  name: 'F7',
  title: 'uploads that look like photographs and are none',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 10 });
    const [web, worker] = await Promise.all([lab.startWeb(), lab.startWorker()]);
    const url = await urlOf(web);
    const count = trial.pick(60, 500);
    const load = startLoad({
      urls: () => [url],
      photos: trial.photos.map((photo) => ({ ...photo, expected: { kind: 'failed' } })),
      count,
      concurrency: 8,
      bytesOf: (photo, index) => withComment(truncated(photo.bytes), `operation ${index}`),
    });
    await load.done;
    return conclude(lab, load.operations, undefined, async () => {
      worker.signal('SIGTERM');
      await worker.ended;
      const [, totals = ''] = /stopped: (\{.*\})/.exec(worker.log()) ?? [];
      return [
        equals('answered as failed', load.operations.filter(({ end }) => end.kind === 'ok').length, count),
        equals('dead letters', await deadLetters(lab), 0),
        equals(
          'deliveries',
          totals,
          JSON.stringify({ ok: 0, failed: count, expired: 0, deadLettered: 0, handedBack: 0, lost: 0 }),
        ),
      ];
    });
  },
};

/** What must hold of answers to files that nobody made a label for. */
const answersTo = (
  operations: readonly Operation[],
  lab: Lab,
  worker: Part,
  classifiers: readonly number[],
): Check[] => [
  equals('without an answer', operations.filter(({ end }) => end.kind !== 'ok').length, 0),
  equals('classifiers that crashed', timesInLogs(lab, 'a classifier failed on an image'), 0),
  isTrue('classifiers are those of the start', classifiers.join() === worker.children().join()),
];

/** Posts files that have no known answer; whatever label a damaged photograph gets is right. */
const postAll = async (url: string, files: readonly Buffer[], concurrency: number) => {
  const anything: Photo = { name: 'damaged', bytes: Buffer.alloc(0), expected: { kind: 'failed' } };
  const load = startLoad({
    urls: () => [url],
    photos: [anything],
    count: files.length,
    concurrency,
    bytesOf: (_photo, index) => files[index] ?? Buffer.alloc(0),
  });
  await load.done;
  return load.operations.map(
    (operation): Operation =>
      operation.end.kind === 'ok' ? { ...operation, expected: operation.end.answer } : operation,
  );
};

const malformed: FaultTest = {
  name: 'F23',
  title: 'malformed images: a corpus, and photographs damaged at random',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 10 });
    const [web, worker] = await Promise.all([lab.startWeb(), lab.startWorker()]);
    const url = await urlOf(web);
    const classifiers = worker.children();
    const corpusFolder = path.join(
      process.env['IMGREC_TEST_DATA'] ?? path.join(packageRoot, '..', 'shared'),
      'data',
      'malformed',
    );
    const corpus = existsSync(corpusFolder) ? await readFolder(corpusFolder) : [];
    if (corpus.length === 0) trial.say(`without the corpus: ${corpusFolder} is not there`);
    const mutations = Array.from({ length: trial.pick(300, 10_000) }, () =>
      mutate(trial.random.pick(trial.photos).bytes, trial.random),
    );
    const operations = await postAll(url, [...corpus.map(({ bytes }) => bytes), ...mutations], 4);
    const tookMs = operations.map(({ end, invokedAtMs }) => end.atMs - invokedAtMs);
    const largestMb = Math.max(...[worker.pid, ...classifiers].map(residentMb));
    // Equal files are equal operations; which of them a result belongs to does not matter.
    return conclude(lab, operations, undefined, async () => [
      ...answersTo(operations, lab, worker, classifiers),
      timed(trial, atMost('longest answer, ms', Math.max(...tookMs), 2_000)),
      atMost('resident MB of worker or classifier', largestMb, 300),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

const bombs: FaultTest = {
  name: 'F24',
  title: 'small files that ask for much',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 10 });
    const [web, worker] = await Promise.all([lab.startWeb(), lab.startWorker()]);
    const url = await urlOf(web);
    const classifiers = worker.children();
    const everything = () => [web.pid, worker.pid, ...worker.children()];
    const sample = await readFile(path.join(trial.product.root, 'assets', 'samples', 'cat.jpg'));
    // So that what is loaded once is not counted as a bomb's.
    const warmUp = [...trial.photos.slice(0, 20).map(({ bytes }) => bytes), sample];
    const operations: Operation[] = await postAll(url, warmUp, 2);
    const memoryMb = () => everything().reduce((sum, pid) => sum + residentMb(pid), 0);
    const cpu = () => everything().reduce((sum, pid) => sum + cpuSeconds(pid), 0);
    const checks: Check[] = [];
    for (const { name, bytes, allowedMb = 100 } of makeBombs(sample)) {
      const cpuBefore = cpu();
      const beforeMb = memoryMb();
      let peakMb = beforeMb;
      const watch = setInterval(() => {
        peakMb = Math.max(peakMb, memoryMb());
      }, 10);
      operations.push(...(await postAll(url, [bytes], 1)));
      clearInterval(watch);
      checks.push(timed(trial, atMost(`CPU s of: ${name}`, cpu() - cpuBefore, 1)));
      checks.push(atMost(`more resident MB during: ${name}`, peakMb - beforeMb, allowedMb));
    }
    const tookMs = operations.map(({ end, invokedAtMs }) => end.atMs - invokedAtMs);
    return conclude(lab, operations, undefined, async () => [
      ...answersTo(operations, lab, worker, classifiers),
      ...checks,
      timed(trial, atMost('slowest, ms', percentile(tookMs, 1), 5_000)),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

export const imageTests: readonly FaultTest[] = [poison, undecodable, malformed, bombs];
