import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startTestCluster, type TestCluster } from '../../test/fixtures/cluster.ts';
import { startTestWeb, type TestWeb } from '../../test/fixtures/web.ts';
import { CloudError } from '../aws/errors.ts';
import type { Delivery } from '../aws/sqs.ts';
import { systemClock } from '../clock.ts';
import { settings } from '../config/settings.ts';
import {
  decodeRequest,
  encode,
  type JobRequest,
  type JobResult,
  maxInlineBytes,
  resultKey,
} from '../jobs/contract.ts';
import { assetPath } from '../package.ts';

const patience = { timeout: 20_000, interval: 20 };

let cat: Buffer;
beforeAll(async () => {
  cat = await readFile(assetPath('samples', 'cat.jpg'));
});

/** Plays the worker: answers each request with what `answer` says, until stopped. */
const startWorker = (
  { cluster: { sqs, s3, names } }: TestCluster,
  answer: (request: JobRequest) => Partial<JobResult> | undefined,
) => {
  const stop = new AbortController();
  const requests: JobRequest[] = [];
  const remover = sqs.remover(names.requests);
  const answerOne = async ({ body, handle }: Delivery) => {
    const decoded = decodeRequest(body);
    if (decoded.kind !== 'ok') throw new Error(decoded.kind);
    const request = decoded.value;
    requests.push(request);
    const change = answer(request);
    await remover.add(handle);
    if (change === undefined) return;
    const result: JobResult = {
      v: 1,
      id: request.id,
      status: 'ok',
      label: 'tabby cat',
      probability: 0.9,
      top: [{ label: 'tabby cat', probability: 0.9 }],
      model: { name: 'm', sha256: 's' },
      ...change,
    };
    await s3.putOnce(names.outputBucket, resultKey(request.id), encode(result), 'application/json');
    await sqs
      .sender(names.replies(request.replyTo))
      .add(encode({ v: 1, result }))
      .catch(() => undefined);
  };
  const work = async () => {
    while (!stop.signal.aborted) await Promise.all((await sqs.receive(names.requests, 10, 1)).map(answerOne));
  };
  const working = work();
  return {
    requests,
    stop: async () => {
      stop.abort();
      await working;
    },
  };
};

const form = (field: string, bytes: Uint8Array, name: string): FormData => {
  const data = new FormData();
  data.append(field, new Blob([bytes]), name);
  return data;
};

const formWithoutFile = (): FormData => {
  const data = new FormData();
  data.append('myfile', 'just text');
  return data;
};

describe('the web tier', () => {
  let own: TestCluster;
  let web: TestWeb;
  let worker: ReturnType<typeof startWorker>;
  let typical: Partial<JobResult> = {};

  beforeAll(async () => {
    own = await startTestCluster();
    web = await startTestWeb(own);
    worker = startWorker(own, (request) =>
      request.name === 'broken.jpg'
        ? { status: 'failed', label: null, error: { reason: 'image-undecodable', message: 'cut off' } }
        : request.name === 'typical.jpg'
          ? typical
          : {},
    );
  });
  afterAll(async () => {
    await worker.stop();
    await web.stop();
    await own.close();
  });

  test.each(['myfile', 'inputFile', 'image', 'anything'])(
    'answers a form whose file is called %s with the label alone',
    async (field) => {
      const answer = await fetch(web.url, { method: 'POST', body: form(field, cat, 'cat.jpg') });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('imgrec-id')).toMatch(/^[a-z2-7]{26}$/);
      expect(await answer.text()).toBe('tabby cat');
    },
  );

  test('answers and stored results are as large as a forecast reckons with', async () => {
    const labels: string[] = JSON.parse(
      await readFile(assetPath('models', 'efficientnet-lite0-int8', 'labels.json'), 'utf8'),
    );
    const mean = labels.reduce((sum, { length }) => sum + length, 0) / labels.length;
    const label = 'x'.repeat(Math.round(mean));
    const manifest = JSON.parse(
      await readFile(assetPath('models', 'efficientnet-lite0-int8', 'manifest.json'), 'utf8'),
    ) as { readonly name: string; readonly sha256: string };
    const top = [0.9123, 0.0123, 0.0101, 0.0052, 0.0031].map((probability) => ({ label, probability }));
    typical = { label, probability: 0.9123, top, model: { name: manifest.name, sha256: manifest.sha256 } };
    const { port } = new URL(web.url);
    const encoded = new Response(form('myfile', cat, 'typical.jpg'));
    const body = Buffer.from(await encoded.arrayBuffer());
    const answerBytes = await new Promise<number>((resolve, reject) => {
      const socket = connectTcp(Number(port), '127.0.0.1', () => {
        socket.write(
          `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${encoded.headers.get('content-type')}\r\nContent-Length: ${body.length}\r\n\r\n`,
        );
        socket.write(body);
      });
      socket.once('error', reject);
      socket.once('data', (answer) => {
        resolve(answer.length);
        socket.destroy();
      });
    });
    const { cluster } = own;
    const { id } = worker.requests.at(-1) ?? { id: '' };
    const stored = await cluster.s3.get(cluster.names.outputBucket, resultKey(id));
    // Ten bytes are the name of a label that is longer than most.
    expect(Math.abs(answerBytes - Number(settings.answerBytes.default))).toBeLessThanOrEqual(10);
    expect(Math.abs((stored?.length ?? 0) - Number(settings.resultBytes.default))).toBeLessThanOrEqual(10);
  });

  test('takes a file part without a Content-Type, as Python’s requests sends it', async () => {
    const boundary = 'xyz';
    const body = Buffer.concat([
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="myfile"; filename="cat.jpg"\r\n\r\n`,
      ),
      cat,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
    const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` };
    const answer = await fetch(web.url, { method: 'POST', body, headers });
    expect([answer.status, await answer.text()]).toEqual([200, 'tabby cat']);
  });

  test.each(['image/jpeg', 'application/octet-stream'])('takes a raw body of type %s', async (type) => {
    const answer = await fetch(`${web.url}/v1/images`, {
      method: 'POST',
      body: cat,
      headers: { 'content-type': type },
    });
    expect([answer.status, await answer.text()]).toEqual([200, 'tabby cat']);
  });

  test('answers JSON where it is asked for, and the result can be read again by its id', async () => {
    const answer = await fetch(web.url, {
      method: 'POST',
      body: form('myfile', cat, 'cat.jpg'),
      headers: { accept: 'application/json' },
    });
    const result = (await answer.json()) as JobResult;
    expect(result).toMatchObject({ status: 'ok', label: 'tabby cat', name: 'cat.jpg' });
    const again = await fetch(`${web.url}/v1/results/${result.id}`);
    expect(again.status).toBe(200);
    expect(await again.json()).toMatchObject({ id: result.id, label: 'tabby cat' });
  });

  test('stores the image under its id, whatever the file was called', async () => {
    const name = '../../etc/passwd"<script>.jpg';
    const answer = await fetch(web.url, { method: 'POST', body: form('myfile', cat, name) });
    const id = answer.headers.get('imgrec-id') ?? '';
    expect(answer.status).toBe(200);
    expect(await own.cluster.s3.get(own.cluster.names.inputBucket, `images/${id}`)).toEqual(cat);
  });

  test('a result that is not there is a 404, and so is a name that is no id', async () => {
    expect((await fetch(`${web.url}/v1/results/${'a'.repeat(26)}`)).status).toBe(404);
    expect((await fetch(`${web.url}/v1/results/..%2Finstall.json`)).status).toBe(404);
  });

  test.each([
    ['PUT', '/', 405, 'GET, POST'],
    ['DELETE', '/v1/images', 405, 'GET, POST'],
    ['POST', '/healthz', 405, 'GET'],
    ['GET', '/v1/nothing', 404, null],
  ])('%s %s is a %d', async (method, path, status, allow) => {
    const answer = await fetch(web.url + path, { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([status, allow]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(await answer.json()).toMatchObject({ status });
  });

  test.each(['/', '/v1/images'])('GET %s is a page with a form', async (path) => {
    const page = await (await fetch(web.url + path)).text();
    expect(page).toContain('Application Home Page');
    expect(page).toContain('enctype="multipart/form-data"');
    expect(page).not.toContain('<script');
  });

  test.each([
    ['text', 415, () => form('myfile', Buffer.from('hello'), 'a.jpg')],
    ['an empty file', 422, () => form('myfile', Buffer.alloc(0), 'a.jpg')],
    ['a JPEG header cut off', 422, () => form('myfile', cat.subarray(0, 20), 'a.jpg')],
    ['too many bytes', 413, () => form('myfile', Buffer.concat([cat, Buffer.alloc(200_000)]), 'a.jpg')],
    ['a form without a file', 400, formWithoutFile],
  ] as const)('%s is refused with %d before anything is stored', async (_what, status, make) => {
    const before = worker.requests.length;
    const answer = await fetch(web.url, { method: 'POST', body: make() });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('imgrec-id')).toMatch(/^[a-z2-7]{26}$/);
    expect(worker.requests.length).toBe(before);
  });

  test.each([
    ['a JSON body', 415, '{}', 'application/json'],
    ['a form that is no form', 400, 'hello', 'multipart/form-data'],
    ['a raw body that is too large', 413, Buffer.alloc(300_000), 'image/png'],
  ])('%s is refused with %d', async (_what, status, body, type) => {
    const answer = await fetch(web.url, { method: 'POST', body, headers: { 'content-type': type } });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('imgrec-id')).toMatch(/^[a-z2-7]{26}$/);
  });

  test('more than max-pixels is refused from the header alone', async () => {
    // IHDR of a PNG of 16,000 x 16,000 pixels (PNG specification, 11.2.2).
    const header = Buffer.from('89504e470d0a1a0a0000000d4948445200003e8000003e800802000000', 'hex');
    const answer = await fetch(web.url, { method: 'POST', body: form('myfile', header, 'bomb.png') });
    expect(answer.status).toBe(413);
  });

  test('what the worker cannot decode is a 422 with the reason', async () => {
    const answer = await fetch(web.url, { method: 'POST', body: form('myfile', cat, 'broken.jpg') });
    expect(answer.status).toBe(422);
    expect(await answer.text()).toContain('cut off');
  });

  test('a hundred at once are each answered once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const answer = await fetch(web.url, { method: 'POST', body: form('myfile', cat, 'cat.jpg') });
        await answer.text();
        return { status: answer.status, id: answer.headers.get('imgrec-id') };
      }),
    );
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(100);
  });

  test('when its reply queue has gone, it makes another and answers old waiters from the store', async () => {
    const { sqs, names } = own.cluster;
    const [queue] = await sqs.list(names.replyPrefix);
    await sqs.destroy(queue ?? '');
    const answer = await fetch(web.url, { method: 'POST', body: form('myfile', cat, 'cat.jpg') });
    expect([answer.status, await answer.text()]).toEqual([200, 'tabby cat']);
    const after = await sqs.list(names.replyPrefix);
    expect(after).toHaveLength(1);
    expect(after).not.toContain(queue);
  });
});

describe('a web tier in trouble', () => {
  let own: TestCluster;
  beforeAll(async () => {
    own = await startTestCluster();
  });

  test('answers 504 when no answer comes in time, and the result can be fetched when it does', async () => {
    const web = await startTestWeb(own, { waitSeconds: 0.3 });
    const answer = await fetch(web.url, { method: 'POST', body: form('myfile', cat, 'cat.jpg') });
    const id = answer.headers.get('imgrec-id') ?? '';
    expect(answer.status).toBe(504);
    expect((await fetch(`${web.url}/v1/results/${id}`)).status).toBe(404);
    const worker = startWorker(own, () => ({}));
    while ((await fetch(`${web.url}/v1/results/${id}`)).status !== 200) await systemClock.sleep(20);
    await worker.stop();
    await web.stop();
  });

  test('"Prefer: wait=N" shortens the wait', async () => {
    const web = await startTestWeb(own, { waitSeconds: 60 });
    const answer = await fetch(web.url, {
      method: 'POST',
      body: form('myfile', cat, 'cat.jpg'),
      headers: { prefer: 'respond-async, wait=1' },
    });
    expect(answer.status).toBe(504);
    await web.stop();
  });

  test('with an Idempotency-Key, equal requests are one job, at any web process, and get one answer', async () => {
    const webs = await Promise.all([startTestWeb(own), startTestWeb(own, { transport: 'inline' })]);
    const worker = startWorker(own, () => ({}));
    const post = async (web: TestWeb | undefined, key: string, bytes: Uint8Array = cat) => {
      const answer = await fetch(`${web?.url}/v1/images`, {
        method: 'POST',
        body: new Uint8Array(bytes),
        headers: { 'content-type': 'image/jpeg', 'idempotency-key': key },
      });
      return { status: answer.status, id: answer.headers.get('imgrec-id') ?? '', text: await answer.text() };
    };
    const [first, ...others] = await Promise.all(Array.from({ length: 10 }, () => post(webs[0], '"a-key"')));
    expect(first).toMatchObject({ status: 200, text: 'tabby cat' });
    expect(others).toEqual(others.map(() => first));
    expect(await post(webs[1], 'a-key')).toEqual(first);
    expect(worker.requests.filter(({ id }) => id === first?.id)).toHaveLength(1);
    expect(await post(webs[1], 'a-key', Buffer.concat([cat, cat]))).toMatchObject({
      status: 422,
      id: first?.id,
      text: expect.stringMatching(/another image/),
    });
    expect((await post(webs[0], 'another-key')).id).not.toBe(first?.id);
    expect(await post(webs[0], 'x'.repeat(256))).toMatchObject({ status: 400 });
    await worker.stop();
    await Promise.all(webs.map((web) => web.stop()));
  });

  test('with --transport inline, small images travel in the message and large ones through the bucket', async () => {
    const web = await startTestWeb(own, { transport: 'inline' });
    const worker = startWorker(own, () => ({}));
    // A JPEG may be followed by anything.
    const large = Buffer.concat([cat, Buffer.alloc(maxInlineBytes)]);
    for (const [bytes, way] of [
      [cat, 'inline'],
      [large, 'key'],
    ] as const) {
      const answer = await fetch(web.url, { method: 'POST', body: form('myfile', bytes, 'cat.jpg') });
      const id = answer.headers.get('imgrec-id') ?? '';
      expect(answer.status).toBe(200);
      const image = worker.requests.find((request) => request.id === id)?.image ?? {};
      expect(way in image).toBe(true);
      const stored = await own.cluster.s3.get(own.cluster.names.inputBucket, `images/${id}`, {
        deniedIsAbsent: true,
      });
      expect(stored).toEqual(way === 'key' ? bytes : undefined);
      if ('inline' in image) expect(Buffer.from(String(image.inline), 'base64')).toEqual(bytes);
    }
    await worker.stop();
    await web.stop();
  });

  describe('with --transport seed', () => {
    const seed = { responseQueue: 'responses', form: 'plain' } as const;
    let course: TestCluster['cluster'];
    beforeAll(async () => {
      const { sqs } = own.cluster;
      // As large as queues were before: many are still so.
      await sqs.create('requests', { MaximumMessageSize: '131072' }, {});
      await sqs.create('responses', { VisibilityTimeout: '1' }, {});
      course = { ...own.cluster, names: { ...own.cluster.names, requests: 'requests' } };
    });

    test('refuses an image that its queue does not take, and says the sizes', async () => {
      const web = await startTestWeb({ ...own, cluster: course }, { seed });
      const large = Buffer.concat([cat, Buffer.alloc(131_072)]);
      const answer = await fetch(web.url, { method: 'POST', body: form('myfile', large, 'cat.jpg') });
      expect(answer.status).toBe(413);
      const said = `${large.length} bytes make a message of \\d+, and queue requests takes 131072`;
      expect(await answer.text()).toMatch(new RegExp(said));
      const { s3, names } = own.cluster;
      expect(await s3.get(names.inputBucket, 'cat.jpg', { deniedIsAbsent: true })).toBeUndefined();
      await web.stop();
    });

    test('leaves a reply that nobody waits for to others, without receiving it again and again', async () => {
      const { sqs } = own.cluster;
      await sqs.send('responses', '(of somebody else.jpg, tabby)', {});
      const before = await own.calls();
      const web = await startTestWeb({ ...own, cluster: course }, { seed });
      const releases = async () =>
        ((await own.calls())['sqs:ChangeMessageVisibilityBatch'] ?? 0) -
        (before['sqs:ChangeMessageVisibilityBatch'] ?? 0);
      const released = vi.waitFor(async () => expect(await releases()).toBeGreaterThan(0), patience);
      await Promise.all([released, systemClock.sleep(1_500)]);
      expect(await releases()).toBeLessThanOrEqual(3);
      const left = await sqs.attributes('responses');
      expect(
        Number(left?.['ApproximateNumberOfMessages']) +
          Number(left?.['ApproximateNumberOfMessagesNotVisible']),
      ).toBe(1);
      await web.stop();
    });

    test('answers who waits although a reply that is not his cannot be released', async () => {
      const { sqs } = own.cluster;
      const receive: typeof sqs.receive = async (...args) => {
        const [first, ...others] = await sqs.receive(...args);
        if (first === undefined) return [];
        return [{ ...first, body: '(of somebody else.jpg, tabby)' }, first, ...others];
      };
      const release = async () => {
        throw new CloudError('release', 'InternalError', true, new Error('in trouble'));
      };
      const web = await startTestWeb(
        { ...own, cluster: { ...course, sqs: { ...sqs, receive, release } } },
        { seed },
      );
      const answer = fetch(web.url, { method: 'POST', body: form('myfile', cat, 'waits.jpg') });
      const [request] = await sqs.receive('requests', 1, 5);
      expect(request?.body).toMatch(/^waits.jpg,/);
      await sqs.send('responses', '(waits.jpg, tabby cat)', {});
      expect(await (await answer).text()).toBe('tabby cat');
      await web.stop();
    });

    test('says which queue or bucket is not there', async () => {
      const missing = { ...seed, responseQueue: 'nowhere' };
      await expect(startTestWeb({ ...own, cluster: course }, { seed: missing })).rejects.toMatchObject({
        message: 'queue nowhere does not exist',
        exitCode: 3,
      });
      const names = { ...course.names, outputBucket: 'no-such-bucket' };
      await expect(startTestWeb({ ...own, cluster: { ...course, names } }, { seed })).rejects.toMatchObject({
        message: expect.stringContaining('no-such-bucket'),
        exitCode: 3,
      });
    });
  });

  test('deletes its reply queue and its report when it stops', async () => {
    const web = await startTestWeb(own);
    const { sqs, s3, names } = own.cluster;
    expect(await sqs.list(names.replyPrefix)).toHaveLength(1);
    expect(await s3.list(names.opsBucket, 'web/')).toHaveLength(1);
    await web.stop();
    expect(await sqs.list(names.replyPrefix)).toEqual([]);
    expect(await s3.list(names.opsBucket, 'web/')).toEqual([]);
  });

  test('sweeps reply queues that have no report at its start, and no others', async () => {
    const { sqs, s3, names } = own.cluster;
    await sqs.create(names.replies('orphan'), {}, {});
    await sqs.create(names.replies('alive'), {}, {});
    await s3.put(names.opsBucket, 'web/alive.json', '{}', 'application/json');
    const web = await startTestWeb(own);
    while ((await sqs.list(names.replyPrefix)).includes(names.replies('orphan'))) await systemClock.sleep(10);
    expect(await sqs.list(names.replyPrefix)).toContain(names.replies('alive'));
    await web.stop();
  });

  test('a client that leaves leaves no waiter behind', async () => {
    const web = await startTestWeb(own);
    const { hostname, port } = new URL(web.url);
    const waiting = async () =>
      ((await (await fetch(`${web.url}/healthz`)).json()) as { waiting: number }).waiting;
    const leaving = httpRequest({
      hostname,
      port,
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
    });
    leaving.on('error', () => {});
    leaving.end(cat);
    while ((await waiting()) !== 1) await systemClock.sleep(5);
    leaving.destroy();
    while ((await waiting()) !== 0) await systemClock.sleep(5);
    await web.stop();
  });

  test('is unhealthy while the cloud does not store, and healthy again by itself', async () => {
    const web = await startTestWeb(own);
    const health = async () => {
      const answer = await fetch(`${web.url}/healthz`);
      return { code: answer.status, ...((await answer.json()) as object) };
    };
    expect(await health()).toEqual({ code: 200, status: 'ok', waiting: 0 });
    await own.setFaults([{ operation: 's3:PutObject', fault: 'internal-error' }]);
    const answer = await fetch(web.url, { method: 'POST', body: form('myfile', cat, 'cat.jpg') });
    expect(answer.status).toBe(503);
    expect(await health()).toMatchObject({
      code: 503,
      status: 'unhealthy',
      why: expect.stringMatching(/does not store/),
    });
    await own.setFaults([]);
    // No image is needed for it: a load balancer sends none.
    await vi.waitFor(async () => expect(await health()).toMatchObject({ code: 200 }), patience);
    await web.stop();
  });

  test('answers 503 with Retry-After while the cloud is down', async () => {
    const web = await startTestWeb(own);
    await own.close();
    const answer = await fetch(web.url, { method: 'POST', body: form('myfile', cat, 'cat.jpg') });
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    await web.stop();
  });
});
