import type { LaunchRequest } from '../aws/ec2.ts';
import { tagKeys } from '../aws/names.ts';
import { freeSlots, type LaunchIntent } from '../fleet/intents.ts';
import { type Activity, type Departure, type Leaving, victims } from '../fleet/leaving.ts';
import { isAlive, type Member } from '../fleet/members.ts';
import { choosePool, type Pool, type PoolChoices, type PoolTroubles } from '../fleet/pools.ts';

/** What is to be done about one instance. Every act may be repeated without harm. */
export type Act =
  /** `fresh`: never called before, so that it may also be dropped. */
  | { readonly kind: 'launch'; readonly intent: LaunchIntent; readonly fresh: boolean }
  | { readonly kind: 'start'; readonly id: string }
  /** `into`: what becomes of it once it has drained. */
  | { readonly kind: 'drain'; readonly id: string; readonly into: Leaving['fate'] }
  | { readonly kind: 'terminate' | 'stop'; readonly id: string; readonly why: string };

export interface GrowthOptions {
  /** Workers that are missing. */
  readonly missing: number;
  readonly max: number;
  readonly members: readonly Member[];
  readonly open: readonly LaunchIntent[];
  readonly pools: PoolChoices;
  readonly troubles: PoolTroubles;
  readonly nowMs: number;
  readonly token: () => string;
  readonly request: (slot: number, pool: Pool, token: string) => LaunchRequest;
}

export interface Growth {
  /** Stopped instances to start. */
  readonly started: readonly string[];
  readonly launches: readonly LaunchIntent[];
}

const slotOf = ({ instance }: Member): number => Number(instance.tags[tagKeys.slot] ?? 0);

/**
 * How missing workers are made: stopped instances are started before any is launched, each launch gets the lowest free slot, and
 * what lives and what is being launched never exceeds the maximum, whatever it lives for.
 */
export const grow = (options: GrowthOptions): Growth => {
  const { max, members, open, nowMs, token } = options;
  const alive = members.filter(isAlive);
  const room = Math.max(0, max - alive.length - open.length);
  const wanted = Math.min(Math.max(0, options.missing), room);
  const started = members
    .filter(({ standing }) => standing === 'stopped')
    .slice(0, wanted)
    .map(({ instance }) => instance.id);
  const used = new Set([...alive.map(slotOf), ...open.map(({ slot }) => slot)]);
  const launches: LaunchIntent[] = [];
  for (const slot of freeSlots(max, used).slice(0, wanted - started.length)) {
    const pool = choosePool(options.pools, options.troubles, nowMs, slot);
    if (pool === undefined) break;
    const name = token();
    launches.push({ slot, token: name, atMs: nowMs, pool, request: options.request(slot, pool, name) });
  }
  return { started, launches };
};

/** Instances that nobody needs to wait for, and why: they are ended at once. */
export const dismissals = (
  staying: readonly Member[],
  hung: ReadonlySet<string>,
): { readonly id: string; readonly why: string }[] =>
  staying.flatMap(({ instance: { id }, standing }) => {
    if (standing === 'silent') return [{ id, why: 'it has not reported for ten minutes' }];
    if (standing === 'ended') return [{ id, why: 'its worker has ended' }];
    return hung.has(id) ? [{ id, why: 'it never became ready' }] : [];
  });

/** Stopped instances beyond the size of the warm pool, the oldest first. */
export const cold = (members: readonly Member[], started: readonly string[], size: number): string[] => {
  const stopped = members
    .filter(({ instance, standing }) => standing === 'stopped' && !started.includes(instance.id))
    .sort((a, b) => a.instance.launchedAtMs - b.instance.launchedAtMs);
  return stopped.slice(0, Math.max(0, stopped.length - size)).map(({ instance }) => instance.id);
};

/** Those who are to go because there are too many, until the warm pool is full into it. */
export const shrink = (options: {
  readonly surplus: number;
  readonly working: readonly Member[];
  readonly activities: Readonly<Record<string, Activity>>;
  readonly warmPlaces: number;
  readonly nowMs: number;
  readonly drainMs: number;
}): Leaving[] =>
  victims(options.working, options.activities, options.surplus).map((id, index) => ({
    id,
    sinceMs: options.nowMs,
    deadlineMs: options.nowMs + options.drainMs,
    told: false,
    fate: index < options.warmPlaces ? 'stop' : 'terminate',
  }));

export const departureActs = (due: readonly Departure[]): Act[] =>
  due.map(({ id, fate, why }) => ({
    kind: fate,
    id,
    why: why === 'drained' ? 'it has drained' : 'its time to drain is over',
  }));
