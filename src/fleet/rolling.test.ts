import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextStep, type RollingGoal, type RollingMember, type RollingStep } from './rolling.ts';

const goal: RollingGoal = {
  release: { worker: 'new', web: 'new' },
  workers: 2,
  maxWorkers: 4,
  webSlots: ['1'],
  launchedWorkers: 0,
  bootSeconds: 300,
  leaveSeconds: 60,
};
const member = (changes: Partial<RollingMember>): RollingMember => ({
  id: 'i-1',
  role: 'worker',
  slot: '',
  release: 'old',
  standing: 'ready',
  hasAddress: false,
  forSeconds: 0,
  ...changes,
});
const old = (id: string, changes: Partial<RollingMember> = {}) => member({ id, ...changes });
const fresh = (id: string, changes: Partial<RollingMember> = {}) =>
  member({ id, release: 'new', ...changes });
const many = (count: number) => Array.from({ length: count }, (_, index) => old(`old-${index}`));
const web = (id: string, changes: Partial<RollingMember> = {}) =>
  member({ id, role: 'web', slot: '1', hasAddress: true, ...changes });
const newWeb = (changes: Partial<RollingMember> = {}) =>
  web('w2', { release: 'new', hasAddress: false, ...changes });

describe('what a roll-out does next', () => {
  const cases: readonly (readonly [
    string,
    readonly RollingMember[],
    Partial<RollingGoal>,
    Partial<RollingStep>,
  ])[] = [
    [
      'two old workers: one new one is tried first',
      [old('a'), old('b'), web('w')],
      {},
      { do: 'launch', role: 'worker' },
    ],
    [
      'the first still boots: nobody else is launched',
      [old('a'), old('b'), fresh('c', { standing: 'booting' }), web('w')],
      { launchedWorkers: 1 },
      { do: 'wait' },
    ],
    [
      'the first is ready: an old one leaves',
      [old('a'), old('b'), fresh('c'), web('w')],
      { launchedWorkers: 1 },
      { do: 'drain', id: 'a' },
    ],
    [
      'one leaves, one is left, one is new: the second new one',
      [old('a', { standing: 'leaving' }), old('b'), fresh('c'), web('w')],
      { launchedWorkers: 1 },
      { do: 'launch', role: 'worker' },
    ],
    [
      'an old one that boots leaves before one that works',
      [old('a'), old('b', { standing: 'booting' }), fresh('c'), web('w')],
      { launchedWorkers: 1 },
      { do: 'end', id: 'b' },
    ],
    [
      'an old one whose software ended is ended',
      [old('a'), old('b', { standing: 'failed' }), web('w')],
      {},
      { do: 'end', id: 'b' },
    ],
    [
      'as many as may be: one makes room',
      [old('a'), old('b'), web('w')],
      { maxWorkers: 2 },
      { do: 'drain', id: 'a' },
    ],
    [
      'as many as may be, one is leaving: no second one leaves',
      [old('a', { standing: 'leaving' }), old('b'), web('w')],
      { maxWorkers: 2 },
      { do: 'wait' },
    ],
    [
      'of eight, the first new one boots alone',
      [...many(8), fresh('n', { standing: 'booting' }), web('w')],
      { workers: 8, maxWorkers: 12, launchedWorkers: 1 },
      { do: 'wait' },
    ],
    [
      'of eight, a quarter boots side by side once one is ready',
      [...many(7), fresh('n'), fresh('o', { standing: 'booting' }), web('w')],
      { workers: 8, maxWorkers: 12, launchedWorkers: 2 },
      { do: 'launch', role: 'worker' },
    ],
    [
      'of eight, no more than a quarter boots at once',
      [
        ...many(7),
        fresh('n'),
        fresh('o', { standing: 'booting' }),
        fresh('p', { standing: 'booting' }),
        web('w'),
      ],
      { workers: 8, maxWorkers: 12, launchedWorkers: 3 },
      { do: 'wait' },
    ],
    [
      'the last old worker still finishes: the web tier waits',
      [fresh('a'), fresh('b'), old('c', { standing: 'leaving' }), web('w')],
      { launchedWorkers: 2 },
      { do: 'wait' },
    ],
    [
      'workers are new: a web instance beside the old one',
      [fresh('a'), fresh('b'), web('w')],
      { launchedWorkers: 2 },
      { do: 'launch', role: 'web', slot: '1' },
    ],
    [
      'the new web instance boots: the address stays',
      [fresh('a'), fresh('b'), web('w'), newWeb({ standing: 'booting' })],
      { launchedWorkers: 2 },
      { do: 'wait' },
    ],
    [
      'it is ready: the address moves before the old one ends',
      [fresh('a'), fresh('b'), web('w'), newWeb()],
      { launchedWorkers: 2 },
      { do: 'move-address', from: 'w', to: 'w2' },
    ],
    [
      'the address has moved: the old one ends',
      [fresh('a'), fresh('b'), web('w', { hasAddress: false }), newWeb({ hasAddress: true })],
      { launchedWorkers: 2 },
      { do: 'end', id: 'w' },
    ],
    [
      'the old one answers what it has: wait',
      [
        fresh('a'),
        fresh('b'),
        web('w', { hasAddress: false, standing: 'leaving' }),
        newWeb({ hasAddress: true }),
      ],
      { launchedWorkers: 2 },
      { do: 'wait' },
    ],
    [
      'everything is new',
      [fresh('a'), fresh('b'), newWeb({ hasAddress: true })],
      { launchedWorkers: 2 },
      { do: 'done' },
    ],
    ['no workers at all: only the web tier', [web('w')], { workers: 0 }, { do: 'launch', role: 'web' }],
    [
      'the scaler has taken a new one away: none is launched in its place',
      [fresh('a'), newWeb({ hasAddress: true })],
      { launchedWorkers: 2 },
      { do: 'done' },
    ],
    [
      'a new worker that boots for too long',
      [old('a'), old('b'), fresh('c', { standing: 'booting', forSeconds: 301 }), web('w')],
      { launchedWorkers: 1 },
      { do: 'give-up', id: 'c' },
    ],
    [
      'a new web instance that says why it ended',
      [fresh('a'), fresh('b'), web('w'), newWeb({ standing: 'failed' })],
      { launchedWorkers: 2 },
      { do: 'give-up', id: 'w2' },
    ],
    [
      'one that was told to leave and stays',
      [old('a', { standing: 'leaving', forSeconds: 61 }), old('b'), fresh('c'), web('w')],
      { launchedWorkers: 1 },
      { do: 'end', id: 'a' },
    ],
  ];

  test.each(cases)('%s', (_name, fleet, changes, expected) => {
    expect(nextStep(fleet, { ...goal, ...changes })).toMatchObject(expected);
  });
});

/** A fleet that does what it is told, some time later. */
const simulate = (
  start: readonly RollingMember[],
  first: Omit<RollingGoal, 'launchedWorkers'>,
  chance: { readonly comesUp: (launch: number) => boolean; readonly ticks: (event: number) => number },
) => {
  let fleet: (RollingMember & { readonly left: number })[] = start.map((each) => ({ ...each, left: 0 }));
  let launches = 0;
  let launchedWorkers = 0;
  const staying = (role: RollingMember['role'], slot = '') =>
    fleet.filter((each) => each.role === role && each.slot === slot && each.standing !== 'leaving');
  const serving = (role: RollingMember['role'], slot = '') =>
    staying(role, slot).filter(({ standing }) => standing === 'ready').length;
  const change = (id: string, changes: Partial<RollingMember & { left: number }>) => {
    fleet = fleet.map((each) => (each.id === id ? { ...each, ...changes } : each));
  };
  const leastWorkers = Math.min(first.workers, Math.max(0, first.maxWorkers - 1));

  for (let turn = 0; turn < 400; turn++) {
    const step = nextStep(fleet, { ...first, launchedWorkers });
    if (step.do === 'done' || step.do === 'give-up') return { step, fleet };
    if (step.do === 'launch') {
      const comesUp = chance.comesUp(launches);
      fleet.push({
        ...member({ id: `new-${launches}-${first.release.worker}`, role: step.role, slot: step.slot }),
        release: first.release[step.role],
        standing: 'booting',
        left: comesUp ? chance.ticks(launches) : Number.POSITIVE_INFINITY,
      });
      launches++;
      if (step.role === 'worker') launchedWorkers++;
      // Old workers cannot read what a newer web tier writes.
      if (step.role === 'web')
        expect(
          fleet.filter(({ role, release }) => role === 'worker' && release !== first.release.worker),
        ).toEqual([]);
    }
    if (step.do === 'drain' || step.do === 'end')
      change(step.id, { standing: 'leaving', forSeconds: 0, left: chance.ticks(turn) });
    if (step.do === 'move-address') {
      expect(fleet.find(({ id }) => id === step.to)?.standing).toBe('ready');
      change(step.from, { hasAddress: false });
      change(step.to, { hasAddress: true });
    }
    if (step.do === 'wait') {
      fleet = fleet
        .map((each) => ({ ...each, left: each.left - 1, forSeconds: each.forSeconds + 10 }))
        .filter(({ standing, left }) => standing !== 'leaving' || left > 0)
        .map((each) =>
          each.standing === 'booting' && each.left <= 0
            ? { ...each, standing: 'ready', forSeconds: 0 }
            : each,
        );
    }
    expect(fleet.filter(({ role }) => role === 'worker').length).toBeLessThanOrEqual(
      Math.max(first.maxWorkers, start.length),
    );
    expect(serving('worker')).toBeGreaterThanOrEqual(leastWorkers);
    for (const slot of first.webSlots) expect(serving('web', slot)).toBeGreaterThanOrEqual(1);
  }
  throw new Error('it never ends');
};

describe('a whole roll-out', () => {
  const situations = fc.record({
    workers: fc.integer({ min: 0, max: 8 }),
    spare: fc.integer({ min: 0, max: 3 }),
    slots: fc.integer({ min: 0, max: 3 }),
    ticks: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 5, maxLength: 5 }),
  });
  const fleetOf = (workers: number, slots: readonly string[]): readonly RollingMember[] => [
    ...Array.from({ length: workers }, (_, index) => old(`worker-${index}`)),
    ...slots.map((slot) => web(`web-${slot}`, { slot })),
  ];
  const slotsOf = (count: number) => Array.from({ length: count }, (_, index) => String(index + 1));

  test('ends with everything new, never below its capacity, never above its maximum, workers before web', () => {
    fc.assert(
      fc.property(situations, ({ workers, spare, slots, ticks }) => {
        const webSlots = slotsOf(slots);
        const { step, fleet } = simulate(
          fleetOf(workers, webSlots),
          { ...goal, workers, maxWorkers: Math.max(1, workers + spare), webSlots },
          { comesUp: () => true, ticks: (event) => ticks[event % 5] ?? 1 },
        );
        expect(step.do).toBe('done');
        expect(fleet.map(({ release }) => release)).toEqual(fleet.map(() => 'new'));
        expect(fleet.filter(({ role }) => role === 'worker')).toHaveLength(workers);
        expect(fleet.filter(({ hasAddress }) => hasAddress)).toHaveLength(slots);
      }),
    );
  });

  test('one that does not come up is found, and the release before takes its place again', () => {
    fc.assert(
      fc.property(situations, fc.nat({ max: 12 }), ({ workers, spare, slots, ticks }, bad) => {
        const webSlots = slotsOf(slots);
        const forward = { ...goal, workers, maxWorkers: Math.max(1, workers + spare), webSlots };
        const pace = (event: number) => ticks[event % 5] ?? 1;
        const first = simulate(fleetOf(workers, webSlots), forward, {
          comesUp: (launch) => launch !== bad % Math.max(1, workers + slots),
          ticks: pace,
        });
        fc.pre(first.step.do === 'give-up');
        const failed = first.step.do === 'give-up' ? first.step.id : '';
        const left = first.fleet.map((each) =>
          each.id === failed ? { ...each, standing: 'failed' as const } : each,
        );
        const back = simulateBack(left, { ...forward, release: { worker: 'old', web: 'old' } }, pace);
        expect(back.step.do).toBe('done');
        expect(back.fleet.map(({ release }) => release)).toEqual(back.fleet.map(() => 'old'));
      }),
    );
  });
});

const simulateBack = (
  fleet: readonly RollingMember[],
  back: Omit<RollingGoal, 'launchedWorkers'>,
  ticks: (event: number) => number,
) => simulate(fleet, back, { comesUp: () => true, ticks });
