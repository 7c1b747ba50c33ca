import type { Register } from '../aws/register.ts';
import { hopelessBoots } from './boots.ts';
import { heldFor, type Orders, readLock } from './lease.ts';
import { readMemory, type ScalerStanding } from './memory.ts';
import { hoursSpent } from './spend.ts';

/** What is known of the scaler and its fleet without asking anybody but the lock. */
export interface ScalerStatus {
  /** Absent: nobody has the lease. */
  readonly owner: string | undefined;
  /** Since the last write. */
  readonly seenSecondsAgo: number | undefined;
  readonly orders: Orders;
  /** How long an update still keeps the scaler from acting, if nobody renews it. */
  readonly heldSeconds: number;
  /** Of the last decision. */
  readonly fleet: ScalerStanding | undefined;
  readonly hoursToday: number;
  readonly troubles: readonly string[];
}

/** What deserves to be said loudly. */
export const troublesOf = (memory: ReturnType<typeof readMemory>, nowMs: number): string[] => [
  ...(memory.failedBoots >= hopelessBoots
    ? [`${memory.failedBoots} workers in a row never became ready: see the log of one of them`]
    : []),
  ...Object.entries(memory.pools)
    .filter(([, { untilMs }]) => untilMs > nowMs)
    .map(
      ([pool, { untilMs }]) => `no ${pool}, not tried again for ${Math.ceil((untilMs - nowMs) / 1_000)} s`,
    ),
];

/** Throws CloudError. */
export const scalerStatus = async (register: Pick<Register, 'read'>): Promise<ScalerStatus> => {
  const { nowMs, version } = await register.read();
  const { owner, orders, memory: stored, leaseSeconds } = readLock(version);
  const memory = readMemory(stored, nowMs);
  const ageSeconds = version === undefined ? undefined : Math.max(0, nowMs - version.modifiedMs) / 1_000;
  const holds = ageSeconds !== undefined && ageSeconds < leaseSeconds;
  return {
    owner: holds ? owner : undefined,
    seenSecondsAgo: ageSeconds,
    orders,
    heldSeconds: heldFor(orders, nowMs) / 1_000,
    fleet: memory.standing,
    hoursToday: hoursSpent(memory.spend),
    troubles: troublesOf(memory, nowMs),
  };
};

const rate = (perSecond: number): string => perSecond.toFixed(perSecond < 10 ? 1 : 0);

/** The one status line: what there is, what waits, and what comes. */
export const statusLine = (fleet: ScalerStanding): string => {
  const { desired, ready, booting, draining, warm, backlog, oldestSeconds, arrivingPerSecond } = fleet;
  return [
    `desired ${desired}`,
    `ready ${ready}`,
    `booting ${booting}`,
    `draining ${draining}`,
    ...(warm > 0 ? [`stopped ${warm}`] : []),
    `backlog ${backlog}`,
    ...(oldestSeconds === undefined ? [] : [`oldest ${rate(oldestSeconds)} s`]),
    `${rate(arrivingPerSecond)} a second arriving`,
  ].join(', ');
};

export const renderStatus = ({
  owner,
  seenSecondsAgo,
  orders,
  heldSeconds,
  fleet,
  hoursToday,
  troubles,
}: ScalerStatus): string => {
  const seen = seenSecondsAgo === undefined ? 'never seen' : `last seen ${Math.round(seenSecondsAgo)} s ago`;
  return [
    owner === undefined ? `no scaler is at work (${seen})` : `scaler ${owner} is at work (${seen})`,
    ...(orders.paused ? ['paused: nothing is launched or ended until "imgrec scale resume"'] : []),
    ...(heldSeconds > 0
      ? [`an update is replacing instances; without it the scaler goes on in ${Math.ceil(heldSeconds)} s`]
      : []),
    ...(orders.set === undefined ? [] : [`set to ${orders.set} until "imgrec scale resume"`]),
    ...(fleet === undefined ? [] : [statusLine(fleet)]),
    `${hoursToday.toFixed(1)} instance-hours today`,
    ...troubles.map((trouble) => `trouble: ${trouble}`),
  ].join('\n');
};
