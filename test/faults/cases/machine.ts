import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../src/errors.ts';
import { draftRequest, sendBody } from '../direct.ts';
import { fakeClock } from '../fake-clock.ts';
import { type Operation, percentile } from '../history.ts';
import { becomesTrue, urlOf } from '../lab.ts';
import { startLoad } from '../load.ts';
import { openFiles, residentMb, slope } from '../memory.ts';
import { openTap } from '../tap.ts';
import {
  atLeast,
  atMost,
  type Check,
  conclude,
  deadLetters,
  equals,
  type FaultTest,
  isTrue,
} from '../trial.ts';

const wrongClocks: FaultTest = {
  name: 'F15',
  title: 'clocks that are wrong by +1 h and -2 h',
  run: async (trial) => {
    const library = fakeClock();
    if (library === undefined)
      return { kind: 'skipped', why: 'libfaketime is not installed (apt-get install faketime)' };
    const at = (offset: string) => ({
      LD_PRELOAD: library,
      FAKETIME: offset,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    });
    const lab = await trial.lab({ visibilitySeconds: 10 });
    let skewed = 0;
    const tap = await openTap(lab.endpoint, {
      onAnswer: (_call, { status, body }) => {
        if (status >= 400 && body.includes('RequestTimeTooSkewed')) skewed++;
        return undefined;
      },
    });
    trial.atEnd(tap.close);
    const web = await lab.startWeb();
    const workers = await Promise.all(
      ['+1h', '-2h'].map((offset) => lab.startWorker({ via: tap, environment: at(offset) })),
    );
    const url = await urlOf(web);
    const count = trial.pick(60, 1_000);
    const load = startLoad({ urls: () => [url], photos: trial.photos, count, concurrency: 8 });
    // With a time limit that a wrong clock would take for long over.
    const limited: Operation[] = [];
    for (let n = trial.pick(20, 200); n > 0; n--) {
      const { request, operation } = await draftRequest(lab, trial.random.pick(trial.photos));
      limited.push(operation);
      await sendBody(lab, JSON.stringify({ ...request, budgetMs: 120_000 }));
    }
    await load.done;
    const calls = [...tap.calls.values()].reduce((sum, each) => sum + each, 0);
    return conclude(lab, [...load.operations, ...limited], undefined, async () => [
      isTrue(
        'both go on',
        workers.every((worker) => worker.isRunning()),
      ),
      atLeast('calls refused for their time', skewed, 2),
      // Each client of each worker finds out once: STS, SQS, long polls and S3, with and without the SDK.
      atMost('calls refused for their time', skewed, 2 * 10),
      atLeast('calls', calls, count),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

const fullDisk: FaultTest = {
  name: 'F19',
  title: 'the disk of the local cloud is full',
  run: async (trial) => {
    const disk = path.join(trial.folder, 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', disk], { stdio: 'pipe' });
    } catch (error) {
      return {
        kind: 'skipped',
        why: `no small disk can be mounted here: ${messageOf(error).split('\n')[0]}`,
      };
    }
    trial.atEnd(() => void execFileSync('umount', [disk]));
    const lab = await trial.lab({ visibilitySeconds: 3, stateFolder: path.join(disk, 'state') });
    const [web, worker] = await Promise.all([lab.startWeb(), lab.startWorker()]);
    const url = await urlOf(web);
    const cloud = lab.cloud();
    const load = startLoad({ urls: () => [url], photos: trial.photos, concurrency: 4 });
    await load.reaches(20);
    const filler = path.join(disk, 'filler');
    // In the file system's own blocks, so that nothing at all is left.
    const { bavail, bsize } = statfsSync(disk);
    await writeFile(filler, Buffer.alloc(bavail * bsize)).catch(() => {});
    const fullAtMs = performance.now();
    const healthOf = async () => (await fetch(new URL('/healthz', url))).status;
    const unhealthy = await becomesTrue(async () => (await healthOf()) === 503, 20_000);
    await delay(trial.pick(1_000, 30_000));
    const unhealthyStill = (await healthOf()) === 503;
    await rm(filler);
    const freedAtMs = performance.now();
    const during = load.operations.filter(({ end }) => end.atMs > fullAtMs + 500);
    const refused = during.filter(({ end }) => end.kind === 'fail').length;
    const healthy = await becomesTrue(async () => (await healthOf()) === 200, 20_000);
    const resumed = await becomesTrue(
      () => load.operations.some(({ end }) => end.kind === 'ok' && end.atMs > freedAtMs),
      20_000,
    );
    await delay(1_000);
    load.stop();
    await load.done;
    return conclude(lab, load.operations, freedAtMs, async () => [
      isTrue(
        'nothing exits',
        [cloud, web, worker].every((part) => part.isRunning()),
      ),
      isTrue('unhealthy while the cloud cannot store', unhealthy && unhealthyStill),
      atLeast('refused meanwhile', refused, 1),
      isTrue('healthy again when there is room', healthy),
      isTrue('goes on when there is room again', resumed),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

const soak: FaultTest = {
  name: 'F20',
  title: 'soak: memory, files and answers of a long run',
  nightly: true,
  alone: true,
  run: async (trial) => {
    const warmUp = trial.pick(200, 2_000);
    const count = warmUp + trial.pick(2_000, 20_000);
    const lab = await trial.lab({ visibilitySeconds: 10 });
    const [web, worker] = await Promise.all([
      lab.startWeb(),
      lab.startWorker({ args: ['--classifiers', '2'] }),
    ]);
    const url = await urlOf(web);
    const watched = [
      ['web', web.pid],
      ['worker', worker.pid],
      ...worker.children().map((pid, index) => [`classifier ${index + 1}`, pid] as const),
    ] as const;
    const load = startLoad({ urls: () => [url], photos: trial.photos, count, concurrency: 16 });
    if (trial.minutes !== undefined) void delay(trial.minutes * 60_000).then(load.stop);
    let over = false;
    void load.done.then(() => {
      over = true;
    });
    await load.reaches(warmUp);
    const memory = watched.map((): [number, number][] => []);
    const files = watched.map((): number[] => []);
    const lags: number[] = [];
    while (!over) {
      const done = load.operations.length;
      watched.forEach(([, pid], index) => void memory[index]?.push([done, residentMb(pid) * 1_024]));
      watched.forEach(([, pid], index) => void files[index]?.push(openFiles(pid)));
      const startedAtMs = performance.now();
      await (await fetch(new URL('/healthz', url))).arrayBuffer();
      lags.push(performance.now() - startedAtMs);
      await delay(500);
    }
    /** Connections come and go: the middle of a quarter's samples, at the end less at the start. */
    const growth = (samples: readonly number[]): number => {
      const middle = (part: readonly number[]) => percentile(part, 0.5);
      const part = Math.floor(samples.length / 4);
      return middle(samples.slice(-part)) - middle(samples.slice(0, part));
    };
    const quarter = Math.floor(lags.length / 4);
    const early = percentile(lags.slice(0, quarter), 0.99);
    const late = percentile(lags.slice(-quarter), 0.99);
    const checks = watched.flatMap(([name], index): Check[] => [
      atMost(`KB a job of ${name}`, slope(memory[index] ?? []), 1),
      atMost(`files more of ${name}`, growth(files[index] ?? []), 5),
    ]);
    watched.forEach(([name], index) => {
      const [first, last] = [memory[index]?.[0]?.[1], memory[index]?.at(-1)?.[1]];
      trial.say(
        `${name}: ${((first ?? 0) / 1_024).toFixed(0)} MB, then ${((last ?? 0) / 1_024).toFixed(0)} MB`,
      );
    });
    return conclude(lab, load.operations, undefined, async () => [
      ...checks,
      atMost('p99 of health at the end against the start, ms more', late - early, 50),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

export const machineTests: readonly FaultTest[] = [wrongClocks, fullDisk, soak];
