import { choosePool, type PoolChoices, withoutTrouble, withTrouble } from '../fleet/pools.ts';
import type { Outcome } from './act.ts';
import type { Memory } from './memory.ts';

/** A throttled account is spared for 2 s, and for twice as long each time that it asks for it again. */
const leastSpareMs = 2_000;
const mostSpareMs = 60_000;
/** A call that is wrong in itself will hardly be right a second later. */
const rejectedPauseMs = 30_000;

const spareMs = (throttles: number): number => Math.min(mostSpareMs, leastSpareMs * 2 ** (throttles - 1));

/** The memory after one outcome of what it made be done. */
const learn = (memory: Memory, outcome: Outcome, pools: PoolChoices, nowMs: number): Memory => {
  switch (outcome.kind) {
    case 'launched': {
      const { token, id } = outcome;
      const pool = memory.intents.find((intent) => intent.token === token)?.pool;
      return {
        ...memory,
        throttles: 0,
        pools: pool === undefined ? memory.pools : withoutTrouble(memory.pools, pool),
        intents: memory.intents.map((intent) =>
          intent.token === token ? { ...intent, instanceId: id } : intent,
        ),
      };
    }
    case 'told':
      return {
        ...memory,
        leaving: memory.leaving.map((entry) => (entry.id === outcome.id ? { ...entry, told: true } : entry)),
      };
    case 'throttled': {
      const throttles = memory.throttles + 1;
      return {
        ...memory,
        throttles,
        launchAfterMs: Math.max(memory.launchAfterMs, nowMs + spareMs(throttles)),
      };
    }
    case 'unsent':
      return { ...memory, intents: memory.intents.filter(({ token }) => token !== outcome.token) };
    case 'pool-refused': {
      const refused = memory.intents.find(({ token }) => token === outcome.token);
      const troubles = refused === undefined ? memory.pools : withTrouble(memory.pools, refused.pool, nowMs);
      // The policy backs off only where there is nothing else to try.
      const others = choosePool(pools, troubles, nowMs, refused?.slot ?? 1) !== undefined;
      return {
        ...memory,
        pools: troubles,
        launchFailures: memory.launchFailures + (others ? 0 : 1),
        intents: memory.intents.filter(({ token }) => token !== outcome.token),
      };
    }
    case 'rejected':
      return {
        ...memory,
        launchFailures: memory.launchFailures + 1,
        launchAfterMs: Math.max(memory.launchAfterMs, nowMs + rejectedPauseMs),
        intents: memory.intents.filter(({ token }) => token !== outcome.token),
      };
  }
};

/** The memory after everything that was done. Losing it is harmless: intents are called again, drains asked for again. */
export const learnAll = (
  memory: Memory,
  outcomes: readonly Outcome[],
  pools: PoolChoices,
  nowMs: number,
): Memory => outcomes.reduce((known, outcome) => learn(known, outcome, pools, nowMs), memory);
