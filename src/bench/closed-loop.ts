import type { Clock } from '../clock.ts';
import { type Exchange, outcomeOf, pauseMsAfter } from './exchange.ts';
import type { Entry } from './ledger.ts';
import type { Upload } from './multipart.ts';

/** Why no more was sent. */
export type Ending = 'complete' | 'interrupted' | 'unreachable';

export interface ClosedLoopOptions {
  /** Sent in turn, from the first again after the last; at least one. */
  readonly uploads: readonly Upload[];
  readonly requests: number;
  /** Requests in flight at any time: each client sends its next one when its last one has ended. */
  readonly concurrency: number;
  readonly send: (upload: Upload) => Promise<Exchange>;
  readonly clock: Clock;
  /** Stops sending; what is in flight is still waited for. */
  readonly signal: AbortSignal;
  readonly onEnd?: (ended: number) => void;
}

/** A server that is starting again may be away this many pauses long; one that never answered may not. */
const pausesUntilUnreachable = 30;

/**
 * Sends all requests, `concurrency` at once, and resolves when the last one has ended. Entries are in the order of
 * sending. A closed loop slows down with the server, so its latencies say nothing about a fixed rate of arrivals.
 */
export const runClosedLoop = async (
  options: ClosedLoopOptions,
): Promise<{ readonly entries: readonly Entry[]; readonly ending: Ending }> => {
  const { uploads, requests, concurrency, clock, signal } = options;
  const entries: Entry[] = [];
  let next = 0;
  let ended = 0;
  let everReached = false;
  let unreachableInARow = 0;
  const isUnreachable = () => unreachableInARow >= (everReached ? concurrency * pausesUntilUnreachable : 1);

  const client = async () => {
    while (next < requests && !signal.aborted && !isUnreachable()) {
      const index = next++;
      const upload = uploads[index % uploads.length];
      if (upload === undefined) return;
      const sentAtMs = clock.monotonicMs();
      const exchange = await options.send(upload);
      const latencyMs = clock.monotonicMs() - sentAtMs;
      const { id, status } = exchange;
      const outcome = outcomeOf(exchange, upload.name);
      entries[index] = { index, image: upload.name, sentAtMs, latencyMs, id, status, outcome };
      options.onEnd?.(++ended);
      if (exchange.kind === 'broken' && exchange.unreachable) {
        unreachableInARow++;
      } else {
        everReached = true;
        unreachableInARow = 0;
      }
      const pauseMs = pauseMsAfter(exchange);
      if (pauseMs > 0 && next < requests && !isUnreachable()) await clock.sleep(pauseMs, signal);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, requests) }, client));
  if (isUnreachable()) return { entries, ending: 'unreachable' };
  return { entries, ending: next >= requests ? 'complete' : 'interrupted' };
};
