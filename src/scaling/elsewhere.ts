import { choosePool } from '../fleet/pools.ts';
import type { Outcome } from './act.ts';
import type { Act } from './changes.ts';
import { learnAll } from './learn.ts';
import type { Memory } from './memory.ts';
import type { ScaleConfig } from './plan.ts';

/** Launches that are tried again at once, and what has to be stored before they are. */
export interface Elsewhere {
  readonly memory: Memory;
  readonly acts: readonly Act[];
}

/**
 * The launches of a run that their pools refused, each in the next pool that is left, with a new token and the slot that it had.
 * Undefined when none was refused, no pool is left, or EC2 asked to be spared. Pure.
 */
export const elsewhere = (
  stored: Memory,
  outcomes: readonly Outcome[],
  { pools, request }: Pick<ScaleConfig, 'pools' | 'request'>,
  nowMs: number,
  token: () => string,
): Elsewhere | undefined => {
  const refused = new Set(
    outcomes.flatMap((outcome) =>
      outcome.kind === 'pool-refused' || outcome.kind === 'unsent' ? [outcome.token] : [],
    ),
  );
  const memory = learnAll(stored, outcomes, pools, nowMs);
  if (nowMs < memory.launchAfterMs) return undefined;
  const launches = stored.intents
    .filter((intent) => refused.has(intent.token))
    .flatMap(({ slot }) => {
      const pool = choosePool(pools, memory.pools, nowMs, slot);
      if (pool === undefined) return [];
      const name = token();
      return [{ slot, token: name, atMs: nowMs, pool, request: request(slot, pool, name) }];
    });
  if (launches.length === 0) return undefined;
  return {
    memory: { ...memory, intents: [...memory.intents, ...launches] },
    acts: launches.map((intent): Act => ({ kind: 'launch', intent, fresh: true })),
  };
};
