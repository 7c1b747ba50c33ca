import { Agent, createServer, request as forward, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { operationOf } from '../../src/localcloud/operation.ts';
import { parseAuthorization } from '../../src/localcloud/sigv4.ts';

/** One call as it was sent. */
export interface Sent {
  /** `sqs:CreateQueue`, `s3:PutObject`, `ec2:RunInstances`. */
  readonly operation: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Of a JSON protocol (SQS, SSM). */
export const inputOf = ({ body }: Sent): Readonly<Record<string, unknown>> =>
  body === '' ? {} : (JSON.parse(body) as Record<string, unknown>);

/** Of the Query protocol (EC2, IAM, STS). */
export const formOf = ({ body }: Sent): ReadonlyMap<string, string> => new Map(new URLSearchParams(body));

/**
 * What becomes of a call: it is passed on; it never arrives; it arrives and its answer does not. The last two are answered with
 * 403, which nobody repeats: to the cloud that is what a process looks like that was killed.
 */
export type Fate = 'pass' | 'lost' | 'unanswered';

export interface Recorder {
  readonly endpoint: string;
  readonly sent: readonly Sent[];
  /** Decides over the calls from now on; by default all pass. */
  decide(fate: (call: Sent, index: number) => Fate): void;
  forget(): void;
  close(): Promise<void>;
}

/** Stands before an endpoint and writes down every call. Signatures survive it: the Host header that was signed is passed on. */
export const openRecorder = async (target: string): Promise<Recorder> => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const { hostname, port } = new URL(target);
  let sent: Sent[] = [];
  let fateOf: (call: Sent, index: number) => Fate = () => 'pass';

  const pass = (call: Sent, body: Buffer) =>
    new Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }>((resolve, reject) => {
      const path = call.query === '' ? call.path : `${call.path}?${call.query}`;
      const onward = forward(
        { hostname, port, method: call.method, path, headers: call.headers, agent },
        (response) => {
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
        },
      );
      onward.on('error', reject);
      onward.end(body);
    });

  const server = createServer((request, response) => {
    const { method = 'GET', url = '/', headers } = request;
    const chunks: Buffer[] = [];
    const handle = async () => {
      const body = Buffer.concat(chunks);
      const [path = '/', query = ''] = url.split('?');
      const service = parseAuthorization(headers.authorization)?.service ?? 's3';
      const operation = operationOf(service, { method, path, query, headers }, () => body.toString('latin1'));
      const call: Sent = { operation, method, path, query, headers, body: body.toString() };
      sent.push(call);
      const fate = fateOf(call, sent.length - 1);
      const answer = fate === 'lost' ? undefined : await pass(call, body);
      if (fate !== 'pass' || answer === undefined) {
        response.writeHead(403, { 'content-length': 0 });
        return void response.end();
      }
      const { 'transfer-encoding': _chunked, connection: _connection, ...kept } = answer.headers;
      response.writeHead(answer.status, kept);
      response.end(method === 'HEAD' ? undefined : answer.body);
    };
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', () => {
      handle().catch(() => request.socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get sent() {
      return sent;
    },
    decide: (fate) => {
      fateOf = fate;
    },
    forget: () => {
      sent = [];
    },
    close: async () => {
      agent.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};
