import type { IncomingHttpHeaders } from 'node:http';
import { type Answered, openForwarder } from '../fixtures/forwarder.ts';

/** One call to the cloud, as it passes by. */
export interface Call {
  /** `sqs:ReceiveMessage`, `s3:PutObject`, `ec2:RunInstances`, ... */
  readonly operation: string;
  readonly service: 'sqs' | 's3' | 'other';
  /** Of an object, without the bucket; '' for everything else. */
  readonly key: string;
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

/** The service in the scope of a signature: `ec2`, `ssm`, `sts`. */
const signedFor = ({ authorization = '' }: IncomingHttpHeaders): string =>
  /Credential=[^/]+\/[^/]+\/[^/]+\/([^/]+)\//.exec(authorization)?.[1] ?? 'other';

const describe = (method: string, url: string, headers: IncomingHttpHeaders, body: Buffer): Call => {
  const target = headers['x-amz-target'];
  if (typeof target === 'string' && target.startsWith('AmazonSQS.'))
    return { operation: `sqs:${target.slice('AmazonSQS.'.length)}`, service: 'sqs', key: '', body };
  if (
    typeof target === 'string' ||
    headers['content-type']?.startsWith('application/x-www-form-urlencoded')
  ) {
    const action = target?.toString().split('.').at(-1) ?? new URLSearchParams(body.toString()).get('Action');
    return { operation: `${signedFor(headers)}:${action}`, service: 'other', key: '', body };
  }
  const { pathname, search } = new URL(url, 'http://cloud');
  const [, , ...rest] = pathname.split('/');
  const key = decodeURIComponent(rest.join('/'));
  return { operation: s3Operation(method, key, search), service: 's3', key, body };
};

const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);

/** Opens a tap on a free loopback port. */
export const openTap = async (target: () => string, first: TapHooks = {}): Promise<Tap> => {
  let hooks = first;
  const calls = new Map<string, number>();
  const reads = new Map<string, number>();
  const writes = new Map<string, number>();

  const forwarder = await openForwarder(target, async ({ method, url, headers, body }, pass) => {
    const call = describe(method, url, headers, body);
    const instead = await hooks.onCall?.(call);
    if (instead === 'drop') return 'drop';
    const answered = instead ?? (await pass());
    if (instead === undefined) {
      count(calls, call.operation);
      if (answered.status === 200 && call.operation === 's3:GetObject') count(reads, call.key);
      if (answered.status === 200 && call.operation === 's3:PutObject') count(writes, call.key);
    }
    return (await hooks.onAnswer?.(call, answered)) ?? answered;
  });
  return {
    ...forwarder,
    calls,
    reads,
    writes,
    hook: (next) => {
      hooks = next;
    },
  };
};
