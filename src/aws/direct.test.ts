import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startTestCloud } from '../../test/fixtures/cluster.ts';
import type { Clock } from '../clock.ts';
import { type CallLimits, type Connection, longPollLimits } from './connection.ts';
import { createDirectCaller } from './direct.ts';
import { createS3, type S3 } from './s3.ts';
import { createS3Buckets } from './s3-buckets.ts';
import { createSqs, isMissingQueue, type Sqs } from './sqs.ts';
import { identify } from './sts.ts';

const endpoints = [
  { name: 'the local cloud', url: undefined },
  { name: 'moto', url: process.env['IMGREC_TEST_MOTO'] },
].filter(({ name, url }) => name !== 'moto' || url !== undefined);

const ways = [
  { way: 'through the SDK', direct: false },
  { way: 'directly', direct: true },
];

describe.each(endpoints.flatMap((endpoint) => ways.map((way) => ({ ...endpoint, ...way }))))(
  '$name, $way',
  ({ url, direct }) => {
    const bucket = `t${Date.now().toString(36)}-${direct}`;
    const queue = `${bucket}-queue`;
    let s3: S3;
    let sqs: Sqs;
    let close = async () => {};

    beforeAll(async () => {
      const cloud = url === undefined ? await startTestCloud() : undefined;
      const connection: Connection = cloud?.connection ?? {
        cluster: 'test',
        region: 'us-east-1',
        endpoint: url,
        credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
        pathStyle: true,
        mayBeOnEc2: false,
      };
      const identity = await identify(connection);
      const buckets = createS3Buckets(connection, identity.account, identity.region);
      await buckets.create(bucket);
      buckets.close();
      s3 = createS3(connection, identity.account, { direct });
      sqs = createSqs(connection, identity, { direct });
      await sqs.create(queue, {}, {});
      // The SDK shows the way with the first call to a bucket.
      await s3.put(bucket, 'first', 'x', 'text/plain');
      close = async () => {
        s3.close();
        sqs.close();
        await cloud?.close();
      };
    });
    afterAll(() => close());

    test.each(['plain', 'a/b.json', 'with space + plus %25', 'ünïcödé/日本', "quotes'()*!~"])(
      'an object called %s comes back as it went',
      async (key) => {
        const body = Buffer.from([0, 255, 13, 10, 128]);
        await s3.put(bucket, key, body, 'application/octet-stream');
        expect(await s3.get(bucket, key)).toEqual(body);
        expect((await s3.list(bucket, key)).map((object) => object.key)).toEqual([key]);
      },
    );

    test('an empty object is not an absent one', async () => {
      await s3.put(bucket, 'empty', '', 'text/plain');
      expect(await s3.get(bucket, 'empty')).toEqual(Buffer.alloc(0));
      expect(await s3.get(bucket, 'absent')).toBeUndefined();
    });

    test('the first of two conditional writes wins', async () => {
      expect(await s3.putOnce(bucket, 'once', 'first', 'text/plain')).toBe('written');
      expect(await s3.putOnce(bucket, 'once', 'second', 'text/plain')).toBe('exists');
      expect(String(await s3.get(bucket, 'once'))).toBe('first');
    });

    test('a bucket that does not exist is an error of the cloud, not an absent object', async () => {
      await expect(s3.get(`${bucket}-none`, 'key')).rejects.toMatchObject({
        exitCode: 3,
        code: 'NoSuchBucket',
      });
      await expect(s3.put(`${bucket}-none`, 'key', 'x', 'text/plain')).rejects.toMatchObject({
        code: 'NoSuchBucket',
      });
    });

    test('messages are sent one by one and in batches, received with their age, and deleted', async () => {
      const sender = sqs.sender(queue, () => 5);
      await sender.add('alone');
      await Promise.all(Array.from({ length: 12 }, (_, index) => sender.add(`m${index} "é"`)));
      const bodies: string[] = [];
      const remover = sqs.remover(queue);
      while (bodies.length < 13) {
        const deliveries = await sqs.receive(queue, 10, 2);
        for (const { body, receiveCount, ageMs } of deliveries) {
          bodies.push(body);
          expect(receiveCount).toBe(1);
          expect(ageMs).toBeGreaterThanOrEqual(0);
          expect(ageMs).toBeLessThan(60_000);
        }
        await Promise.all(deliveries.map(({ handle }) => remover.add(handle)));
      }
      expect(bodies.sort()).toEqual(
        ['alone', ...Array.from({ length: 12 }, (_, index) => `m${index} "é"`)].sort(),
      );
      expect(await sqs.receive(queue, 10, 0)).toEqual([]);
    });

    test('a queue that does not exist is told by its code', async () => {
      const error = await sqs
        .sender(`${queue}-none`)
        .add('x')
        .catch((thrown: unknown) => thrown);
      expect(isMissingQueue(error)).toBe(true);
      await expect(sqs.receive(`${queue}-none`, 1, 0).catch(isMissingQueue)).resolves.toBe(true);
    });
  },
);

describe('a direct call', () => {
  const servers: (() => void)[] = [];
  afterEach(() => {
    for (const close of servers.splice(0)) close();
  });

  const serve = async (
    answer: (request: IncomingMessage, response: ServerResponse, call: number) => void,
  ) => {
    let calls = 0;
    const server = createServer((request, response) => {
      request.resume();
      request.on('end', () => answer(request, response, ++calls));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls: () => calls };
  };

  const impatient: Clock = {
    monotonicMs: () => performance.now(),
    wallMs: () => Date.parse('2026-01-01T00:00:00Z'),
    sleep: async () => {},
  };

  const callerFor = (origin: string, given: Partial<CallLimits> = {}) => {
    const caller = createDirectCaller({
      service: 's3',
      limits: { requestTimeoutMs: 5_000, maxAttempts: 3, ...given },
      credentials: async () => ({ accessKeyId: 'a', secretAccessKey: 'b' }),
      region: async () => 'us-east-1',
      clock: impatient,
    });
    caller.learn('bucket', { origin, basePath: '/bucket' });
    servers.push(() => caller.close());
    return caller;
  };
  const get = { method: 'GET', path: '/key', headers: {} } as const;

  test('without a known way is left to the SDK', async () => {
    const { origin } = await serve((_request, response) => response.end());
    expect(await callerFor(origin).call('other', get)).toBeUndefined();
  });

  test('that is redirected is left to the SDK from then on', async () => {
    const { origin, calls } = await serve((_request, response) =>
      response.writeHead(307, { location: '/' }).end(),
    );
    const caller = callerFor(origin);
    expect(await caller.call('bucket', get)).toBeUndefined();
    expect(await caller.call('bucket', get)).toBeUndefined();
    expect(calls()).toBe(1);
  });

  test.each([
    ['500', 500, '<Error><Code>InternalError</Code></Error>'],
    ['503 SlowDown', 503, '<Error><Code>SlowDown</Code></Error>'],
    ['a throttle that is a 400', 400, '<Error><Code>RequestThrottled</Code></Error>'],
  ])('is tried again after %s', async (_what, status, body) => {
    const { origin, calls } = await serve((_request, response, call) => {
      if (call < 3) response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
      else response.end('done');
    });
    expect(String((await callerFor(origin).call('bucket', get))?.body)).toBe('done');
    expect(calls()).toBe(3);
  });

  test('gives up after three attempts and says what it got', async () => {
    const { origin, calls } = await serve((_request, response) =>
      response
        .writeHead(503, { 'content-type': 'application/xml' })
        .end('<Error><Code>SlowDown</Code></Error>'),
    );
    expect(await callerFor(origin).call('bucket', get)).toMatchObject({ status: 503, code: 'SlowDown' });
    expect(calls()).toBe(3);
  });

  test('is not tried again after a refusal that will stay one', async () => {
    const { origin, calls } = await serve((_request, response) =>
      response.writeHead(403, { date: 'Thu, 01 Jan 2026 00:00:00 GMT' }).end(),
    );
    expect(await callerFor(origin).call('bucket', get)).toMatchObject({ status: 403 });
    expect(calls()).toBe(1);
  });

  test('survives a connection that breaks, and rejects when they all do', async () => {
    const { origin } = await serve((request, response, call) => {
      if (call === 1) request.socket.destroy();
      else response.end('done');
    });
    expect(String((await callerFor(origin).call('bucket', get))?.body)).toBe('done');
    const broken = await serve((request) => request.socket.destroy());
    await expect(callerFor(broken.origin).call('bucket', get)).rejects.toThrow();
  });

  test('ends when the service falls silent', async () => {
    const { origin } = await serve(() => {});
    await expect(callerFor(origin, { requestTimeoutMs: 200 }).call('bucket', get)).rejects.toMatchObject({
      code: 'UND_ERR_HEADERS_TIMEOUT',
    });
  });

  test('gives up at its total limit, however many attempts are left', async () => {
    const silent = await serve(() => {});
    const caller = callerFor(silent.origin, {
      requestTimeoutMs: 800,
      maxAttempts: 10,
      totalTimeoutMs: 1_500,
    });
    const startedAtMs = performance.now();
    await expect(caller.call('bucket', get)).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
    expect(performance.now() - startedAtMs).toBeLessThan(5_000);
    expect(silent.calls()).toBeLessThan(4);
  });

  test('that is a long poll is tried again after an error, and not after silence', async () => {
    const failing = await serve((_request, response, call) => {
      if (call < 3) response.writeHead(500).end();
      else response.end('done');
    });
    expect(String((await callerFor(failing.origin, longPollLimits).call('bucket', get))?.body)).toBe('done');
    const silent = await serve(() => {});
    const poll = callerFor(silent.origin, { ...longPollLimits, requestTimeoutMs: 200 });
    await expect(poll.call('bucket', get)).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
    expect(silent.calls()).toBe(1);
  });

  test.each([
    ['three attempts', {}],
    ['one attempt', { maxAttempts: 1 }],
    ['a long poll', longPollLimits],
  ])('a clock that is wrong by an hour costs one extra attempt, once: %s', async (_what, limits) => {
    const dates: string[] = [];
    const { origin } = await serve((request, response) => {
      const signed = String(request.headers['x-amz-date']);
      dates.push(signed);
      response.setHeader('date', 'Thu, 01 Jan 2026 01:00:00 GMT');
      const right = signed.startsWith('20260101T01');
      response
        .writeHead(right ? 200 : 403)
        .end(right ? 'done' : '<Error><Code>RequestTimeTooSkewed</Code></Error>');
    });
    const caller = callerFor(origin, limits);
    expect(await caller.call('bucket', get)).toMatchObject({ status: 200 });
    expect(await caller.call('bucket', get)).toMatchObject({ status: 200 });
    expect(dates).toEqual(['20260101T000000Z', '20260101T010000Z', '20260101T010000Z']);
  });

  test('each of several that were signed with a wrong clock is tried again, not only the first to be refused', async () => {
    const held: (() => void)[] = [];
    const { origin, calls } = await serve((request, response, call) => {
      response.setHeader('date', 'Thu, 01 Jan 2026 01:00:00 GMT');
      const answer = () => {
        const right = String(request.headers['x-amz-date']).startsWith('20260101T01');
        response.writeHead(right ? 200 : 403).end();
      };
      if (call > 5) answer();
      else if (held.push(answer) === 5) for (const release of held) release();
    });
    const caller = callerFor(origin);
    const answers = await Promise.all(Array.from({ length: 5 }, () => caller.call('bucket', get)));
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200, 200, 200, 200]);
    expect(calls()).toBe(10);
  });
});

describe.each(ways)('an object that a caller may not see, $way', ({ direct }) => {
  const answering = async (code: string) => {
    let isOpen = true;
    const server = createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        if (isOpen) response.end('there');
        else
          response
            .writeHead(403, { 'content-type': 'application/xml' })
            .end(
              `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>no</Message></Error>`,
            );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const s3 = createS3(
      {
        cluster: 'test',
        region: 'us-east-1',
        endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
        pathStyle: true,
        mayBeOnEc2: false,
      },
      '123456789012',
      { direct },
    );
    onTestFinished(() => {
      s3.close();
      server.closeAllConnections();
      server.close();
    });
    // The SDK shows the way.
    await s3.get('bucket', 'key');
    isOpen = false;
    return s3.get('bucket', 'key', { deniedIsAbsent: true });
  };

  test('is taken for absent where the caller says so', async () => {
    expect(await answering('AccessDenied')).toBeUndefined();
  });

  test.each(['RequestTimeTooSkewed', 'SignatureDoesNotMatch', 'InvalidAccessKeyId'])(
    'is not absent because of a 403 that says %s',
    async (code) => {
      await expect(answering(code)).rejects.toMatchObject({ code });
    },
  );
});
