import { z } from 'zod';
import { stemOf } from '../image/truth.ts';
import type { Outcome } from './ledger.ts';

/** What came back for one request. */
export type Exchange =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly id: string | undefined;
      readonly contentType: string;
      readonly retryAfterSeconds: number | undefined;
      readonly body: string;
    }
  /** The connection broke or the time was over; status and id are known if the answer had begun. */
  | {
      readonly kind: 'broken';
      readonly reason: string;
      /** Nothing was sent: there is no connection to the server. */
      readonly unreachable: boolean;
      readonly status: number | undefined;
      readonly id: string | undefined;
    };

const labelled = z.object({ label: z.string() });

const labelOfJson = (body: string): string => {
  try {
    return labelled.safeParse(JSON.parse(body)).data?.label ?? '';
  } catch {
    return '';
  }
};

/**
 * The label in an answer: the text itself, or one of the forms that the course project's web tiers use,
 * `test_0:bathtub` and `(test_0, bathtub)`, or the `label` of a JSON object.
 */
export const labelOf = (body: string, contentType: string, image: string): string => {
  if (contentType.startsWith('application/json')) return labelOfJson(body).trim();
  const text = body.trim();
  for (const name of [image, stemOf(image)]) {
    if (text.startsWith(`${name}:`)) return text.slice(name.length + 1).trim();
    if (text.startsWith(`(${name},`) && text.endsWith(')')) return text.slice(name.length + 2, -1).trim();
  }
  return text;
};

const shownBodyLength = 120;

const isRefusal = (status: number | undefined): boolean => status === 503 || status === 429;

const reasonOf = (status: number, body: string): string => {
  const detail = body.trim().replaceAll(/\s+/g, ' ').slice(0, shownBodyLength);
  return `HTTP ${status}${detail === '' ? '' : ` ${detail}`}`;
};

/** Judges an exchange: what it means for the request, without regard to whether the label is right. */
export const outcomeOf = (exchange: Exchange, image: string): Outcome => {
  if (exchange.kind === 'broken') {
    const { reason, status, id } = exchange;
    if (isRefusal(status)) return { kind: 'refused', reason: `HTTP ${status}` };
    return { kind: id !== undefined && (status === 200 || status === 504) ? 'unanswered' : 'failed', reason };
  }
  const { status, id, body, contentType } = exchange;
  if (status === 200) {
    const label = labelOf(body, contentType, image);
    return label === ''
      ? { kind: 'failed', reason: 'HTTP 200 without a label' }
      : { kind: 'answered', label };
  }
  const reason = reasonOf(status, body);
  if (isRefusal(status)) return { kind: 'refused', reason };
  return { kind: status === 504 && id !== undefined ? 'unanswered' : 'failed', reason };
};

const longestPauseMs = 30_000;
const defaultPauseMs = 1_000;

/**
 * How long the client that got this waits before it sends again, as a well-behaved one does: a refusal says how long,
 * and without a connection a closed loop would spend all its requests in the moment a server needs to restart.
 */
export const pauseMsAfter = (exchange: Exchange): number => {
  if (exchange.kind === 'broken') return exchange.unreachable ? defaultPauseMs : 0;
  if (!isRefusal(exchange.status)) return 0;
  const { retryAfterSeconds } = exchange;
  return retryAfterSeconds === undefined
    ? defaultPauseMs
    : Math.min(longestPauseMs, retryAfterSeconds * 1_000);
};
