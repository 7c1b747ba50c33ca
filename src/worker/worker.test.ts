import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startTestCluster, type TestCluster } from '../../test/fixtures/cluster.ts';
import { finishesWithin, systemClock } from '../clock.ts';
import {
  decodeReply,
  encode,
  imageKey,
  type JobRequest,
  type JobResult,
  resultKey,
} from '../jobs/contract.ts';
import { newJobId } from '../jobs/id.ts';
import { defaultModelFolder, loadModel, type Model } from '../model/model.ts';
import { type ClassifierPool, createClassifierPool } from '../model/pool.ts';
import { assetPath } from '../package.ts';
import { fleetReport, fleetReportKey } from '../reports/reports.ts';
import type { WorkerTotals } from './conclude.ts';
import { runWorker } from './worker.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const replyTo = 'test';
const patience = { timeout: 20_000, interval: 5 };

let test_: TestCluster;
let model: Model;
let pool: ClassifierPool;
let cat: Buffer;

beforeAll(async () => {
  test_ = await startTestCluster();
  model = await loadModel(defaultModelFolder);
  pool = createClassifierPool({
    model,
    classifiers: 1,
    jobTimeoutMs: 10_000,
    limits: { maxImageBytes: 10 * 2 ** 20, maxPixels: 50_000_000 },
  });
  cat = await readFile(assetPath('samples', 'cat.jpg'));
  await test_.cluster.sqs.create(test_.cluster.names.replies(replyTo), {}, {});
});
afterAll(async () => {
  await pool.close();
  await test_.close();
});

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const storedImage = (bytes: Uint8Array, id = newJobId()) => ({
  key: imageKey(id),
  sha256: sha256(bytes),
  bytes: bytes.length,
  type: 'image/jpeg',
});

const requestFor = (bytes: Uint8Array, change: Partial<JobRequest> = {}): JobRequest => {
  const id = newJobId();
  return { v: 1, id, image: storedImage(bytes, id), name: 'cat.jpg', replyTo, topK: 2, ...change };
};

const store = ({ id }: JobRequest, bytes: Uint8Array) =>
  test_.cluster.s3.put(test_.cluster.names.inputBucket, imageKey(id), bytes, 'image/jpeg');

const queue = async (body: string) => {
  const { sqs, names } = test_.cluster;
  const sender = sqs.sender(names.requests);
  await sender.add(body);
};

/** Runs a worker until `done` resolves, then drains it. */
const workUntil = async (done: () => Promise<unknown>, maxReceives = 3): Promise<WorkerTotals> => {
  const stop = new AbortController();
  const totals = runWorker({
    cluster: test_.cluster,
    pool,
    model,
    name: 'worker-under-test',
    visibilitySeconds: 30,
    maxReceives,
    pollWaitSeconds: 1,
    reportIntervalSeconds: 20,
    jobTimeoutSeconds: 10,
    graceSeconds: 10,
    clock: systemClock,
    log,
    signal: stop.signal,
  });
  try {
    await Promise.race([done(), totals]);
  } finally {
    stop.abort();
  }
  return totals;
};

const nextReplies = async (count: number): Promise<JobResult[]> => {
  const { sqs, names } = test_.cluster;
  const results: JobResult[] = [];
  while (results.length < count) {
    const deliveries = await sqs.receive(names.replies(replyTo), 10, 5);
    if (deliveries.length === 0) throw new Error(`only ${results.length} of ${count} replies came`);
    for (const { body, handle } of deliveries) {
      const reply = decodeReply(body);
      if (reply.kind === 'ok') results.push(reply.value.result);
      await sqs.remover(names.replies(replyTo)).add(handle);
    }
  }
  return results;
};

const stored = async (id: string): Promise<JobResult | undefined> => {
  const body = await test_.cluster.s3.get(test_.cluster.names.outputBucket, resultKey(id));
  return body === undefined ? undefined : (JSON.parse(body.toString()) as JobResult);
};

const messagesIn = async (name: string) => {
  const attributes = await test_.cluster.sqs.attributes(name);
  return (
    Number(attributes?.['ApproximateNumberOfMessages']) +
    Number(attributes?.['ApproximateNumberOfMessagesNotVisible'])
  );
};

describe('a worker', () => {
  test('stores the result, replies with it, and deletes the request', async () => {
    const request = requestFor(cat);
    await store(request, cat);
    await queue(encode(request));
    let replies: JobResult[] = [];
    const totals = await workUntil(async () => {
      replies = await nextReplies(1);
    });
    expect(replies).toMatchObject([{ id: request.id, status: 'ok', label: 'Egyptian Mau' }]);
    expect(replies[0]?.top).toHaveLength(2);
    expect(await stored(request.id)).toEqual(replies[0]);
    expect(await messagesIn(test_.cluster.names.requests)).toBe(0);
    expect(totals).toMatchObject({ ok: 1 });
  });

  test('reports its state and figures to the fleet', async () => {
    const { s3, names } = test_.cluster;
    const report = async () =>
      fleetReport.parse(
        JSON.parse(String(await s3.get(names.opsBucket, fleetReportKey('worker-under-test')))),
      );
    const request = requestFor(cat);
    await store(request, cat);
    await queue(encode(request));
    await workUntil(async () => {
      await nextReplies(1);
      while ((await report()).state !== 'ready') await systemClock.sleep(5);
    });
    const last = await report();
    expect(last).toMatchObject({ state: 'stopped', imagesDone: 1, emptyReceivesWithBacklog: 0 });
    expect(last.busySeconds).toBeGreaterThan(0);
    expect(last.readyForSeconds).toBeGreaterThan(0);
  });

  test('counts empty receives from a queue that counts messages', async () => {
    const own = await startTestCluster();
    const { sqs, s3, names } = own.cluster;
    await sqs.sender(names.requests).add('{"v":2}');
    // The count that it gave while there was a message.
    await own.setFaults([{ operation: 'sqs:GetQueueAttributes', fault: 'stale' }]);
    await sqs.attributes(names.requests, ['ApproximateNumberOfMessages']);
    const [message] = await sqs.receive(names.requests, 1, 1);
    await sqs.remover(names.requests).add(message?.handle ?? '');
    const stop = new AbortController();
    const running = runWorker({
      cluster: own.cluster,
      pool,
      model,
      name: 'counting',
      visibilitySeconds: 30,
      maxReceives: 3,
      pollWaitSeconds: 1,
      reportIntervalSeconds: 20,
      jobTimeoutSeconds: 10,
      graceSeconds: 10,
      clock: systemClock,
      log: { ...log, warn: () => stop.abort() },
      signal: stop.signal,
    });
    await running;
    const report = await s3.get(names.opsBucket, fleetReportKey('counting'));
    expect(fleetReport.parse(JSON.parse(String(report)))).toMatchObject({ emptyReceivesWithBacklog: 1 });
    await own.close();
  });

  test('a copy of a request that was answered replies with the stored result and classifies nothing', async () => {
    const request = requestFor(cat);
    await store(request, cat);
    // What is stored wins, even over what this worker would say.
    const first: JobResult = {
      v: 1,
      id: request.id,
      status: 'ok',
      label: 'written first',
      probability: 1,
      top: [],
      model: { name: 'other', sha256: 'other' },
    };
    const { s3, names } = test_.cluster;
    await s3.put(names.outputBucket, resultKey(request.id), encode(first), 'application/json');
    await queue(encode(request));
    let replies: JobResult[] = [];
    await workUntil(async () => {
      replies = await nextReplies(1);
    });
    expect(replies).toEqual([first]);
    expect(await stored(request.id)).toEqual(first);
  });

  test.each([
    ['not an image', () => Buffer.from('hello'), 'image-unsupported'],
    ['a JPEG cut off in the middle', () => cat.subarray(0, 9_000), 'image-undecodable'],
  ])('%s is an answer, not a retry', async (_what, make, reason) => {
    const bytes = make();
    const request = requestFor(bytes);
    await store(request, bytes);
    await queue(encode(request));
    let replies: JobResult[] = [];
    const totals = await workUntil(async () => {
      replies = await nextReplies(1);
    });
    expect(replies).toMatchObject([{ id: request.id, status: 'failed', label: null, error: { reason } }]);
    expect(totals).toMatchObject({ failed: 1, deadLettered: 0 });
  });

  test('an image that travels in the message is classified like any other', async () => {
    const { key: _key, ...facts } = storedImage(cat);
    const request = requestFor(cat, { image: { ...facts, inline: cat.toString('base64') } });
    await queue(encode(request));
    let replies: JobResult[] = [];
    await workUntil(async () => {
      replies = await nextReplies(1);
    });
    expect(replies).toMatchObject([{ id: request.id, status: 'ok', label: 'Egyptian Mau' }]);
  });

  test('a missing image is the failed result image-gone', async () => {
    const request = requestFor(cat);
    await queue(encode(request));
    await workUntil(() => nextReplies(1));
    expect(await stored(request.id)).toMatchObject({ status: 'failed', error: { reason: 'image-gone' } });
  });

  test('an image that was changed on its way is read again later', async () => {
    const request = requestFor(cat);
    await store(request, await readFile(assetPath('samples', 'daisy.jpg')));
    const handedBack = async () => (await test_.calls())['sqs:ChangeMessageVisibilityBatch'] ?? 0;
    const before = await handedBack();
    await queue(encode(request));
    const totals = await workUntil(async () => {
      await vi.waitFor(async () => expect(await handedBack()).toBeGreaterThan(before), patience);
      await store(request, cat);
      await nextReplies(1);
    });
    expect(await stored(request.id)).toMatchObject({ status: 'ok', label: 'Egyptian Mau' });
    expect(totals).toMatchObject({ handedBack: 1, ok: 1 });
  });

  test('an image that is not the one that was sent is never classified', async () => {
    const request = requestFor(cat);
    await store(request, await readFile(assetPath('samples', 'daisy.jpg')));
    await queue(encode(request));
    await workUntil(() => nextReplies(1), 1);
    expect(await stored(request.id)).toMatchObject({ status: 'failed', error: { reason: 'image-corrupt' } });
  });

  test('a request older than its budget expires without being classified', async () => {
    const request = requestFor(cat, { budgetMs: 1 });
    await queue(encode(request));
    // The Date header counts in seconds, so an age may seem up to one second less than it is.
    await systemClock.sleep(1_100);
    const totals = await workUntil(() => nextReplies(1));
    expect(await stored(request.id)).toMatchObject({ status: 'expired', label: null });
    expect(totals).toMatchObject({ expired: 1 });
  });

  test('a malformed message goes to the dead letters at once, unchanged', async () => {
    const { sqs, names } = test_.cluster;
    const body = JSON.stringify({ ...requestFor(cat), replyTo: 'https://sqs.example.com/1/q' });
    await queue(body);
    let letters: readonly { body: string; receiveCount: number }[] = [];
    const totals = await workUntil(async () => {
      const found = await sqs.receive(names.deadLetters, 10, 10);
      letters = found;
      await Promise.all(found.map(({ handle }) => sqs.remover(names.deadLetters).add(handle)));
    });
    expect(letters).toMatchObject([{ body, receiveCount: 1 }]);
    expect(totals).toMatchObject({ deadLettered: 1 });
  });

  test('a message of a newer version is handed back, not judged', async () => {
    const { sqs, names } = test_.cluster;
    await queue(JSON.stringify({ v: 2, id: newJobId() }));
    const totals = await workUntil(() => systemClock.sleep(300));
    expect(totals).toMatchObject({ handedBack: 1, deadLettered: 0 });
    expect(await messagesIn(names.requests)).toBe(1);
    await sqs.destroy(names.requests);
  });

  test('without a request queue it says what to run', async () => {
    await expect(workUntil(() => systemClock.sleep(1_000))).rejects.toMatchObject({
      exitCode: 3,
      hint: 'run "imgrec provision" first',
    });
  });
});

describe('a worker whose classifiers no longer start', () => {
  let own: TestCluster;
  beforeAll(async () => {
    own = await startTestCluster();
  });
  afterAll(() => own.close());

  test('receives nothing more, hands back what it holds, and fails', async () => {
    const { sqs, s3, names } = own.cluster;
    // Pauses between starts are twenty times as short; a start itself may take as long as it does.
    const clock = {
      ...systemClock,
      sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms > 20_000 ? ms : ms / 20, signal),
    };
    const limits = { maxImageBytes: 10 * 2 ** 20, maxPixels: 50_000_000 };
    const breaking = createClassifierPool({ model, classifiers: 1, jobTimeoutMs: 60_000, limits, clock });
    await breaking.ready();
    const [classifier = 0] = breaking.pids();
    process.kill(classifier, 'SIGSTOP');
    const requests = Array.from({ length: 12 }, () => requestFor(cat));
    await Promise.all(requests.map(({ id }) => s3.put(names.inputBucket, imageKey(id), cat, 'image/jpeg')));
    const sender = sqs.sender(names.requests);
    await Promise.all(requests.map((request) => sender.add(encode(request))));
    const failing = expect(
      runWorker({
        cluster: own.cluster,
        pool: breaking,
        model,
        name: 'breaking',
        visibilitySeconds: 30,
        maxReceives: 3,
        pollWaitSeconds: 1,
        reportIntervalSeconds: 20,
        jobTimeoutSeconds: 60,
        graceSeconds: 10,
        clock: systemClock,
        log,
        signal: new AbortController().signal,
      }),
    ).rejects.toMatchObject({ message: expect.stringMatching(/does not start/), exitCode: 1 });
    await vi.waitFor(async () => {
      const found = await sqs.attributes(names.requests);
      expect(Number(found?.['ApproximateNumberOfMessagesNotVisible'])).toBeGreaterThan(0);
    }, patience);
    let over = false;
    const killing = (async () => {
      for (let last = 0; !over; await systemClock.sleep(2)) {
        const [pid = 0] = breaking.pids();
        if (pid !== 0 && pid !== last) process.kill(pid, 'SIGKILL');
        last = pid;
      }
    })();
    await failing;
    over = true;
    await killing;
    await breaking.close();

    const received: number[] = [];
    while (received.length < requests.length) {
      const deliveries = await sqs.receive(names.requests, 10, 5);
      if (deliveries.length === 0) break;
      received.push(...deliveries.map(({ receiveCount }) => receiveCount));
    }
    expect(received).toHaveLength(requests.length);
    // At most: once into the worker, once more before it knew, and this.
    expect(Math.max(...received)).toBeLessThanOrEqual(3);
  });
});

describe('a draining worker', () => {
  test('drains when EC2 says that the instance will be taken away', async () => {
    const spot = await startTestCluster();
    const totals = await runWorker({
      cluster: spot.cluster,
      pool,
      model,
      name: 'spot',
      visibilitySeconds: 30,
      maxReceives: 3,
      pollWaitSeconds: 1,
      reportIntervalSeconds: 20,
      jobTimeoutSeconds: 10,
      graceSeconds: 10,
      clock: systemClock,
      log,
      signal: new AbortController().signal,
      metadata: {
        read: async (path) => (path.endsWith('spot/instance-action') ? '{"action":"terminate"}' : undefined),
      },
    });
    expect(totals).toMatchObject({ ok: 0 });
    await spot.close();
  });

  let own: TestCluster;
  beforeAll(async () => {
    own = await startTestCluster();
  });
  afterAll(() => own.close());

  test('finishes what runs, hands back what has not started, and is done within the grace period', async () => {
    const { cluster } = own;
    const { sqs, s3, names } = cluster;
    const requests = Array.from({ length: 30 }, () => requestFor(cat));
    await Promise.all(requests.map(({ id }) => s3.put(names.inputBucket, imageKey(id), cat, 'image/jpeg')));
    const sender = sqs.sender(names.requests);
    await Promise.all(requests.map((request) => sender.add(encode(request))));
    const stop = new AbortController();
    const running = runWorker({
      cluster,
      pool,
      model,
      name: 'draining',
      visibilitySeconds: 30,
      maxReceives: 3,
      pollWaitSeconds: 1,
      reportIntervalSeconds: 20,
      jobTimeoutSeconds: 10,
      graceSeconds: 10,
      clock: systemClock,
      log,
      signal: stop.signal,
    });
    while ((await s3.list(names.outputBucket, 'results/')).length < 3) await systemClock.sleep(5);
    stop.abort();
    expect(await finishesWithin(running, 10_000, systemClock)).toBe(true);
    const totals = await running;
    const results = await s3.list(names.outputBucket, 'results/');
    expect(totals.ok).toBe(results.length);
    expect(totals.lost).toBe(0);
    // Nothing is left in flight: what was not done can be received at once.
    const attributes = await sqs.attributes(names.requests);
    expect(attributes?.['ApproximateNumberOfMessagesNotVisible']).toBe('0');
    expect(Number(attributes?.['ApproximateNumberOfMessages']) + results.length).toBe(30);
  });
});
