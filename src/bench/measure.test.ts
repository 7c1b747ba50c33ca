import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../clock.ts';
import { parseTruth } from '../image/truth.ts';
import { type BenchOptions, runBench } from './measure.ts';

interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** From 0, in the order of arrival. */
  readonly nth: number;
  readonly id: string;
  readonly image: string;
  answer(status: number, body?: string, headers?: Readonly<Record<string, string>>): void;
}

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

/** A base32 id as imgrec makes them: results of other ids are not read. */
const idOf = (nth: number): string =>
  String(nth)
    .padStart(26, 'a')
    .replaceAll(/[0189]/g, (digit) => 'wxyz'['0189'.indexOf(digit)] ?? '');

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
};

/** A web tier that does as `onImage` says; results are asked of `onResult`. */
const startServer = async (
  onImage: (arrival: Arrival) => void,
  onResult: (id: string, response: ServerResponse) => void = (_id, response) => response.writeHead(404).end(),
) => {
  let arrived = 0;
  const seen = { atOnce: 0, most: 0, images: [] as string[] };
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') return onResult(request.url?.split('/').at(-1) ?? '', response);
    seen.most = Math.max(seen.most, ++seen.atOnce);
    response.once('close', () => seen.atOnce--);
    const nth = arrived++;
    const image = /filename="([^"]*)"/.exec(await textOf(request))?.[1] ?? '';
    seen.images.push(image);
    const id = idOf(nth);
    const answer: Arrival['answer'] = (status, body = '', headers = {}) =>
      void response
        .writeHead(status, { 'content-type': 'text/plain', 'imgrec-id': id, ...headers })
        .end(body);
    onImage({ request, response, nth, id, image, answer });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  stops.push(stop);
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`http://127.0.0.1:${port}/`), seen, stop };
};

/** Real time, but sleeping is over at once and counts as slept. */
const leapingClock = (): Clock & { sleptMs(): number } => {
  let sleptMs = 0;
  return {
    monotonicMs: () => systemClock.monotonicMs() + sleptMs,
    wallMs: () => systemClock.wallMs(),
    sleep: async (ms) => {
      sleptMs += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
    sleptMs: () => sleptMs,
  };
};

const image = (name: string) => ({ name, mediaType: 'image/jpeg', bytes: Buffer.from([0xff, 0xd8, 0xff]) });

const images = [image('a.jpg'), image('b.jpg'), image('c.jpg')];

const truth = parseTruth('a,cat\nb,dog\n', 'truth.csv');

const run = (url: URL, more: Partial<BenchOptions> = {}) =>
  runBench({
    url,
    workload: { images, truth, minAccuracy: undefined },
    requests: 6,
    concurrency: 2,
    timeoutMs: 10_000,
    lostAfterMs: 60_000,
    signal: new AbortController().signal,
    clock: leapingClock(),
    ...more,
  });

const result = (id: string, status: 'ok' | 'failed' | 'expired', label: string | null) =>
  JSON.stringify({
    v: 1,
    id,
    status,
    label,
    probability: null,
    top: [],
    model: { name: 'm', sha256: 'x' },
    ...(status === 'failed' ? { error: { reason: 'image-undecodable', message: 'truncated' } } : {}),
  });

describe('bench', () => {
  it('judges every answer', async () => {
    const { url } = await startServer(({ image: name, answer }) =>
      answer(200, name === 'b.jpg' ? 'cow' : 'Cat\n'),
    );
    const { report, verdict, problems } = await run(url);
    expect(report).toMatchObject({ sent: 6, answered: 6, correct: 2, wrong: 2, unjudged: 2, accuracy: 0.5 });
    expect(report).toMatchObject({ refused: 0, failed: 0, lost: 0, duplicates: 0, late: 0 });
    expect(verdict.passed).toBe(true);
    expect(problems).toEqual([{ kind: 'wrong', reason: 'b.jpg is no "cow"', count: 2, image: 'b.jpg' }]);
  });

  it('sends the images in turn, from the first again after the last', async () => {
    const { url, seen } = await startServer(({ answer }) => answer(200, 'cat'));
    await run(url, { requests: 7, concurrency: 1 });
    expect(seen.images).toEqual(['a.jpg', 'b.jpg', 'c.jpg', 'a.jpg', 'b.jpg', 'c.jpg', 'a.jpg']);
  });

  it('posts to the path of its URL, as a form, asking for text', async () => {
    const requests: IncomingMessage[] = [];
    const { url } = await startServer(({ request, answer }) => {
      requests.push(request);
      answer(200, 'cat');
    });
    await run(new URL('v1/images?x=1', url), { requests: 1 });
    expect(requests[0]).toMatchObject({
      method: 'POST',
      url: '/v1/images?x=1',
      headers: {
        accept: 'text/plain',
        'content-type': expect.stringMatching(/^multipart\/form-data; boundary=/),
      },
    });
  });

  it('has exactly as many requests in flight as asked for', async () => {
    const waiting: Arrival[] = [];
    // Nobody is answered before all are there: with one less in flight this would never end.
    const { url, seen } = await startServer((arrival) => {
      if (waiting.push(arrival) === 25) for (const { answer } of waiting.splice(0)) answer(200, 'cat');
    });
    const { report } = await run(url, { requests: 100, concurrency: 25 });
    expect(report.answered).toBe(100);
    expect(seen.most).toBe(25);
  });

  it('counts refusals apart, and waits as long as they say', async () => {
    const clock = leapingClock();
    const { url } = await startServer(({ nth, answer }) => {
      if (nth === 1) answer(503, 'Unavailable', { 'retry-after': '3' });
      else if (nth === 2) answer(429);
      else answer(200, 'cat');
    });
    const { report, verdict } = await run(url, { clock, concurrency: 1 });
    expect(report).toMatchObject({ sent: 6, answered: 4, refused: 2, failed: 0, lost: 0 });
    expect(verdict.passed).toBe(true);
    expect(clock.sleptMs()).toBe(4_000);
  });

  it('counts as failed what brought neither label nor refusal', async () => {
    const { url } = await startServer(({ nth, answer, response }) => {
      if (nth === 0) answer(422, 'Undecodable image');
      else if (nth === 1) answer(500);
      else if (nth === 2) response.socket?.destroy();
      else if (nth === 3) response.writeHead(504).end('a load balancer has no ids');
      else if (nth === 4) answer(200, '');
      else answer(200, 'cat');
    });
    const { report, verdict, problems } = await run(url, { concurrency: 1 });
    expect(report).toMatchObject({ sent: 6, answered: 1, failed: 5, lost: 0 });
    expect(verdict).toMatchObject({ passed: false, invalid: undefined });
    expect(problems).toHaveLength(5);
  });

  it('gives up a server that stays silent', async () => {
    const { url } = await startServer(({ nth, answer }) => {
      if (nth > 0) answer(200, 'cat');
    });
    const { report } = await run(url, { requests: 2, timeoutMs: 200 });
    expect(report).toMatchObject({ sent: 2, answered: 1, failed: 1 });
  });

  it('finds the result of what was not answered in time, and of an answer that broke off', async () => {
    const asked = new Map<string, number>();
    const { url } = await startServer(
      ({ nth, answer, response, id }) => {
        if (nth === 0) answer(504, 'No answer in time');
        else if (nth === 1) {
          response.writeHead(200, { 'imgrec-id': id, 'content-length': '100' });
          response.write('do', () => response.socket?.destroy());
        } else answer(200, 'cat');
      },
      (id, response) => {
        const times = (asked.get(id) ?? 0) + 1;
        asked.set(id, times);
        // 404, then out of order, then there.
        if (times === 1) response.writeHead(404).end();
        else if (times === 2) response.writeHead(503).end();
        else response.writeHead(200).end(result(id, 'ok', id === idOf(0) ? 'cat' : 'dog'));
      },
    );
    const { report, verdict } = await run(url, { concurrency: 1, requests: 3 });
    expect(report).toMatchObject({ sent: 3, answered: 3, late: 2, correct: 2, failed: 0, lost: 0 });
    // Three rounds with two pauses of at least 500 ms between them, which count as latency.
    expect(report.latencyMs.max).toBeGreaterThan(1_000);
    expect(report.durationSeconds).toBeLessThan(1);
    expect(verdict.passed).toBe(true);
    expect([...asked.values()]).toEqual([3, 3]);
  });

  it('counts as lost what has no result 60 s later, and as failed what has failed', async () => {
    const clock = leapingClock();
    let lookUps = 0;
    const { url } = await startServer(
      ({ nth, answer }) => (nth < 3 ? answer(504) : answer(200, 'cat')),
      (id, response) => {
        if (id === idOf(0)) response.writeHead(200).end(result(id, 'failed', null));
        else if (id === idOf(1)) response.writeHead(200).end(result(id, 'expired', 'cat'));
        else {
          lookUps++;
          response.writeHead(202).end();
        }
      },
    );
    const { report, verdict, problems } = await run(url, { concurrency: 1, clock });
    expect(report).toMatchObject({ sent: 6, answered: 3, failed: 2, lost: 1, late: 0 });
    expect(verdict).toMatchObject({ passed: false, invalid: undefined });
    expect(problems.map(({ reason }) => reason)).toContain('result failed: truncated');
    expect(clock.sleptMs()).toBeGreaterThan(59_000);
    expect(clock.sleptMs()).toBeLessThan(61_000);
    expect(lookUps).toBeGreaterThan(10);
    expect(lookUps).toBeLessThan(60);
  });

  it('notices one id that answers two requests', async () => {
    const { url } = await startServer(({ nth, answer }) =>
      answer(200, 'cat', { 'imgrec-id': idOf(Math.floor(nth / 3)) }),
    );
    const { report, verdict } = await run(url);
    expect(report).toMatchObject({ sent: 6, answered: 6, duplicates: 2 });
    expect(verdict.passed).toBe(false);
  });

  it('notices no duplicates where a server gives no ids', async () => {
    const { url } = await startServer(({ response }) => response.end('cat'));
    expect((await run(url)).report).toMatchObject({ answered: 6, duplicates: 0 });
  });

  it('proves nothing when no server is there, and does not try for long', async () => {
    const { url, stop } = await startServer(() => {});
    await stop();
    const { report, verdict } = await run(url, { requests: 1_000_000 });
    expect(report.sent).toBeLessThanOrEqual(2);
    expect(verdict).toMatchObject({ passed: false, invalid: 'the server could not be reached' });
  });

  it('bears with a server that goes away, as long as a restart may take, and then stops', async () => {
    const clock = leapingClock();
    const { url, stop } = await startServer(({ nth, answer }) => {
      answer(200, 'cat', { connection: 'close' });
      if (nth === 2) void stop();
    });
    const { report, verdict } = await run(url, { requests: 1_000, concurrency: 1, clock });
    expect(report.answered).toBe(3);
    expect(report.failed).toBeLessThanOrEqual(31);
    expect(clock.sleptMs()).toBeGreaterThanOrEqual(29_000);
    expect(verdict.invalid).toBe('the server could not be reached');
  });

  it('sends nothing more after an interruption, breaks off what takes long, and reports the rest', async () => {
    const interrupt = new AbortController();
    const { url } = await startServer(({ nth, answer }) => {
      if (nth < 4) answer(200, 'cat');
      // The fifth and sixth are never answered.
      if (nth === 5) interrupt.abort();
    });
    const { report, verdict } = await run(url, { requests: 100, signal: interrupt.signal });
    expect(report).toMatchObject({ sent: 6, answered: 4, failed: 2 });
    expect(verdict).toMatchObject({ passed: false, invalid: 'the run was interrupted' });
  });

  it('sends nothing when it is interrupted before', async () => {
    const { url, seen } = await startServer(({ answer }) => answer(200, 'cat'));
    const { verdict } = await run(url, { signal: AbortSignal.abort() });
    expect(seen.images).toEqual([]);
    expect(verdict).toMatchObject({ passed: false, invalid: 'nothing was sent' });
  });

  it('says how far it is', async () => {
    const { url } = await startServer(({ answer }) => answer(200, 'cat'));
    const lines: string[] = [];
    await run(url, { onProgress: (line) => lines.push(line) });
    expect(lines[0]).toBe('1 of 6 requests');
  });
});
