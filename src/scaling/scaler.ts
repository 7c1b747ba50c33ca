import { randomBytes } from 'node:crypto';
import type { Log } from '../log.ts';
import { carryOut, type Hands, type Outcome } from './act.ts';
import type { Act } from './changes.ts';
import { elsewhere } from './elsewhere.ts';
import type { Journal } from './journal.ts';
import { learnAll } from './learn.ts';
import type { Held, Lease } from './lease.ts';
import { emptyMemory, type Memory, readMemory } from './memory.ts';
import { countQueue, createObserver, type Sight, type Sources } from './observe.ts';
import { decideAgain, type Plan, plan, type ScaleConfig } from './plan.ts';

/** What one run of the scaler came to. */
export type Run =
  /** Another scaler has the lease. */
  | { readonly kind: 'standby'; readonly owner: string; readonly forMs: number }
  /** Somebody else wrote meanwhile: nothing was done, the next run decides anew. */
  | { readonly kind: 'overtaken' }
  | { readonly kind: 'decided'; readonly plan: Plan; readonly outcomes: readonly Outcome[] };

export interface Scaler {
  /** Looks, decides, stores, acts. @throws CloudError, ImgrecError when the cluster is not provisioned */
  run(): Promise<Run>;
  /** Looks and decides, and neither stores nor does anything. */
  rehearse(): Promise<Plan>;
  /** Stores what the last run learned and lets another scaler in at once. */
  close(): Promise<void>;
}

export interface ScalerOptions {
  readonly lease: Lease;
  readonly sources: Sources;
  readonly hands: Hands;
  readonly config: ScaleConfig;
  readonly journal: Journal;
  /** The fleet that is remembered is known to have ended, with the cloud that it ran on. */
  readonly afresh?: boolean;
  readonly log: Log;
}

const sameMomentMs = 5_000;

const newToken = (): string => randomBytes(12).toString('hex');

const describeAct = (act: Act): string =>
  act.kind === 'launch'
    ? `launch slot ${act.intent.slot} (${act.intent.pool.market} ${act.intent.pool.instanceType})`
    : `${act.kind} ${act.id}${'why' in act ? `: ${act.why}` : ''}`;

export const describeActs = (acts: readonly Act[]): string[] => acts.map(describeAct);

export const createScaler = (options: ScalerOptions): Scaler => {
  const { lease, sources, hands, config, journal, log } = options;
  const observe = createObserver(sources);
  let learned: readonly Outcome[] = [];
  let afresh = options.afresh ?? false;

  const recall = (stored: unknown, nowMs: number): Memory => {
    const memory = readMemory(stored, nowMs);
    const { booting, ready, intents, leaving, failedBoots, launchAfterMs } = emptyMemory;
    return afresh ? { ...memory, booting, ready, intents, leaving, failedBoots, launchAfterMs } : memory;
  };

  /** Answers are dated to the second: a run that follows at once may seem to come before the last one. */
  const look = async (last: Memory): Promise<Sight> => {
    const sight = await observe(lease.time.nowMs);
    const lastMs = last.standing?.atMs ?? 0;
    const isBehind = sight.nowMs <= lastMs && lastMs - sight.nowMs < sameMomentMs;
    return isBehind ? { ...sight, nowMs: lastMs + 1 } : sight;
  };

  /** Reads the counts once more before anybody is sent away: an image may have come since. Those needed after all stay. */
  const spare = async (planned: Plan): Promise<readonly Act[]> => {
    const { acts, decision, overruled } = planned;
    const leaving = acts.filter(({ kind }) => kind === 'drain');
    if (leaving.length === 0 || overruled !== undefined) return acts;
    const again = decideAgain(planned, await countQueue(sources), config.policy);
    const needed = Math.max(0, again.desired - decision.desired);
    if (needed === 0) return acts;
    log.info({ needed }, 'work has come meanwhile: workers that were to go stay');
    const spared = new Set(leaving.slice(-needed));
    return acts.filter((act) => !spared.has(act));
  };

  const note = async (planned: Plan, acts: readonly Act[], epoch: number): Promise<void> => {
    const { before, observation, decision, desired, overruled } = planned;
    await journal.note(
      {
        v: 1,
        at: new Date(observation.nowSeconds * 1_000).toISOString(),
        epoch,
        config: config.policy,
        before: before ?? null,
        observation,
        decided: decision.desired,
        desired,
        ...(overruled === undefined ? {} : { overruled }),
        terminate: decision.terminate,
        why: decision.why,
        acts: describeActs(acts),
      },
      decision.state,
      acts.length > 0,
    );
  };

  /**
   * Does what was planned; what one pool refuses is asked of the next at once, until it is had or no pool is left.
   * @returns what was tried beyond the plan, and what came of all; what is not stored yet is in `learned`
   */
  const carryThrough = async (
    planned: Plan,
    acts: readonly Act[],
    first: Held,
  ): Promise<{ readonly later: readonly Act[]; readonly outcomes: readonly Outcome[] }> => {
    const later: Act[] = [];
    learned = await carryOut(acts, hands, first);
    const outcomes = [...learned];
    let { memory } = planned;
    for (let held = first; held.mayAct(); ) {
      const again = elsewhere(memory, learned, config, lease.time.nowMs(), newToken);
      const renewed = again && (await lease.write(again.memory));
      if (again === undefined || renewed === undefined) break;
      ({ memory } = again);
      held = renewed;
      learned = await carryOut(again.acts, hands, held);
      later.push(...again.acts);
      outcomes.push(...learned);
    }
    return { later, outcomes };
  };

  return {
    run: async () => {
      const taken = await lease.take();
      if (taken.kind === 'taken') return { kind: 'standby', owner: taken.owner, forMs: taken.forMs };
      const { memory, orders, epoch } = taken.content;
      const nowMs = lease.time.nowMs();
      const remembered = learnAll(recall(memory, nowMs), learned, config.pools, nowMs);
      const sight = await look(remembered);
      const planned = plan(remembered, sight, orders, config, newToken);
      const held = await lease.write(planned.memory);
      if (held === undefined) return { kind: 'overtaken' };
      learned = [];
      afresh = false;
      const acts = await spare(planned);
      const { later, outcomes } = await carryThrough(planned, acts, held);
      await note(planned, [...acts, ...later], epoch);
      return { kind: 'decided', plan: { ...planned, acts: [...planned.acts, ...later] }, outcomes };
    },
    rehearse: async () => {
      const { memory, orders } = await lease.peek();
      const remembered = readMemory(memory, lease.time.nowMs());
      return plan(remembered, await look(remembered), orders, config, newToken);
    },
    close: async () => {
      await journal.flush();
      await lease.release((memory) => {
        const nowMs = lease.time.nowMs();
        return learnAll(readMemory(memory, nowMs), learned, config.pools, nowMs);
      });
    },
  };
};
