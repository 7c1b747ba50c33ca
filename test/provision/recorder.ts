import type { IncomingHttpHeaders } from 'node:http';
import { operationOf } from '../../src/localcloud/operation.ts';
import { parseAuthorization } from '../../src/localcloud/sigv4.ts';
import { openForwarder } from '../fixtures/forwarder.ts';

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

const refused = { status: 403, headers: { 'content-length': '0' }, body: Buffer.alloc(0) };

/** Stands before an endpoint and writes down every call. */
export const openRecorder = async (target: string): Promise<Recorder> => {
  let sent: Sent[] = [];
  let fateOf: (call: Sent, index: number) => Fate = () => 'pass';

  const { endpoint, close } = await openForwarder(
    () => target,
    async ({ method, url, headers, body }, pass) => {
      const [path = '/', query = ''] = url.split('?');
      const service = parseAuthorization(headers.authorization)?.service ?? 's3';
      const operation = operationOf(service, { method, path, query, headers }, () => body.toString('latin1'));
      const call: Sent = { operation, method, path, query, headers, body: body.toString() };
      sent.push(call);
      const fate = fateOf(call, sent.length - 1);
      if (fate === 'lost') return refused;
      const answered = await pass();
      return fate === 'pass' ? answered : refused;
    },
  );
  return {
    endpoint,
    get sent() {
      return sent;
    },
    decide: (fate) => {
      fateOf = fate;
    },
    forget: () => {
      sent = [];
    },
    close,
  };
};
