import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestCluster, type TestCluster } from '../../test/fixtures/cluster.ts';
import { systemClock } from '../clock.ts';
import { encode, imageKey, resultKey } from '../jobs/contract.ts';
import { newJobId } from '../jobs/id.ts';
import { loadModel, type Model } from '../model/model.ts';
import { type ClassifierPool, type ClassifyOptions, createClassifierPool } from '../model/pool.ts';
import { assetPath } from '../package.ts';
import { createGate, type Gate } from './gate.ts';
import { runJob } from './job.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let own: TestCluster;
let model: Model;
let pool: ClassifierPool;
let cat: Buffer;

beforeAll(async () => {
  own = await startTestCluster();
  model = await loadModel();
  pool = createClassifierPool({
    model,
    classifiers: 1,
    jobTimeoutMs: 10_000,
    limits: { maxImageBytes: 10 * 2 ** 20, maxPixels: 50_000_000 },
  });
  cat = await readFile(assetPath('samples', 'cat.jpg'));
});
afterAll(async () => {
  await pool.close();
  await own.close();
});

/** One delivery of the cat, whose lease is lost when `loss` aborts. */
const openJob = async (receiveCount = 1) => {
  const { s3, names } = own.cluster;
  const id = newJobId();
  await s3.put(names.inputBucket, imageKey(id), cat, 'image/jpeg');
  const image = {
    key: imageKey(id),
    sha256: createHash('sha256').update(cat).digest('hex'),
    bytes: cat.length,
    type: 'image/jpeg',
  };
  const body = encode({ v: 1, id, image, name: 'cat.jpg', replyTo: 'test', topK: 1 });
  const loss = new AbortController();
  const delivery = { messageId: 'm', handle: 'h', body, receiveCount, ageMs: 0, receivedAtMs: 0 };
  const asked: ClassifyOptions[] = [];
  const replies: string[] = [];
  const options = {
    cluster: own.cluster,
    pool: {
      ...pool,
      classify: (bytes: Uint8Array, classify: ClassifyOptions) => {
        asked.push(classify);
        return pool.classify(bytes, classify);
      },
    },
    model,
    maxReceives: 3,
    worker: 'w',
    gate: createGate(1) as Gate,
    reply: async (_suffix: string, reply: string) => void replies.push(reply),
    onBusy: () => {},
    clock: systemClock,
    log,
  };
  return {
    id,
    options,
    lease: { delivery, lost: loss.signal },
    lose: () => loss.abort('lost'),
    asked,
    replies,
    stored: () => s3.get(names.outputBucket, resultKey(id), { deniedIsAbsent: true }),
  };
};

describe('a job whose lease is lost', () => {
  test('before it is classified stops there', async () => {
    const job = await openJob();
    const gate: Gate = {
      ...job.options.gate,
      enter: async () => {
        job.lose();
        return () => {};
      },
    };
    expect(await runJob({ ...job.options, gate }, job.lease)).toEqual({ kind: 'lost' });
    expect([job.asked.length, await job.stored(), job.replies.length]).toEqual([0, undefined, 0]);
  });

  test('while it is classified stores nothing', async () => {
    const job = await openJob();
    const classifying = {
      ...job.options.pool,
      classify: (bytes: Uint8Array, classify: ClassifyOptions) => {
        const outcome = pool.classify(bytes, classify);
        job.lose();
        return outcome;
      },
    };
    expect(await runJob({ ...job.options, pool: classifying }, job.lease)).toEqual({ kind: 'lost' });
    expect([await job.stored(), job.replies.length]).toEqual([undefined, 0]);
  });

  test('when its classification has just come stores nothing', async () => {
    const job = await openJob();
    const classifying = {
      ...job.options.pool,
      classify: async (bytes: Uint8Array, classify: ClassifyOptions) => {
        const outcome = await pool.classify(bytes, classify);
        job.lose();
        return outcome;
      },
    };
    expect(await runJob({ ...job.options, pool: classifying }, job.lease)).toEqual({ kind: 'lost' });
    expect([await job.stored(), job.replies.length]).toEqual([undefined, 0]);
  });

  test('while its result is stored does not reply', async () => {
    const job = await openJob();
    expect(await runJob(job.options, job.lease, job.lose)).toEqual({ kind: 'lost' });
    expect(await job.stored()).toBeDefined();
    expect(job.replies).toEqual([]);
  });
});

describe('a job that was delivered before', () => {
  test('is alone in its classifier, and one that was not is not', async () => {
    for (const [receiveCount, alone] of [
      [1, false],
      [2, true],
    ] as const) {
      const job = await openJob(receiveCount);
      expect(await runJob(job.options, job.lease)).toMatchObject({ kind: 'done', status: 'ok' });
      expect(job.asked).toMatchObject([{ alone }]);
    }
  });

  test('looks for its result first, and classifies nothing when there is one', async () => {
    const first = await openJob();
    await runJob(first.options, first.lease);
    const again = { ...first.lease, delivery: { ...first.lease.delivery, receiveCount: 2 } };
    expect(await runJob(first.options, again)).toMatchObject({ kind: 'done', status: 'ok' });
    expect(first.asked).toHaveLength(1);
    expect(first.replies).toHaveLength(2);
  });
});
