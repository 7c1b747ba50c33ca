import type { LaunchRequest } from '../aws/ec2.ts';
import { isDue } from '../fleet/intents.ts';
import { type Leaving, noteActivity } from '../fleet/leaving.ts';
import { isAlive, type Member } from '../fleet/members.ts';
import type { Pool, PoolChoices } from '../fleet/pools.ts';
import { type LostWorker, lostWorkers } from './boots.ts';
import { type Act, cold, departureActs, dismissals, grow, shrink } from './changes.ts';
import { heldFor, type Orders } from './lease.ts';
import type { Memory } from './memory.ts';
import type { Observation } from './observation.ts';
import type { QueueCounts, Sight } from './observe.ts';
import { type Decision, decide, type PolicyConfig } from './policy.ts';
import { oldestWait } from './sighted.ts';
import { hoursSpent, noteSpend } from './spend.ts';
import { type PolicyState, readState } from './state.ts';
import { backlogOf, survey } from './survey.ts';

export interface ScaleConfig {
  readonly policy: PolicyConfig;
  readonly pools: PoolChoices;
  /** Stopped instances to keep for later instead of ending them; 0: none. */
  readonly warm: number;
  /** From the request to drain until an instance is ended anyway. */
  readonly drainSeconds: number;
  /** Instance-hours a UTC day beyond which there are no more workers than the minimum. */
  readonly hoursPerDay: number | undefined;
  /** The call that launches a worker into a slot. */
  readonly request: (slot: number, pool: Pool, token: string) => LaunchRequest;
}

/** Who overruled the policy, if anybody: an operator, or the guard of the day's hours. */
export type Overruled = 'paused' | 'set' | 'hours' | undefined;

export interface Plan {
  /** What the policy remembered. */
  readonly before: PolicyState | undefined;
  readonly observation: Observation;
  readonly decision: Decision;
  /** The number that the fleet is brought to. */
  readonly desired: number;
  readonly overruled: Overruled;
  /** To be stored before anything is done. */
  readonly memory: Memory;
  readonly acts: readonly Act[];
  /** Workers that ended although nobody here sent them away. */
  readonly lost: readonly LostWorker[];
}

const target = (
  { desired }: Decision,
  orders: Orders,
  { min, max }: PolicyConfig,
  spent: boolean,
  nowMs: number,
): Pick<Plan, 'desired' | 'overruled'> => {
  if (orders.paused || heldFor(orders, nowMs) > 0) return { desired, overruled: 'paused' };
  const wanted = Math.min(orders.set ?? desired, max);
  if (spent && wanted > min) return { desired: min, overruled: 'hours' };
  return { desired: wanted, overruled: orders.set === undefined ? undefined : 'set' };
};

/** The decision that the policy would take with these counts, all else being as it was. */
export const decideAgain = (
  { before, observation }: Pick<Plan, 'before' | 'observation'>,
  counts: QueueCounts,
  config: PolicyConfig,
): Decision => decide(before, { ...observation, ...counts }, config);

/**
 * What one run of the scaler does: from what is remembered and what is seen to what is to be remembered and done. Pure.
 * @param token makes a new random text of at most 32 characters
 */
export const plan = (
  remembered: Memory,
  sight: Sight,
  orders: Orders,
  config: ScaleConfig,
  token: () => string,
): Plan => {
  const { nowMs } = sight;
  const { memory, members, staying, remaining, due, open, observation } = survey(
    remembered,
    sight,
    config.pools,
  );
  const before = readState(memory.policy);
  const decision = decide(before, observation, config.policy);
  const spend = noteSpend(memory.spend, members.filter(isAlive).length, nowMs);
  const spent = config.hoursPerDay !== undefined && hoursSpent(spend) >= config.hoursPerDay;
  const { desired, overruled } = target(decision, orders, config.policy, spent, nowMs);

  const hung = new Set(decision.terminate);
  const dismissed = dismissals(staying, hung);
  const counts = ({ instance, standing }: Member): boolean =>
    (standing === 'ready' || standing === 'booting') && !hung.has(instance.id);
  const working = staying.filter(counts);
  const present = working.length + open.filter(({ instanceId }) => !hung.has(instanceId ?? '')).length;
  const mayLaunch = nowMs >= memory.launchAfterMs;
  const mayGrow = overruled !== 'paused' && mayLaunch;
  const { started, launches } = grow({
    missing: mayGrow ? desired - present : 0,
    max: config.policy.max,
    members,
    open,
    pools: config.pools,
    troubles: memory.pools,
    nowMs,
    token,
    request: config.request,
  });
  const cooled = cold(staying, started, config.warm);
  const stopped = staying.filter(({ standing }) => standing === 'stopped').length;
  const warm = stopped - started.length - cooled.length;
  const activities = noteActivity(memory.activities, members);
  const leaving = shrink({
    surplus: overruled === 'paused' ? 0 : present - desired,
    working,
    activities,
    warmPlaces: config.warm - warm - remaining.filter(({ fate }) => fate === 'stop').length,
    nowMs,
    drainMs: config.drainSeconds * 1_000,
  });
  const atOnce = dismissed.map(
    ({ id }): Leaving => ({ id, sinceMs: nowMs, deadlineMs: nowMs, told: true, fate: 'terminate' }),
  );

  const neverReady = dismissed.filter(({ id }) => memory.booting.includes(id)).map(({ id }) => id);
  const leavers = new Set(leaving.map(({ id }) => id));
  const ready = working.filter(
    ({ instance, standing }) => standing === 'ready' && !leavers.has(instance.id),
  ).length;
  const oldestSeconds = oldestWait(members);
  return {
    before,
    observation,
    decision,
    desired,
    overruled,
    lost: lostWorkers(remembered, members),
    acts: [
      ...dismissed.map(({ id, why }): Act => ({ kind: 'terminate', id, why })),
      ...cooled.map((id): Act => ({ kind: 'terminate', id, why: 'the warm pool is full' })),
      ...departureActs(due),
      ...open
        .filter((intent) => mayLaunch && isDue(intent, nowMs))
        .map((intent): Act => ({ kind: 'launch', intent, fresh: false })),
      ...started.map((id): Act => ({ kind: 'start', id })),
      ...launches.map((intent): Act => ({ kind: 'launch', intent, fresh: true })),
      ...leaving.map(({ id, fate }): Act => ({ kind: 'drain', id, into: fate })),
    ],
    memory: {
      ...memory,
      policy: decision.state,
      intents: [...open, ...launches],
      leaving: [...remaining, ...atOnce, ...leaving],
      activities,
      booting: memory.booting.filter((id) => !neverReady.includes(id)),
      rewarmed: [...new Set([...memory.rewarmed, ...started])],
      failedBoots: memory.failedBoots + neverReady.length,
      launchFailures: 0,
      spend,
      standing: {
        atMs: nowMs,
        desired,
        ready,
        booting: present - leaving.length - ready + started.length + launches.length,
        draining: remaining.length + leaving.length,
        warm,
        backlog: backlogOf(sight.queue),
        ...(oldestSeconds === undefined ? {} : { oldestSeconds }),
        arrivingPerSecond: decision.why.arrivingPerSecond,
      },
    },
  };
};
