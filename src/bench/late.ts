import type { Clock } from '../clock.ts';
import { decodeResult } from '../jobs/contract.ts';
import { backoffMs } from '../retry.ts';
import type { Exchange } from './exchange.ts';
import type { Found } from './ledger.ts';

export interface LateOptions {
  readonly ids: readonly string[];
  readonly lookUp: (id: string) => Promise<Exchange>;
  /** How long a result may be missing before its job counts as lost. */
  readonly lostAfterMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const pace = { floorMs: 500, ceilingMs: 5_000 };
const lookUpsAtOnce = 16;

const resultIn = (exchange: Exchange, nowMs: number): Found | undefined => {
  if (exchange.kind !== 'response' || exchange.status !== 200) return undefined;
  const decoded = decodeResult(exchange.body);
  if (decoded.kind !== 'ok') return undefined;
  const { status, label, error } = decoded.value;
  if (status === 'ok' && label !== null) return { kind: 'ok', label, seenAtMs: nowMs };
  return { kind: 'failed', reason: `result ${status}${error ? `: ${error.message}` : ''}` };
};

/**
 * Looks results up until all are found or `lostAfterMs` has passed, all missing ones a round, with back-off between
 * rounds. A look-up that fails is made again: the web tier may just be the part that is starting again.
 */
export const findLateResults = async (options: LateOptions): Promise<ReadonlyMap<string, Found>> => {
  const { clock, signal, lostAfterMs } = options;
  const found = new Map<string, Found>();
  const deadlineMs = clock.monotonicMs() + lostAfterMs;
  for (let round = 1; ; round++) {
    const missing = options.ids.filter((id) => !found.has(id));
    const lane = async () => {
      for (let id = missing.shift(); id !== undefined && !signal.aborted; id = missing.shift()) {
        const result = resultIn(await options.lookUp(id), clock.monotonicMs());
        if (result !== undefined) found.set(id, result);
      }
    };
    await Promise.all(Array.from({ length: Math.min(lookUpsAtOnce, missing.length) }, lane));
    const leftMs = deadlineMs - clock.monotonicMs();
    if (found.size >= options.ids.length || leftMs <= 0 || signal.aborted) return found;
    await clock.sleep(Math.min(leftMs, backoffMs(round, pace)), signal);
  }
};
