import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestCluster, type TestCluster } from '../../test/fixtures/cluster.ts';
import { systemClock } from '../clock.ts';
import { encode, imageKey, type JobResult, resultKey } from '../jobs/contract.ts';
import { jobIdOfKey } from '../jobs/id.ts';
import { createOnce } from './once.ts';

let own: TestCluster;
beforeAll(async () => {
  own = await startTestCluster();
});
afterAll(() => own.close());

const storeResult = async (id: string): Promise<JobResult> => {
  const result: JobResult = {
    v: 1,
    id,
    status: 'ok',
    label: 'cat',
    probability: 1,
    top: [],
    model: { name: 'm', sha256: 's' },
  };
  const { s3, names } = own.cluster;
  await s3.put(names.outputBucket, resultKey(id), encode(result), 'application/json');
  return result;
};

const imageOf = (key: string, text: string) => {
  const bytes = Buffer.from(text);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { id: jobIdOfKey(key, 'installation'), bytes, sha256, type: 'image/jpeg' };
};

/** One web process, and how often it queued something. */
const openProcess = (sleep = (ms: number): Promise<void> => systemClock.sleep(ms / 100)) => {
  let sent = 0;
  const once = createOnce({ cluster: own.cluster, clock: { ...systemClock, sleep } });
  return {
    accept: (image: ReturnType<typeof imageOf>) =>
      once.accept(image, async () => {
        sent++;
      }),
    sent: () => sent,
  };
};

describe('an image that its client sends again', () => {
  test('has the id of its key, and another in another installation', () => {
    expect(jobIdOfKey('k', 'a')).toBe(jobIdOfKey('k', 'a'));
    expect(new Set([jobIdOfKey('k', 'a'), jobIdOfKey('k', 'b'), jobIdOfKey('l', 'a')]).size).toBe(3);
    expect(jobIdOfKey('k', 'a')).toMatch(/^[a-z2-7]{26}$/);
  });

  test('is queued once, though it comes fifty times at once', async () => {
    const web = openProcess();
    const image = imageOf('fifty', 'image');
    const all = await Promise.all(Array.from({ length: 50 }, () => web.accept(image)));
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(['queued']));
    expect(web.sent()).toBe(1);
    expect(await own.cluster.s3.get(own.cluster.names.inputBucket, imageKey(image.id))).toEqual(image.bytes);
  });

  test('to another web process is answered with the result that there is', async () => {
    const image = imageOf('done', 'image');
    await openProcess().accept(image);
    const result = await storeResult(image.id);
    const other = openProcess();
    expect(await other.accept(image)).toEqual({ kind: 'done', result });
    expect(other.sent()).toBe(0);
  });

  test('to another web process while it is classified is answered with the result that comes', async () => {
    const image = imageOf('classified', 'image');
    await openProcess().accept(image);
    const pausesMs: number[] = [];
    let result: JobResult | undefined;
    const other = openProcess(async (ms) => {
      pausesMs.push(ms);
      if (pausesMs.length === 4) result = await storeResult(image.id);
    });
    expect(await other.accept(image)).toEqual({ kind: 'done', result });
    expect(pausesMs).toEqual([0, 500, 1_000, 1_500]);
    expect(other.sent()).toBe(0);
  });

  test('is queued again when there is no result: the first may have died before it did', async () => {
    const image = imageOf('died', 'image');
    const { s3, names } = own.cluster;
    await s3.put(names.inputBucket, imageKey(image.id), image.bytes, image.type);
    const other = openProcess();
    expect(await other.accept(image)).toEqual({ kind: 'queued' });
    expect(other.sent()).toBe(1);
  });

  test('is refused when the key came with another image, at the same time or before', async () => {
    const web = openProcess();
    const [one, two] = await Promise.all([
      web.accept(imageOf('two', 'image')),
      web.accept(imageOf('two', 'another')),
    ]);
    expect([one.kind, two.kind]).toEqual(['queued', 'another-image']);
    expect(await openProcess().accept(imageOf('two', 'another'))).toEqual({ kind: 'another-image' });
  });

  test('can be sent again when it was not accepted', async () => {
    const image = imageOf('down', 'image');
    await own.setFaults([{ operation: 's3:PutObject', fault: 'internal-error' }]);
    const web = openProcess();
    await expect(web.accept(image)).rejects.toMatchObject({ name: 'CloudError' });
    await own.setFaults([]);
    expect(await web.accept(image)).toEqual({ kind: 'queued' });
  });
});
