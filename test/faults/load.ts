import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { messageOf } from '../../src/errors.ts';
import type { Answer, End, Operation } from './history.ts';
import { type Photo, sha256Of, withComment } from './photos.ts';

/** Clients that send images and write down what they sent and what became of it. */
export interface Load {
  /** Grows while the clients run. */
  readonly operations: readonly Operation[];
  /** Resolves when every client has stopped. */
  readonly done: Promise<void>;
  /** Resolves when so many operations have ended. */
  reaches(count: number): Promise<void>;
  /** Connections that broke before there was an answer. */
  broken(): number;
  /** No further operation is begun. */
  stop(): void;
}

export interface LoadOptions {
  /** Of the web processes, asked before each request: they come and go. */
  readonly urls: () => readonly string[];
  readonly photos: readonly Photo[];
  /** Operations; without it, until `stop`. */
  readonly count?: number;
  readonly concurrency: number;
  /** How long a client lets the server wait. */
  readonly waitSeconds?: number;
  /** The client sends its image again, under the same key, when the connection breaks or it is refused. */
  readonly sendsAgain?: boolean;
  /** Bytes that go out for a photograph; by default its own with a comment, so that no two are the same. */
  readonly bytesOf?: (photo: Photo, index: number) => Buffer;
}

/** A client that was refused comes back after this long: tests cannot wait for seconds that clients should. */
const refusedPauseMs = 200;

/** A client that sends again does so until somebody is there, but not for ever. */
const attempts = 20;

const shownResponse = (status: number, body: string): string => `HTTP ${status} ${body.slice(0, 200)}`;

const answerOf = (status: number, body: string): Answer | undefined => {
  if (status === 200) return { kind: 'label', label: (JSON.parse(body) as { readonly label: string }).label };
  if (status === 504) return body.includes('"Expired"') ? { kind: 'expired' } : undefined;
  return [400, 413, 415, 422, 500].includes(status)
    ? { kind: 'failed', why: shownResponse(status, body) }
    : undefined;
};

const endOf = (status: number, body: string): End => {
  const atMs = performance.now();
  const answer = answerOf(status, body);
  if (answer !== undefined) return { kind: 'ok', atMs, answer };
  const why = shownResponse(status, body);
  return status === 504 ? { kind: 'info', atMs, why } : { kind: 'fail', atMs, why };
};

/** Starts the clients. Each has one request under way at a time. */
export const startLoad = (options: LoadOptions): Load => {
  const { photos, concurrency, count = Number.POSITIVE_INFINITY, waitSeconds = 60 } = options;
  const operations: Operation[] = [];
  const pools = new Map<string, Pool>();
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  let begun = 0;
  let broken = 0;
  let stopped = false;

  const poolOf = (url: string): Pool => {
    const pool =
      pools.get(url) ??
      new Pool(url, { connections: concurrency, headersTimeout: waitSeconds * 1_000 + 15_000 });
    pools.set(url, pool);
    return pool;
  };

  const attempt = async (index: number, body: Buffer): Promise<Pick<Operation, 'id' | 'end'>> => {
    const urls = options.urls();
    const url = urls[index % urls.length];
    if (url === undefined)
      return { id: undefined, end: { kind: 'fail', atMs: performance.now(), why: 'nobody is there' } };
    try {
      const response = await poolOf(url).request({
        method: 'POST',
        path: '/v1/images',
        headers: {
          accept: 'application/json',
          'content-type': 'application/octet-stream',
          prefer: `wait=${waitSeconds}`,
          ...(options.sendsAgain ? { 'idempotency-key': `"${sha256Of(body)}"` } : {}),
        },
        body,
      });
      const id = response.headers['imgrec-id'];
      const text = await response.body.text();
      return { id: typeof id === 'string' ? id : undefined, end: endOf(response.statusCode, text) };
    } catch (error) {
      broken++;
      return { id: undefined, end: { kind: 'info', atMs: performance.now(), why: messageOf(error) } };
    }
  };

  const one = async (index: number): Promise<void> => {
    const photo = photos[index % photos.length];
    if (photo === undefined) throw new Error('there are no photographs');
    const body = options.bytesOf?.(photo, index) ?? withComment(photo.bytes, `operation ${index}`);
    const common = { sha256: sha256Of(body), invokedAtMs: performance.now(), expected: photo.expected };
    let outcome = await attempt(index, body);
    for (let again = 1; options.sendsAgain && again < attempts && outcome.end.kind !== 'ok'; again++) {
      await delay(refusedPauseMs);
      outcome = await attempt(index + again, body);
    }
    const operation: Operation = { ...common, ...outcome };
    operations.push(operation);
    for (const each of waiting) if (operations.length >= each.count) each.resolve();
    if (operation.end.kind !== 'ok') await delay(refusedPauseMs);
  };

  const client = async (): Promise<void> => {
    while (!stopped && begun < count) await one(begun++);
  };
  const done = Promise.all(Array.from({ length: concurrency }, client)).then(() => {
    for (const each of waiting) each.resolve();
    for (const pool of pools.values()) void pool.destroy();
  });
  return {
    operations,
    done,
    reaches: (wanted) =>
      operations.length >= wanted
        ? Promise.resolve()
        : new Promise((resolve) => void waiting.push({ count: wanted, resolve })),
    broken: () => broken,
    stop: () => {
      stopped = true;
    },
  };
};
