import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answered } from '../../fixtures/forwarder.ts';
import { percentile } from '../history.ts';
import { becomesTrue, type Lab, urlOf } from '../lab.ts';
import { startLoad } from '../load.ts';
import { openTap } from '../tap.ts';
import {
  atLeast,
  atMost,
  conclude,
  deadLetters,
  equals,
  type FaultTest,
  isTrue,
  type Trial,
  timed,
} from '../trial.ts';

/** A cluster of one web process and two workers, which the local cloud troubles. */
const openCluster = async (trial: Trial, visibilitySeconds = trial.pick(3, 10)) => {
  const lab = await trial.lab({ visibilitySeconds });
  const tap = await openTap(lab.endpoint);
  trial.atEnd(tap.close);
  const [web] = await Promise.all([
    lab.startWeb(),
    lab.startWorker({ via: tap }),
    lab.startWorker({ via: tap }),
  ]);
  return { lab, tap, url: await urlOf(web) };
};

const allRun = (lab: Lab): boolean => lab.everStarted().every((part) => part.isRunning());

const most = (counts: ReadonlyMap<string, number>, prefix: string): number =>
  Math.max(0, ...[...counts].filter(([key]) => key.startsWith(prefix)).map(([, count]) => count));

/** Takes connections on a port and closes them. @returns how many there were */
const countConnections = async (port: number, forMs: number): Promise<number> => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await delay(forMs);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return connections;
};

/** Posts one image now and then for as long as `during` runs. */
const probe = async (trial: Trial, url: string, during: Promise<unknown>) => {
  const refusals: { readonly status: number; readonly tookMs: number; readonly retryAfter: string | null }[] =
    [];
  let over = false;
  void during.then(() => {
    over = true;
  });
  const [photo] = trial.photos;
  while (!over) {
    const startedAtMs = performance.now();
    const response = await fetch(new URL('/v1/images', url), {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', prefer: 'wait=1' },
      body: new Uint8Array(photo?.bytes ?? []),
    });
    await response.arrayBuffer();
    refusals.push({
      status: response.status,
      tookMs: performance.now() - startedAtMs,
      retryAfter: response.headers.get('retry-after'),
    });
    await delay(100);
  }
  return refusals;
};

/** When the first answer came after a moment, in ms from it. */
const firstAnswerAfterMs = (load: ReturnType<typeof startLoad>, sinceMs: number): number =>
  Math.min(
    ...load.operations
      .filter(({ end }) => end.kind === 'ok' && end.atMs > sinceMs)
      .map(({ end }) => end.atMs),
  ) - sinceMs;

/** A poll and a report in each of the two processes. */
const loops = 4;

const cloudDown: FaultTest = {
  name: 'F8',
  title: 'the cloud is down at the start, in mid-run and at the end',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 10 });
    const downMs = trial.pick(4_000, 30_000);
    const { port } = new URL(lab.endpoint());

    await lab.cloud().kill();
    const web = lab.launchWeb();
    const worker = lab.launchWorker();
    const connections = await countConnections(Number(port), downMs);
    const startOk = allRun(lab);
    await lab.startCloud();
    const upAtMs = performance.now();
    const [url] = await Promise.all([urlOf(web), worker.ready]);
    const startedMs = performance.now() - upAtMs;

    const load = startLoad({ urls: () => [url], photos: trial.photos, concurrency: 8 });
    await load.reaches(trial.pick(20, 200));
    await lab.cloud().kill();
    const refusals = await probe(trial, url, delay(downMs));
    await lab.startCloud();
    const againAtMs = performance.now();
    await becomesTrue(() => Number.isFinite(firstAnswerAfterMs(load, againAtMs)), 60_000);
    const resumedMs = firstAnswerAfterMs(load, againAtMs);
    const midOk = allRun(lab);
    await delay(1_000);

    await lab.cloud().kill();
    load.stop();
    for (const part of [worker, web]) part.signal('SIGTERM');
    const endings = await Promise.all([worker.ended, web.ended]);
    await load.done;
    await lab.startCloud();
    const lastAtMs = performance.now();
    await lab.startWorker();

    return conclude(lab, load.operations, lastAtMs, async () => [
      isTrue('nothing exits at the start', startOk),
      atMost('connections a second and loop', connections / (downMs / 1_000) / loops, 2),
      timed(trial, atMost('ready after ms', startedMs, 20_000)),
      isTrue('nothing exits in mid-run', midOk),
      isTrue('goes on afterwards', Number.isFinite(resumedMs)),
      timed(trial, atMost('resumed after ms', resumedMs, 5_000)),
      isTrue(
        `refusals are 503 with Retry-After (${refusals.length})`,
        refusals.length > 0 &&
          refusals.every(({ status, retryAfter }) => status === 503 && retryAfter !== null),
      ),
      timed(
        trial,
        atMost(
          'p99 of refusals, ms',
          percentile(
            refusals.map(({ tookMs }) => tookMs),
            0.99,
          ),
          1_000,
        ),
      ),
      isTrue(
        `both end by themselves (${endings.map(({ code, signal }) => code ?? signal).join(', ')})`,
        endings.every(({ code }) => code === 0),
      ),
    ]);
  },
};

/** A run is judged without its last tenth: what a fault has delayed there is not thinned out by other work. */
const steadyShare = 0.9;

/** Operations and calls of one phase of a load, by so many clients that they do not limit it. */
const phase = async (trial: Trial, lab: Lab, url: string, count: number) => {
  const before = await lab.calls();
  const startedAtMs = performance.now();
  const load = startLoad({ urls: () => [url], photos: trial.photos, count, concurrency: 96 });
  await load.done;
  const seconds = (performance.now() - startedAtMs) / 1_000;
  const after = await lab.calls();
  const calls = Object.entries(after)
    .filter(([name]) => name.startsWith('sqs:') && name !== 'sqs:GetQueueAttributes')
    .map(([name, times]) => [name.slice('sqs:'.length), times - (before[name] ?? 0)] as const);
  const answeredAtMs = load.operations.flatMap(({ end }) => (end.kind === 'ok' ? [end.atMs] : []));
  const steadyMs = percentile(answeredAtMs, steadyShare) - startedAtMs;
  const goodput = (answeredAtMs.length * steadyShare) / (steadyMs / 1_000);
  const callsPerSecond = calls.reduce((sum, [, times]) => sum + times, 0) / seconds;
  const each = calls.map(([name, times]) => `${name} ${(times / answeredAtMs.length).toFixed(2)}`);
  trial.say(`${goodput.toFixed(0)} images/s; SQS calls an image: ${each.join(', ')}`);
  return { load, goodput, callsPerSecond };
};

const sqsTrouble: FaultTest = {
  name: 'F9',
  alone: true,
  title: '20 % of SQS calls answer 500, 20 % RequestThrottled',
  run: async (trial) => {
    const { lab, url } = await openCluster(trial);
    const count = trial.pick(400, 3_000);
    await phase(trial, lab, url, 100);
    const calm = await phase(trial, lab, url, count);
    await lab.setFaults(
      [
        { operation: 'sqs:*', fault: 'internal-error', probability: 0.2 },
        { operation: 'sqs:*', fault: 'throttle', probability: 0.2 },
      ],
      trial.seed,
    );
    const troubled = await phase(trial, lab, url, count);
    await lab.setFaults([]);
    const endedAtMs = performance.now();
    const operations = [...calm.load.operations, ...troubled.load.operations];
    return conclude(lab, operations, endedAtMs, async () => [
      // By time, because that is what a service in trouble has to bear; batches are smaller, so an image takes more calls.
      timed(
        trial,
        atMost('SQS calls a second against calm', troubled.callsPerSecond / calm.callsPerSecond, 1.6),
      ),
      timed(trial, atLeast('goodput against calm', troubled.goodput / calm.goodput, 0.7)),
      isTrue('nothing exits', allRun(lab)),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

const doneAndDropped: FaultTest = {
  name: 'F10',
  title: '10 % of sends, puts and deletes are done and not answered',
  run: async (trial) => {
    const { lab, url } = await openCluster(trial);
    const operations = [
      'sqs:SendMessage',
      'sqs:SendMessageBatch',
      's3:PutObject',
      'sqs:DeleteMessage',
      'sqs:DeleteMessageBatch',
    ];
    await lab.setFaults(
      operations.map((operation) => ({ operation, fault: 'drop-response', probability: 0.1 })),
      trial.seed,
    );
    const { load } = await phase(trial, lab, url, trial.pick(200, 3_000));
    await lab.setFaults([]);
    const endedAtMs = performance.now();
    return conclude(lab, load.operations, endedAtMs, async () => [
      isTrue('nothing exits', allRun(lab)),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

const blackHole: FaultTest = {
  name: 'F11',
  title: 'SQS, then S3, take calls and never answer',
  run: async (trial) => {
    const { lab, url } = await openCluster(trial);
    const holeMs = trial.pick(5_000, 60_000);
    const load = startLoad({ urls: () => [url], photos: trial.photos, concurrency: 8, waitSeconds: 90 });
    await load.reaches(20);
    const lagsMs: number[] = [];
    const watched = new AbortController();
    const watching = (async () => {
      while (!watched.signal.aborted) {
        const startedAtMs = performance.now();
        await (await fetch(new URL('/healthz', url))).arrayBuffer();
        lagsMs.push(performance.now() - startedAtMs);
        await delay(50);
      }
    })();
    for (const operation of ['sqs:*', 's3:*']) {
      await lab.setFaults([{ operation, fault: 'black-hole' }], trial.seed);
      await delay(holeMs);
      await lab.setFaults([]);
      if (trial.size === 'full') await delay(30_000);
    }
    const endedAtMs = performance.now();
    watched.abort();
    await watching;
    const resumed = await becomesTrue(() => Number.isFinite(firstAnswerAfterMs(load, endedAtMs)), 60_000);
    await delay(2_000);
    load.stop();
    await load.done;
    const longestMs = Math.max(...load.operations.map(({ end, invokedAtMs }) => end.atMs - invokedAtMs));
    const refusedMs = load.operations
      .filter(({ end }) => end.kind === 'fail')
      .map(({ end, invokedAtMs }) => end.atMs - invokedAtMs);
    return conclude(lab, load.operations, endedAtMs, async () => [
      isTrue('nothing exits', allRun(lab)),
      isTrue('goes on afterwards', resumed),
      // A put and a send, or the client's own limit where its image was taken and the answer did not come.
      atMost('longest request, s', longestMs / 1_000, 92),
      atMost('longest refusal, s', Math.max(0, ...refusedMs) / 1_000, 32),
      timed(trial, atMost("p99 of the web tier's health, ms", percentile(lagsMs, 0.99), 100)),
    ]);
  },
};

/** One bit of an image changed on its way. */
const corrupted = ({ status, headers, body }: Answered): Answered => {
  const changed = Buffer.from(body);
  const middle = Math.floor(changed.length / 2);
  changed[middle] = (changed[middle] ?? 0) ^ 1;
  return { status, headers, body: changed };
};

const slowStore: FaultTest = {
  name: 'F12',
  title: 'S3: 30 % SlowDown, latency, cut-off and changed images',
  run: async (trial) => {
    const { lab, tap, url } = await openCluster(trial);
    let changed = 0;
    const seen = new Set<string>();
    tap.hook({
      onAnswer: ({ operation, key }, answered) => {
        if (operation !== 's3:GetObject' || !key.startsWith('images/') || answered.status !== 200)
          return undefined;
        // The first reading of every tenth image: three changed ones in a row would make it a corrupt image.
        if (seen.has(key) || seen.add(key).size % 10 !== 0) return undefined;
        changed++;
        return corrupted(answered);
      },
    });
    await lab.setFaults(
      [
        { operation: 's3:*', fault: 'latency', ms: trial.pick(100, 2_000) },
        { operation: 's3:GetObject', fault: 'slow-down', fromSeconds: 1, forSeconds: trial.pick(2, 10) },
        { operation: 's3:*', fault: 'slow-down', probability: 0.3 },
        { operation: 's3:GetObject', fault: 'truncate', probability: 0.1 },
      ],
      trial.seed,
    );
    const { load } = await phase(trial, lab, url, trial.pick(80, 300));
    await lab.setFaults([]);
    tap.hook({});
    const endedAtMs = performance.now();
    const detected = lab
      .everStarted()
      .reduce((sum, part) => sum + part.log().split('does not match its sha256').length - 1, 0);
    return conclude(lab, load.operations, endedAtMs, async () => [
      isTrue('nothing exits', allRun(lab)),
      atLeast('images changed on their way', changed, 1),
      equals('of those, detected', detected, changed),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

const duplicates: FaultTest = {
  name: 'F13',
  title: 'every message is delivered three times',
  run: async (trial) => {
    const { lab, tap, url } = await openCluster(trial, 3);
    const count = trial.pick(60, 1_000);
    await lab.setFaults([{ operation: 'sqs:*', fault: 'duplicate', copies: 2 }], trial.seed);
    const { load } = await phase(trial, lab, url, count);
    // Until the last copy has come and gone.
    await becomesTrue(async () => {
      const { visible, inFlight } = await lab.depth();
      return visible + inFlight === 0;
    }, 60_000);
    const readsOf = [...tap.reads].filter(([key]) => key.startsWith('images/'));
    const reads = readsOf.reduce((sum, [, times]) => sum + times, 0);
    const lookups = [...tap.reads].filter(([key]) => key.startsWith('results/')).length;
    return conclude(lab, load.operations, undefined, async () => [
      atMost('inferences an image', reads / count, 1.1),
      atLeast('images that came again', lookups, count),
      atMost('writes of one result', most(tap.writes, 'results/'), 1),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

export const cloudTests: readonly FaultTest[] = [
  cloudDown,
  sqsTrouble,
  doneAndDropped,
  blackHole,
  slowStore,
  duplicates,
];
