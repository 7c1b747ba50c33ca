import { setTimeout as delay } from 'node:timers/promises';
import { startMetadataService } from '../../fixtures/metadata-service.ts';
import { becomesTrue, urlOf } from '../lab.ts';
import { startLoad } from '../load.ts';
import type { Part } from '../parts.ts';
import { openTap } from '../tap.ts';
import { atMost, conclude, deadLetters, equals, type FaultTest, isTrue, timed } from '../trial.ts';

const counts = (reads: ReadonlyMap<string, number>, prefix: string): number[] =>
  [...reads].filter(([key]) => key.startsWith(prefix)).map(([, count]) => count);

/** What a worker said last: its totals. */
const totalsOf = (worker: Part): Readonly<Record<string, number>> => {
  const [, json = '{}'] = /stopped: (\{.*\})/.exec(worker.log()) ?? [];
  return JSON.parse(json) as Record<string, number>;
};

const killWorkers: FaultTest = {
  name: 'F1',
  title: 'SIGKILL of a random worker of 3, each 2 s',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: trial.pick(3, 10) });
    const everyMs = trial.pick(1_000, 2_000);
    const killsForMs = trial.pick(10_000, 120_000);
    const web = await lab.startWeb();
    await Promise.all(Array.from({ length: 3 }, () => lab.startWorker()));
    const url = await urlOf(web);
    const load = startLoad({
      urls: () => [url],
      photos: trial.photos,
      count: trial.pick(300, 5_000),
      concurrency: trial.pick(32, 64),
    });
    let over = false;
    void load.done.then(() => {
      over = true;
    });
    let kills = 0;
    let lastKillAtMs = performance.now();
    for (const endsAtMs = lastKillAtMs + killsForMs; !over && performance.now() < endsAtMs; ) {
      await delay(everyMs);
      const workers = lab.workers();
      if (over || workers.length === 0) continue;
      await trial.random.pick(workers).kill();
      lastKillAtMs = performance.now();
      kills++;
      lab.launchWorker();
    }
    await load.done;
    return conclude(lab, load.operations, lastKillAtMs, async ({ recoverySeconds }) => [
      atMost('recovery_s', recoverySeconds, lab.visibilitySeconds + 15),
      isTrue(`workers were killed (${kills})`, kills >= 2),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

/** How many messages a worker holds depends on how long its images take: on a busy machine, no more than are started at once. */
const holdsMany = [
  { file: 'src/worker/prefetch.js', find: 'const least = 2;', replace: 'const least = 24;' },
  { file: 'src/worker/prefetch.js', find: 'const most = 12;', replace: 'const most = 24;' },
] as const;
/** A worker's classifier may have eight of them in its hands; the others it has not started. */
const inHands = 8;
const jobs = 20;

const drainWithPrefetched: FaultTest = {
  name: 'F4',
  title: 'SIGTERM of a worker that holds messages it has not started',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 30 });
    const tap = await openTap(lab.endpoint);
    trial.atEnd(tap.close);
    const web = await lab.startWeb();
    const worker = await lab.startWorker({
      via: tap,
      product: await trial.mutated(holdsMany),
      args: ['--job-timeout', '60'],
    });
    const url = await urlOf(web);
    const classifiers = worker.children();
    // A stopped classifier never ends its image: the worker fills up with messages that wait.
    for (const pid of classifiers) process.kill(pid, 'SIGSTOP');
    const load = startLoad({ urls: () => [url], photos: trial.photos, count: jobs, concurrency: jobs });
    await becomesTrue(async () => (await lab.depth()).inFlight > inHands, 10_000);
    const held = (await lab.depth()).inFlight;
    const termedAtMs = performance.now();
    worker.signal('SIGTERM');
    const visibleAgain = await becomesTrue(
      async () => (await lab.depth()).visible >= jobs - inHands,
      5_000,
      20,
    );
    const handedBackMs = performance.now() - termedAtMs;
    for (const pid of classifiers) process.kill(pid, 'SIGCONT');
    const { code } = await worker.ended;
    const endedMs = performance.now() - termedAtMs;
    await lab.startWorker({ via: tap });
    await load.done;
    const resultWrites = counts(tap.writes, 'results/');
    return conclude(lab, load.operations, termedAtMs, async ({ recoverySeconds }) => [
      isTrue(`messages were held (${held})`, held > inHands),
      isTrue('what was not started is visible again', visibleAgain),
      timed(trial, atMost('handed back after ms', handedBackMs, 2_000)),
      equals('exit code', code ?? -1, 0),
      atMost('ended after ms', endedMs, 30_000),
      equals(
        'results written',
        resultWrites.reduce((sum, n) => sum + n, 0),
        jobs,
      ),
      atMost('recovery_s', recoverySeconds, 15),
      equals('lost leases', totalsOf(worker)['lost'] ?? -1, 0),
    ]);
  },
};

const stoppedWorker: FaultTest = {
  name: 'F5',
  title: 'SIGSTOP of a worker for 3 times the visibility timeout, then SIGCONT',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: trial.pick(3, 10) });
    const tap = await openTap(lab.endpoint);
    trial.atEnd(tap.close);
    const web = await lab.startWeb();
    const url = await urlOf(web);
    const victim = await lab.startWorker({ via: tap });
    await lab.startWorker({ via: tap });
    const load = startLoad({
      urls: () => [url],
      photos: trial.photos,
      count: trial.pick(100, 1_000),
      concurrency: 16,
    });
    await load.reaches(20);
    // With the messages in its hands, at whatever step they are.
    const family = [victim.pid, ...victim.children()];
    for (const pid of family) process.kill(pid, 'SIGSTOP');
    await delay(lab.visibilitySeconds * 3_000);
    for (const pid of family) process.kill(pid, 'SIGCONT');
    const resumedAtMs = performance.now();
    await load.done;
    const early = load.operations.filter(({ invokedAtMs }) => invokedAtMs < resumedAtMs);
    const doneElsewhere = early.every(({ end }) => end.atMs < resumedAtMs + 1_000);
    await delay(2_000);
    return conclude(lab, load.operations, resumedAtMs, async () => [
      isTrue('what it held was done elsewhere meanwhile', doneElsewhere),
      atMost('writes of one result', Math.max(0, ...counts(tap.writes, 'results/')), 1),
      isTrue('the resumed worker goes on', victim.isRunning()),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

const slowInference: FaultTest = {
  name: 'F14',
  title: 'inference that takes 3 times the visibility timeout',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 3 });
    const tap = await openTap(lab.endpoint);
    trial.atEnd(tap.close);
    const url = await urlOf(await lab.startWeb());
    const worker = await lab.startWorker({ via: tap, args: ['--job-timeout', '60'] });
    const rounds = trial.pick(1, 4);
    const load = startLoad({ urls: () => [url], photos: trial.photos, count: 8 * rounds, concurrency: 8 });
    const bystander = lab.startWorker({ via: tap });
    for (let round = 0; round < rounds; round++) {
      await becomesTrue(async () => (await lab.depth()).inFlight > 0, 5_000, 20);
      const classifiers = worker.children();
      for (const pid of classifiers) process.kill(pid, 'SIGSTOP');
      await delay(lab.visibilitySeconds * 3_000);
      for (const pid of classifiers) process.kill(pid, 'SIGCONT');
      if (round < rounds - 1) await load.reaches(8 * (round + 1));
    }
    const endedAtMs = performance.now();
    await load.done;
    await bystander;
    worker.signal('SIGTERM');
    await worker.ended;
    return conclude(lab, load.operations, endedAtMs, async () => [
      equals('reads of one image, at most', Math.max(0, ...counts(tap.reads, 'images/')), 1),
      equals('lost leases', totalsOf(worker)['lost'] ?? -1, 0),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

const interruption = '/latest/meta-data/spot/instance-action';

const spotNotice: FaultTest = {
  name: 'F18',
  title: 'EC2 announces that it takes a Spot instance away, under load',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 10 });
    const documents = new Map<string, string>();
    const metadata = await startMetadataService(documents);
    trial.atEnd(metadata.close);
    const tap = await openTap(lab.endpoint);
    trial.atEnd(tap.close);
    let receivedAtMs = 0;
    tap.hook({
      onCall: ({ operation }) => {
        if (operation === 'sqs:ReceiveMessage') receivedAtMs = performance.now();
        return undefined;
      },
    });
    const url = await urlOf(await lab.startWeb());
    const [victim] = await Promise.all([
      lab.startWorker({ via: tap, environment: metadata.environment }),
      lab.startWorker(),
    ]);
    const load = startLoad({ urls: () => [url], photos: trial.photos, concurrency: 16 });
    await load.reaches(trial.pick(50, 500));
    documents.set(interruption, '{"action":"terminate","time":"2026-01-01T00:02:00Z"}');
    const noticeAtMs = performance.now();
    const { code } = await Promise.race([victim.ended, delay(110_000, { code: undefined })]);
    const drainedSeconds = (performance.now() - noticeAtMs) / 1_000;
    const receivedSeconds = (receivedAtMs - noticeAtMs) / 1_000;
    load.stop();
    await load.done;
    const reads = metadata.requests.filter(({ method }) => method === 'GET');
    return conclude(lab, load.operations, noticeAtMs, async () => [
      atMost('last receive, seconds after the notice', receivedSeconds, 6),
      atMost('drained, seconds after the notice', drainedSeconds, 110),
      equals('exit code', code ?? 'none', 0),
      isTrue(`it worked until then (${receivedSeconds.toFixed(1)} s)`, receivedAtMs > 0),
      isTrue(
        'the notice was read',
        reads.some(({ path }) => path === interruption),
      ),
      equals('reads without a token (version 1)', reads.filter(({ token }) => token === undefined).length, 0),
      equals('writes of one result, at most', Math.max(0, ...counts(tap.writes, 'results/')), 1),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

export const workerTests: readonly FaultTest[] = [
  killWorkers,
  drainWithPrefetched,
  stoppedWorker,
  slowInference,
  spotNotice,
];
