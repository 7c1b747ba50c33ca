import { describe, expect, test } from 'vitest';
import type { FoundInstance, InstanceState } from '../aws/ec2.ts';
import { tagKeys } from '../aws/names.ts';
import type { DatedReport } from '../fleet/members.ts';
import type { Orders } from './lease.ts';
import { emptyMemory, type Memory } from './memory.ts';
import type { Sight } from './observe.ts';
import { plan, type ScaleConfig } from './plan.ts';

const nowMs = Date.UTC(2026, 0, 5, 8);
const minute = 60_000;

const config: ScaleConfig = {
  policy: {
    policy: 'fixed',
    min: 0,
    max: 4,
    schedules: [],
    intervalSeconds: 10,
    priorRatePerSecond: 4,
    priorBootSeconds: 30,
  },
  pools: { instanceTypes: ['a.one'], subnetIds: [], spot: false },
  warm: 0,
  drainSeconds: 45,
  hoursPerDay: undefined,
  request: (_slot, { instanceType, market }, clientToken) => ({
    template: 'sim-worker',
    instanceType,
    market,
    clientToken,
    tags: {},
  }),
};

interface Given {
  readonly id: string;
  readonly state?: InstanceState;
  readonly says?: DatedReport['report']['state'];
  readonly slot?: number;
  readonly ageMinutes?: number;
  readonly done?: number;
}

const sightOf = (given: readonly Given[], more: Partial<Sight> = {}): Sight => {
  const launchedAt = ({ ageMinutes = 5 }: Given) => nowMs - ageMinutes * minute;
  const instances = given.map(
    (each): FoundInstance => ({
      id: each.id,
      state: each.state ?? 'running',
      tags: { [tagKeys.slot]: String(each.slot ?? 1) },
      launchedAtMs: launchedAt(each),
      instanceType: 'a.one',
      clientToken: `token-${each.id}`,
    }),
  );
  const reports = new Map(
    given.flatMap(({ id, says, done = 0 }): [string, DatedReport][] =>
      says === undefined
        ? []
        : [
            [
              id,
              {
                atMs: nowMs - 5_000,
                report: {
                  v: 1,
                  instance: id,
                  state: says,
                  readyForSeconds: 60,
                  imagesDone: done,
                  busySeconds: done / 4,
                  emptyReceivesWithBacklog: 0,
                },
              },
            ],
          ],
    ),
  );
  return {
    nowMs,
    queue: { visible: 0, inFlight: 0, delayed: 0 },
    instances,
    reports,
    reportedMs: new Map([...reports].map(([id, { atMs }]) => [id, atMs])),
    webs: [],
    ...more,
  };
};

const ready = (id: string, slot: number, more: Partial<Given> = {}): Given => ({
  id,
  slot,
  says: 'ready',
  ...more,
});

let serial = 0;
const planned = (
  sight: Sight,
  {
    set,
    paused = false,
    hold,
    changes = {},
    memory = emptyMemory,
  }: {
    readonly set?: number;
    readonly paused?: boolean;
    readonly hold?: NonNullable<Orders['hold']>;
    readonly changes?: Partial<ScaleConfig>;
    readonly memory?: Memory;
  } = {},
) =>
  plan(
    memory,
    sight,
    { paused, ...(set === undefined ? {} : { set }), ...(hold === undefined ? {} : { hold }) },
    { ...config, ...changes },
    () => `t${++serial}`,
  );

const told = ({ acts }: ReturnType<typeof planned>): string[] =>
  acts.map((act) => (act.kind === 'launch' ? `launch ${act.intent.slot}` : `${act.kind} ${act.id}`));

describe('growing', () => {
  test('each launch has the lowest free slot, and never more live than the maximum', () => {
    const sight = sightOf([ready('i-1', 1), ready('i-3', 3)]);
    const next = planned(sight, { set: 9 });
    expect(told(next)).toEqual(['launch 2', 'launch 4']);
    expect(next).toMatchObject({ desired: 4, overruled: 'set' });
  });

  test('workers that drain hold their place below the maximum', () => {
    const leaving = [
      { id: 'i-1', sinceMs: nowMs, deadlineMs: nowMs + minute, told: true, fate: 'terminate' as const },
    ];
    const sight = sightOf([ready('i-1', 1, { says: 'draining' }), ready('i-2', 2)]);
    const next = planned(sight, { set: 4, memory: { ...emptyMemory, leaving } });
    expect(told(next)).toEqual(['launch 3', 'launch 4']);
  });

  test('so do launches under way, also before stopped instances', () => {
    const { memory } = planned(sightOf([]), { set: 1 });
    const leaving = [
      { id: 'i-1', sinceMs: nowMs, deadlineMs: nowMs + minute, told: true, fate: 'terminate' as const },
    ];
    const stopped = ['i-2', 'i-3', 'i-4'].map((id): Given => ({ id, state: 'stopped' }));
    const sight = sightOf([ready('i-1', 4, { says: 'draining' }), ...stopped]);
    const next = planned(sight, { set: 4, memory: { ...memory, leaving }, changes: { warm: 3 } });
    expect(told(next).filter((act) => act.startsWith('start'))).toEqual(['start i-2', 'start i-3']);
  });

  test('stopped instances are started before any is launched', () => {
    const sight = sightOf([ready('i-1', 1), { id: 'i-2', state: 'stopped' }]);
    const next = planned(sight, { set: 3, changes: { warm: 2 } });
    expect(told(next)).toEqual(['start i-2', 'launch 2']);
    // Its boot is one of a stopped instance, which tells nothing of the others'.
    expect(next.memory.rewarmed).toEqual(['i-2']);
  });

  test('an instance whose start fails again and again is remembered once', () => {
    const sight = sightOf([{ id: 'i-1', state: 'stopped' }]);
    const again = (memory: Memory) => planned(sight, { set: 1, memory, changes: { warm: 1 } }).memory;
    expect(again(again(again(emptyMemory))).rewarmed).toEqual(['i-1']);
  });

  test('a launch that is not listed yet counts, and is called again only where its answer is not known', () => {
    const first = planned(sightOf([]), { set: 2 });
    const [known, unknown] = first.memory.intents;
    if (known === undefined || unknown === undefined) throw new Error('no intents');
    const memory = { ...first.memory, intents: [{ ...known, instanceId: 'i-1' }, unknown] };
    const second = planned(sightOf([], { nowMs: nowMs + 1_000 }), { set: 2, memory });
    expect(told(second)).toEqual(['launch 2']);
    expect(second.acts).toEqual([{ kind: 'launch', intent: unknown, fresh: false }]);
    // Confirmed, and not listed ten seconds later: asked again with the same token, which launches nothing twice.
    const third = planned(sightOf([], { nowMs: nowMs + 10_000 }), { set: 2, memory });
    expect(told(third)).toEqual(['launch 1', 'launch 2']);
  });
});

describe('shrinking', () => {
  const idle = { atMs: 0, imagesDone: 0, busySeconds: 0, idle: true };
  const busy = { ...idle, idle: false };

  test('idle workers go before busy ones, the newest first', () => {
    const sight = sightOf([
      ready('i-1', 1, { ageMinutes: 50 }),
      ready('i-2', 2, { ageMinutes: 40 }),
      ready('i-3', 3, { ageMinutes: 30 }),
      ready('i-4', 4, { ageMinutes: 20 }),
    ]);
    const at = (activity: typeof idle) => ({ ...activity, atMs: nowMs - 5_000 });
    const activities = { 'i-1': at(idle), 'i-2': at(idle), 'i-3': at(busy), 'i-4': at(busy) };
    expect(told(planned(sight, { set: 1, memory: { ...emptyMemory, activities } }))).toEqual([
      'drain i-2',
      'drain i-1',
      'drain i-4',
    ]);
  });

  test('a warm pool takes as many as it has places, the others are ended', () => {
    const sight = sightOf([ready('i-1', 1), ready('i-2', 2), ready('i-3', 3)]);
    const { memory } = planned(sight, { set: 0, changes: { warm: 2 } });
    expect(memory.leaving.map(({ fate }) => fate)).toEqual(['stop', 'stop', 'terminate']);
  });

  test('stopped instances beyond the pool are ended', () => {
    const sight = sightOf([
      { id: 'i-1', state: 'stopped', ageMinutes: 90 },
      { id: 'i-2', state: 'stopped', ageMinutes: 20 },
    ]);
    expect(told(planned(sight, { set: 0, changes: { warm: 1 } }))).toEqual(['terminate i-1']);
    expect(told(planned(sight, { set: 0 }))).toEqual(['terminate i-1', 'terminate i-2']);
  });

  test('who was chosen and never told, because that run broke off, may stay', () => {
    const leaving = [
      { id: 'i-1', sinceMs: nowMs, deadlineMs: nowMs, told: false, fate: 'terminate' as const },
    ];
    const next = planned(sightOf([ready('i-1', 1)]), { set: 1, memory: { ...emptyMemory, leaving } });
    expect(next.acts).toEqual([]);
    expect(next.memory.leaving).toEqual([]);
  });

  test('one that has drained is ended; one that has not, at its deadline', () => {
    const entry = (id: string, deadlineMs: number) => ({
      ...{ id, sinceMs: nowMs - minute, deadlineMs, told: true },
      fate: 'terminate' as const,
    });
    const leaving = [entry('i-1', nowMs + minute), entry('i-2', nowMs + minute), entry('i-3', nowMs)];
    const sight = sightOf([
      ready('i-1', 1, { says: 'stopped' }),
      ready('i-2', 2, { says: 'draining' }),
      ready('i-3', 3, { says: 'draining' }),
    ]);
    const { acts } = planned(sight, { set: 0, memory: { ...emptyMemory, leaving } });
    expect(acts).toEqual([
      { kind: 'terminate', id: 'i-1', why: 'it has drained' },
      { kind: 'terminate', id: 'i-3', why: 'its time to drain is over' },
    ]);
  });
});

describe('whoever overrules the policy', () => {
  test('paused: nothing is launched or sent away', () => {
    expect(planned(sightOf([]), { paused: true })).toMatchObject({ acts: [], overruled: 'paused' });
    const fleet = sightOf([1, 2, 3, 4].map((slot) => ready(`i-${slot}`, slot)));
    const changes = { policy: { ...config.policy, max: 1 } };
    expect(planned(fleet, { paused: true, changes }).acts).toEqual([]);
  });

  test('held by an update: nothing is launched or sent away, until the hold ends by itself', () => {
    const fleet = sightOf([1, 2, 3, 4].map((slot) => ready(`i-${slot}`, slot)));
    const changes = { policy: { ...config.policy, max: 1 } };
    const until = (untilMs: number) => planned(fleet, { hold: { by: 'an update', untilMs }, changes });
    expect(until(fleet.nowMs + 1)).toMatchObject({ acts: [], overruled: 'paused' });
    const released = until(fleet.nowMs);
    expect(released.overruled).toBeUndefined();
    expect(told(released)).toEqual(told(planned(fleet, { changes })));
    expect(told(released)).not.toEqual([]);
  });

  test('the hours of a day: when they are spent there are no more than the minimum', () => {
    const spend = { day: '2026-01-05', seconds: 10 * 3_600, atMs: nowMs };
    const fleet = sightOf([ready('i-1', 1), ready('i-2', 2)]);
    const changes = { hoursPerDay: 10, policy: { ...config.policy, min: 1 } };
    const next = planned(fleet, { memory: { ...emptyMemory, spend }, changes });
    expect(next).toMatchObject({ desired: 1, overruled: 'hours' });
    const yesterday = { ...spend, day: '2026-01-04' };
    expect(planned(fleet, { memory: { ...emptyMemory, spend: yesterday }, changes })).toMatchObject({
      desired: 2,
      overruled: undefined,
    });
  });

  test('the hours are those of every instance that lives', () => {
    const spend = { day: '2026-01-05', seconds: 0, atMs: nowMs - 10 * minute };
    const fleet = sightOf([
      ready('i-1', 1),
      { id: 'i-2', state: 'pending' },
      { id: 'i-3', state: 'stopped' },
    ]);
    const { memory } = planned(fleet, { memory: { ...emptyMemory, spend }, changes: { warm: 1 } });
    expect(memory.spend.seconds).toBe(2 * 600);
  });
});

describe('instances that are not what they should be', () => {
  test.each([
    ['it has not reported for ten minutes', { id: 'i-1', ageMinutes: 11 }],
    ['its worker has ended', { id: 'i-1', says: 'stopped' as const }],
  ])('%s: ended', (why, given) => {
    const { acts, memory } = planned(sightOf([given]), { set: 0 });
    expect(acts).toEqual([{ kind: 'terminate', id: 'i-1', why }]);
    expect(memory.leaving).toMatchObject([{ id: 'i-1', told: true }]);
  });

  test('one that EC2 is about to take is replaced at once', () => {
    const next = planned(sightOf([ready('i-1', 1, { says: 'draining' })]), { set: 1 });
    expect(told(next)).toEqual(['launch 2']);
  });

  test('a report of the life before a start says nothing of this one', () => {
    const sight = sightOf([ready('i-1', 1, { says: 'stopped', ageMinutes: 0 })]);
    expect(planned(sight, { set: 1 }).acts).toEqual([]);
  });

  test('nor does the last word of that life, when it was started again within the second', () => {
    // Reported five seconds ago, and started half a second later: dates of reports are cut to the second.
    const sight = sightOf([ready('i-1', 1, { says: 'stopped', ageMinutes: 4.5 / 60 })]);
    const { acts, memory } = planned(sight, { set: 1 });
    expect(acts).toEqual([]);
    expect(memory.standing).toMatchObject({ ready: 0, booting: 1 });
  });
});
