import type { ServerResponse } from 'node:http';
import type { Clock } from '../../clock.ts';
import { type Answer, Refusal, wholeBody } from '../answer.ts';
import type { FaultName, FaultRule, Injection } from '../faults.ts';
import { withFlippedBit, withWrongChecksums } from './damage.ts';
import { splitDeletion } from './duplicate.ts';
import type { FaultEngine } from './engine.ts';

/** One request that a fault hits, and how it would be answered. */
export interface Exchange {
  readonly service: string;
  readonly operation: string;
  readonly body: string;
  readonly response: ServerResponse;
  /** Carries the request out; with another body where `canRewrite`. */
  readonly perform: (body?: string) => Answer | Promise<Answer>;
  readonly canRewrite: boolean;
  readonly refuse: (refusal: Refusal) => Answer;
  /** How often the message of this receipt handle was handed out. */
  readonly deliveriesOf: (receiptHandle: string) => number;
}

/** How an answer is sent; undefined where the connection is gone. */
export type Delivery =
  | { readonly how: 'whole'; readonly answer: Answer }
  | { readonly how: 'cut'; readonly answer: Answer; readonly share: number }
  | { readonly how: 'slow-close'; readonly answer: Answer; readonly ms: number }
  | undefined;

const internalErrors: Readonly<Record<string, string>> = {
  ssm: 'InternalServerError',
  iam: 'ServiceFailure',
};
const throttles: Readonly<Record<string, readonly [code: string, status: number]>> = {
  // The status of the service model; the answers of other services are documented with theirs.
  sqs: ['RequestThrottled', 403],
  s3: ['SlowDown', 503],
  ec2: ['RequestLimitExceeded', 503],
  ssm: ['ThrottlingException', 400],
  sts: ['Throttling', 400],
  iam: ['Throttling', 400],
};

/** What the service says when a fault is an error of its own. */
const refusalOf = (fault: FaultName, service: string): Refusal | undefined => {
  switch (fault) {
    case 'internal-error':
      return new Refusal(
        internalErrors[service] ?? 'InternalError',
        'We encountered an internal error. Please try again.',
        500,
      );
    case 'slow-down':
      return service === 's3'
        ? new Refusal('SlowDown', 'Please reduce your request rate.', 503)
        : new Refusal('ServiceUnavailable', 'The service is temporarily unavailable.', 503);
    case 'throttle': {
      const [code, status] = throttles[service] ?? ['Throttling', 400];
      return new Refusal(code, 'Rate exceeded', status);
    }
    case 'skewed':
      return new Refusal(
        'RequestTimeTooSkewed',
        'The difference between the request time and the current time is too large.',
        403,
      );
    case 'conflict':
      return new Refusal(
        'ConditionalRequestConflict',
        'The conditional request cannot succeed due to a conflicting operation against this resource.',
        409,
      );
    default:
      return undefined;
  }
};

const whole = (answer: Answer): Delivery => ({ how: 'whole', answer });

/** Resolves when the client has gone. */
const gone = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    if (response.destroyed) resolve();
    else response.once('close', () => resolve());
  });

const afterRule = async (
  rule: FaultRule,
  draw: number,
  exchange: Exchange,
  engine: FaultEngine,
): Promise<Delivery> => {
  const { response, service, operation, body, perform } = exchange;
  const refusal = refusalOf(rule.fault, service);
  if (refusal) return whole(exchange.refuse(refusal));
  switch (rule.fault) {
    case 'down':
      response.destroy();
      return undefined;
    case 'reset':
      response.socket?.resetAndDestroy();
      return undefined;
    case 'black-hole':
      await gone(response);
      return undefined;
    case 'drop-response':
      await perform();
      response.destroy();
      return undefined;
    case 'truncate':
      return { how: 'cut', answer: await perform(), share: draw };
    case 'slow-close':
      return { how: 'slow-close', answer: await perform(), ms: rule.ms };
    case 'corrupt':
      return whole(withFlippedBit(await perform(), draw));
    case 'wrong-checksum':
      return whole(withWrongChecksums(await perform()));
    case 'stale': {
      const key = `${operation} ${body}`;
      const earlier = engine.recall(key, rule.ms);
      if (earlier) return whole(earlier);
      const answer = await perform();
      if (answer.status === 200) engine.remember(key, answer);
      return whole(answer);
    }
    case 'duplicate': {
      const split = splitDeletion(operation, body, (handle) => exchange.deliveriesOf(handle) <= rule.copies);
      if (split.kind === 'none') return whole(await perform());
      if (split.kind === 'all' || !exchange.canRewrite) return whole(split.asIfDone());
      return whole(split.merge(await perform(split.rest)));
    }
    default:
      return whole(await perform());
  }
};

/** Lets the fault happen. @returns what is left to send, if anything */
export const carryOut = async (
  { delayMs, rule, draw }: Injection,
  exchange: Exchange,
  engine: FaultEngine,
  clock: Clock,
): Promise<Delivery> => {
  if (delayMs > 0) await clock.sleep(delayMs);
  if (exchange.response.destroyed) return undefined;
  return rule ? afterRule(rule, draw, exchange, engine) : whole(await exchange.perform());
};

/** Sends a part of the body under the length of all of it, or the whole one with a connection that stays open for a while. */
export const sendDamaged = (
  response: ServerResponse,
  delivery: Exclude<NonNullable<Delivery>, { how: 'whole' }>,
  headers: Answer['headers'],
  clock: Clock,
): void => {
  const { answer } = delivery;
  const body = wholeBody(answer.body);
  response.shouldKeepAlive = false;
  if (delivery.how === 'cut') {
    response.writeHead(answer.status, { ...headers, 'content-length': body.length });
    const part = body.subarray(0, Math.floor(body.length * delivery.share));
    response.write(part, () => response.destroy());
    return;
  }
  // Without chunks and without a length only the end of the connection tells the end of the body.
  response.useChunkedEncodingByDefault = false;
  const { 'content-length': _, ...unmeasured } = headers;
  response.writeHead(answer.status, unmeasured);
  response.write(body);
  void clock.sleep(delivery.ms).then(() => response.end());
};
