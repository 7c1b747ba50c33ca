import { type LaunchIntent, openIntents } from '../fleet/intents.ts';
import { type Departure, departures, type Leaving } from '../fleet/leaving.ts';
import { type Member, membersOf } from '../fleet/members.ts';
import { choosePool, type PoolChoices } from '../fleet/pools.ts';
import { noteBoots } from './boots.ts';
import { noteFlow } from './flow.ts';
import type { Memory } from './memory.ts';
import type { Observation } from './observation.ts';
import type { QueueCounts, Sight } from './observe.ts';
import { acceptedCounters, doneCounters, expectedInstance, observedInstance } from './sighted.ts';

/** What was seen, set against what was remembered. */
export interface Survey {
  /** With what follows from the look alone: boots that succeeded or failed, what arrived. */
  readonly memory: Memory;
  readonly members: readonly Member[];
  /** Those that nobody has told to go. */
  readonly staying: readonly Member[];
  /** Those on their way out, and who of them can be ended now. */
  readonly remaining: readonly Leaving[];
  readonly due: readonly Departure[];
  /** Launches whose instance is not listed yet. */
  readonly open: readonly LaunchIntent[];
  readonly observation: Observation;
}

/** Messages in any state. */
export const backlogOf = ({ visible, inFlight, delayed }: QueueCounts): number =>
  visible + inFlight + delayed;

const nextLaunch = (
  staying: readonly Member[],
  choices: PoolChoices,
  { pools }: Memory,
  nowMs: number,
): Pick<Observation, 'next'> => {
  const warm = staying.find(({ standing }) => standing === 'stopped');
  if (warm !== undefined) return { next: { type: warm.instance.instanceType, warm: true } };
  const pool = choosePool(choices, pools, nowMs, 1);
  return pool === undefined ? {} : { next: { type: pool.instanceType } };
};

export const survey = (remembered: Memory, sight: Sight, pools: PoolChoices): Survey => {
  const { nowMs, queue } = sight;
  const members = membersOf(sight.instances, sight, nowMs);
  const memory = noteBoots(remembered, members, nowMs);
  const byId = new Map(members.map((member) => [member.instance.id, member]));
  // Whoever was chosen to go and not told so, because that run broke off, is as good as anybody.
  const told = memory.leaving.filter((entry) => entry.told);
  const { remaining, due } = departures(told, byId, nowMs);
  const going = new Set(remaining.map(({ id }) => id));
  const staying = members.filter(({ instance }) => !going.has(instance.id));
  const open = openIntents(memory.intents, sight.instances, nowMs);
  const flow = noteFlow(memory.flow, {
    nowMs,
    backlog: backlogOf(queue),
    done: doneCounters(members),
    accepted: acceptedCounters(sight),
  });
  return {
    memory: { ...memory, flow: flow.memory },
    members,
    staying,
    remaining,
    due,
    open,
    observation: {
      nowSeconds: nowMs / 1_000,
      ...queue,
      arrivals: flow.arrivals,
      launchFailures: memory.launchFailures,
      instances: [
        ...staying.flatMap((member) => observedInstance(member, memory.rewarmed, nowMs)),
        ...open.map(expectedInstance),
      ],
      ...nextLaunch(staying, pools, memory, nowMs),
    },
  };
};
