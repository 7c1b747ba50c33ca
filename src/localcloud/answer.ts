import type { IncomingHttpHeaders } from 'node:http';
import { bytesOf, type Chunks, joined } from './chunks.ts';

/** One authenticated request, as the protocol files see it. `path` and `query` are as they came on the wire. */
export interface Call {
  readonly method: string;
  readonly path: string;
  /** Without the question mark; '' when there is none. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly chunks: Chunks;
  /** The chunks joined. No getter: an object literal with one costs V8 a hidden class, which keeps the whole request alive. */
  readonly body: () => Buffer;
  /** Aborts when the client's connection closes; made on demand because few calls wait. */
  readonly signal: () => AbortSignal;
  /** How old the state is that a fault wants to be told, milliseconds. */
  readonly lagMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: Buffer | string | Chunks;
}

/** The body of an answer in one piece. */
export const wholeBody = (body: Answer['body']): Buffer =>
  typeof body === 'string' ? Buffer.from(body) : Buffer.isBuffer(body) ? body : joined(body);

export const bodyLength = (body: Answer['body']): number =>
  typeof body === 'string' ? Buffer.byteLength(body) : Buffer.isBuffer(body) ? body.length : bytesOf(body);

/** What a service answers instead of a result. `code` is AWS's name for the error. */
export class Refusal extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.status = status;
  }
}

/** One of the services: how it answers and how it words a refusal. */
export interface Service {
  readonly maxBodyBytes: number;
  readonly handle: (call: Call, requestId: string) => Answer | Promise<Answer>;
  readonly refuse: (refusal: Refusal, call: Pick<Call, 'method' | 'path'>, requestId: string) => Answer;
}

/** The value of a header that may come once; several values are joined as HTTP says. */
export const headerOf = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : value;
};
