import { Agent, createServer, request as forward, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** One call to the cloud, as it passes by. */
export interface Call {
  /** `sqs:ReceiveMessage`, `s3:PutObject`, ... */
  readonly operation: string;
  readonly service: 'sqs' | 's3' | 'other';
  /** Of an object, without the bucket; '' for everything else. */
  readonly key: string;
  readonly body: Buffer;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface TapHooks {
  /** Before a call reaches the cloud; an answer is given in the cloud's place, `drop` breaks the connection. */
  readonly onCall?: (call: Call) => Promise<Answered | 'drop' | undefined> | Answered | 'drop' | undefined;
  /**
   * After the cloud has answered, before the caller has. `drop` breaks the connection: done, and nobody knows. An answer takes
   * the place of the cloud's.
   */
  readonly onAnswer?: (
    call: Call,
    answered: Answered,
  ) => Promise<Answered | 'drop' | undefined> | Answered | 'drop' | undefined;
}

/** Stands between a process and the cloud, sees every call, and can act at an exact step. */
export interface Tap {
  readonly endpoint: string;
  /** Calls that the cloud answered, by operation. */
  readonly calls: ReadonlyMap<string, number>;
  /** How often each object was read with success. */
  readonly reads: ReadonlyMap<string, number>;
  /** How often each object was written with success. */
  readonly writes: ReadonlyMap<string, number>;
  hook(hooks: TapHooks): void;
  close(): Promise<void>;
}

const s3Operation = (method: string, key: string, query: string): string => {
  if (key === '') return `s3:${method}Bucket${query.includes('list-type') ? 'List' : ''}`;
  return `s3:${({ GET: 'Get', PUT: 'Put', HEAD: 'Head', DELETE: 'Delete' } as Record<string, string>)[method] ?? method}Object`;
};

const describe = (method: string, url: string, headers: IncomingHttpHeaders, body: Buffer): Call => {
  const target = headers['x-amz-target'];
  if (typeof target === 'string' && target.startsWith('AmazonSQS.'))
    return { operation: `sqs:${target.slice('AmazonSQS.'.length)}`, service: 'sqs', key: '', body };
  if (target !== undefined || headers['content-type']?.startsWith('application/x-www-form-urlencoded'))
    return { operation: 'other', service: 'other', key: '', body };
  const { pathname, search } = new URL(url, 'http://cloud');
  const [, , ...rest] = pathname.split('/');
  const key = decodeURIComponent(rest.join('/'));
  return { operation: s3Operation(method, key, search), service: 's3', key, body };
};

const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);

/** Opens a tap on a free loopback port. Signatures survive it: the Host header that was signed is passed on. */
export const openTap = async (target: () => string, first: TapHooks = {}): Promise<Tap> => {
  let hooks = first;
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const calls = new Map<string, number>();
  const reads = new Map<string, number>();
  const writes = new Map<string, number>();
  const sockets = new Set<Socket>();

  const pass = (method: string, url: string, headers: IncomingHttpHeaders, body: Buffer): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(target());
      const passed = forward({ hostname, port, method, path: url, headers, agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        );
      });
      passed.on('error', reject);
      passed.end(body);
    });

  const server = createServer((request, response) => {
    const { method = 'GET', url = '/', headers } = request;
    const chunks: Buffer[] = [];
    const handle = async () => {
      const call = describe(method, url, headers, Buffer.concat(chunks));
      const instead = await hooks.onCall?.(call);
      if (instead === 'drop') return void request.socket.destroy();
      const answered = instead ?? (await pass(method, url, headers, call.body));
      if (instead === undefined) {
        count(calls, call.operation);
        if (answered.status === 200 && call.operation === 's3:GetObject') count(reads, call.key);
        if (answered.status === 200 && call.operation === 's3:PutObject') count(writes, call.key);
      }
      const changed = await hooks.onAnswer?.(call, answered);
      if (changed === 'drop') return void request.socket.destroy();
      if (response.destroyed) return;
      const { status, headers: its, body } = changed ?? answered;
      const { 'transfer-encoding': _chunked, connection: _connection, ...kept } = its;
      response.writeHead(status, kept);
      response.end(method === 'HEAD' ? undefined : body);
    };
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', () => {
      handle().catch(() => request.socket.destroy());
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    calls,
    reads,
    writes,
    hook: (next) => {
      hooks = next;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};
