import { type Dispatcher, Pool } from 'undici';
import { messageOf } from '../errors.ts';
import type { Exchange } from './exchange.ts';
import type { Upload } from './multipart.ts';

/** An HTTP client of one web tier. It never sends anything twice by itself. */
export interface Sender {
  /** Posts one image; never rejects. */
  send(upload: Upload): Promise<Exchange>;
  /** Asks for the result of a job that was accepted earlier; never rejects. */
  result(id: string): Promise<Exchange>;
  /** Breaks off whatever is under way. */
  close(): Promise<void>;
}

export interface SenderOptions {
  readonly url: URL;
  /** Connections kept open, one a request in flight. */
  readonly connections: number;
  /** Longest silence of the server before a request is given up; more than the server's own limit, or its 504 is never seen. */
  readonly timeoutMs: number;
  /** What a web tier that asks for keys is sent with each request. */
  readonly apiKey?: string | undefined;
}

const connectTimeoutMs = 10_000;
const maxAnswerBytes = 1 << 20;

const unreachableCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

const codeOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? '';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const headerOf = (headers: Headers, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const retryAfterOf = (headers: Headers): number | undefined => {
  const value = headerOf(headers, 'retry-after');
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) : undefined;
};

/** Opens no connection yet. */
export const createSender = ({ url, connections, timeoutMs, apiKey }: SenderOptions): Sender => {
  const authorization = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const pool = new Pool(url.origin, {
    connections,
    pipelining: 1,
    connectTimeout: connectTimeoutMs,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: maxAnswerBytes,
  });

  // dispatch() and not request(): a stream object an answer costs more than all else that this process does.
  const exchange = (request: Dispatcher.DispatchOptions): Promise<Exchange> =>
    new Promise((resolve) => {
      const chunks: Buffer[] = [];
      let status: number | undefined;
      let headers: Headers = {};
      pool.dispatch(request, {
        // undici recognises handlers of this kind by it.
        onRequestStart: () => {},
        onResponseStart: (_controller, statusCode, received) => {
          // 1xx are not the answer.
          if (statusCode < 200) return;
          status = statusCode;
          headers = received;
        },
        onResponseData: (_controller, chunk) => {
          chunks.push(chunk);
        },
        onResponseEnd: () =>
          resolve({
            kind: 'response',
            status: status ?? 0,
            id: headerOf(headers, 'imgrec-id'),
            contentType: headerOf(headers, 'content-type') ?? '',
            retryAfterSeconds: retryAfterOf(headers),
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        onResponseError: (_controller, error) =>
          resolve({
            kind: 'broken',
            reason: messageOf(error) || codeOf(error) || 'connection broken',
            unreachable: unreachableCodes.has(codeOf(error)),
            status,
            id: headerOf(headers, 'imgrec-id'),
          }),
      });
    });

  return {
    send: ({ body, contentType }) =>
      exchange({
        method: 'POST',
        path: `${url.pathname}${url.search}`,
        headers: { ...authorization, accept: 'text/plain', 'content-type': contentType },
        body,
      }),
    result: (id) =>
      exchange({
        method: 'GET',
        path: `/v1/results/${encodeURIComponent(id)}`,
        headers: { ...authorization, accept: 'application/json' },
      }),
    close: () => pool.destroy(),
  };
};
