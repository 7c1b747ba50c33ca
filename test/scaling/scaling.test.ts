import { describe, expect, test } from 'vitest';
import type { PolicyConfig } from '../../src/scaling/policy.ts';
import type { Run } from '../../src/scaling/scaler.ts';
import { createSimClock } from '../fixtures/sim-clock.ts';
import { configOf, keepRunning, randomOf, startScaler } from './scalers.ts';
import { createWorld, type Fate, refusal, silence, slotOf, type World } from './world.ts';

const everyMs = 10_000;
const policy = (world: World, changes: Partial<PolicyConfig>) => ({ ...configOf(world).policy, ...changes });

const open = () => {
  const clock = createSimClock();
  const world = createWorld(clock);
  const stop = new AbortController();
  return { clock, world, stop };
};

/** Instances that were launched with one token, in all. */
const launchedTwice = (world: World): string[] => {
  const tokens = [...world.machines.values()].map(({ request }) => request.clientToken);
  return tokens.filter((token, index) => tokens.indexOf(token) !== index);
};

const freshLaunches = (run: Run): number =>
  run.kind === 'decided' ? run.plan.acts.filter((act) => act.kind === 'launch' && act.fresh).length : 0;

describe('one scaler', () => {
  test('brings a fleet up for a backlog and down again when it is done, and loses nothing', async () => {
    const { clock, world, stop } = open();
    keepRunning(startScaler(world, clock, configOf(world), { dead: false }), clock, everyMs, stop.signal);
    await clock.advance(30_000);
    expect(world.machines.size).toBe(0);
    world.queue.waiting = 2_000;
    await clock.advance(600_000);
    expect(world.queue).toEqual({ waiting: 0, done: 2_000 });
    expect(world.mostAlive).toBeGreaterThan(1);
    expect(world.mostAlive).toBeLessThanOrEqual(8);
    await clock.advance(3_600_000);
    expect(world.alive()).toEqual([]);
    // Each was asked to drain and had done so before it was ended.
    for (const { drainAskedMs, ended } of world.machines.values())
      expect({ asked: drainAskedMs !== undefined, working: ended?.working }).toEqual({
        asked: true,
        working: false,
      });
    stop.abort();
  });

  test('ends a worker that does not drain, but not before its time is over', async () => {
    const { clock, world, stop } = open();
    world.faults.drainMs = Number.POSITIVE_INFINITY;
    const config = configOf(world, { policy: policy(world, { min: 2, max: 2 }) });
    keepRunning(startScaler(world, clock, config, { dead: false }), clock, everyMs, stop.signal);
    await clock.advance(60_000);
    stop.abort();
    const next = new AbortController();
    const fewer = configOf(world, { policy: policy(world, { policy: 'fixed', min: 1, max: 1 }) });
    await clock.advance(31_000);
    keepRunning(startScaler(world, clock, fewer, { dead: false }), clock, everyMs, next.signal);
    await clock.advance(200_000);
    const [gone, ...others] = [...world.machines.values()].filter(({ ended }) => ended !== undefined);
    expect(others).toEqual([]);
    expect((gone?.ended?.atMs ?? 0) - (gone?.drainAskedMs ?? 0)).toBeGreaterThanOrEqual(45_000 - 1_000);
    expect((gone?.ended?.atMs ?? 0) - (gone?.drainAskedMs ?? 0)).toBeLessThanOrEqual(45_000 + 2 * everyMs);
    next.abort();
  });

  test('ends what has not reported for ten minutes, and replaces it', async () => {
    const { clock, world, stop } = open();
    const config = configOf(world, { policy: policy(world, { min: 1, max: 2 }) });
    keepRunning(startScaler(world, clock, config, { dead: false }), clock, everyMs, stop.signal);
    await clock.advance(60_000);
    const [first] = world.alive();
    world.faults.mute.add(first?.id ?? '');
    await clock.advance(500_000);
    expect(world.alive().map(({ id }) => id)).toEqual([first?.id]);
    await clock.advance(150_000);
    expect(first?.state).toBe('terminated');
    expect(world.alive()).toHaveLength(1);
    stop.abort();
  });

  test('gives up boots that hang, replaces them, and says so after three', async () => {
    const { clock, world, stop } = open();
    world.faults.bootMs = () => Number.POSITIVE_INFINITY;
    const config = configOf(world, { policy: policy(world, { min: 1, max: 2 }) });
    let failed = 0;
    keepRunning(startScaler(world, clock, config, { dead: false }), clock, everyMs, stop.signal, (run) => {
      if (run.kind === 'decided') failed = Math.max(failed, run.plan.memory.failedBoots);
    });
    await clock.advance(3_600_000);
    expect(failed).toBeGreaterThanOrEqual(3);
    expect(world.mostAlive).toBe(1);
    world.faults.bootMs = () => 30_000;
    await clock.advance(900_000);
    expect(world.alive().map(({ report }) => report?.state)).toEqual(['ready']);
    stop.abort();
  });
});

describe('between a decision and what is done of it', () => {
  test('an image that comes spares workers that were to go', async () => {
    const { clock, world, stop } = open();
    const seed = configOf(world, { policy: policy(world, { policy: 'seed', max: 4 }) });
    const fate: Fate = { dead: false };
    const acts: string[] = [];
    keepRunning(startScaler(world, clock, seed, fate), clock, everyMs, stop.signal, (run) => {
      if (run.kind === 'decided') acts.push(...run.plan.acts.map(({ kind }) => kind));
    });
    world.queue.waiting = 40;
    await clock.advance(60_000);
    expect(world.alive()).toHaveLength(4);
    // The count is read before the decision and, where somebody is to go, once more before anybody is told.
    let decidedAtMs = -1;
    fate.around = async (call, when) => {
      if (call === 's3:PutObject lock' && when === 'after') decidedAtMs = clock.monotonicMs();
      const isSecondLook = call === 'sqs:GetQueueAttributes' && clock.monotonicMs() === decidedAtMs;
      if (isSecondLook && when === 'before') world.queue.waiting = 100;
    };
    await clock.advance(90_000);
    expect(acts).toContain('drain');
    expect(world.effects.filter(({ kind }) => kind === 'drain')).toEqual([]);
    expect(world.alive()).toHaveLength(4);
    stop.abort();
  });
});

describe('F16: several scalers', () => {
  const waves = (world: World, tick: number) => {
    // Bursts and pauses, so that the fleet keeps growing and shrinking.
    if (tick % 20 === 5) world.queue.waiting += 1_500;
    if (tick % 50 === 30) world.queue.waiting += 200;
  };

  test.each([
    [2, 1],
    [5, 2],
    [5, 3],
  ])('%i at once, 200 ticks, pauses at each step (seed %i)', async (count, seed) => {
    const { clock, world, stop } = open();
    world.faults.listLagMs = 5_000;
    const random = randomOf(seed);
    const config = configOf(world, { policy: policy(world, { min: 1, max: 6 }) });
    let launches = 0;
    for (let index = 0; index < count; index++) {
      // Before a call: less than the ten seconds between the last act and the end of a lease. After it: anything.
      const fate: Fate = {
        dead: false,
        around: (_call, when) =>
          clock.sleep(random() < 0.02 ? random() * (when === 'before' ? 8_000 : 60_000) : random() * 100),
      };
      keepRunning(startScaler(world, clock, config, fate), clock, everyMs, stop.signal, (run) => {
        launches += freshLaunches(run);
      });
    }
    for (let tick = 0; tick < 200; tick++) {
      waves(world, tick);
      await clock.advance(everyMs);
    }
    expect(world.mostAlive).toBeLessThanOrEqual(6);
    expect(launchedTwice(world)).toEqual([]);
    expect(world.machines.size).toBeGreaterThan(10);
    // A pause may have kept a decided launch from being made yet; none is made that was not decided.
    expect(launches - world.machines.size).toBeGreaterThanOrEqual(0);
    expect(launches - world.machines.size).toBeLessThanOrEqual(2);
    expect(world.effects.filter(({ byOwner }) => !byOwner)).toEqual([]);
    // Nobody took a lease that had not run out; S3's dates are whole seconds.
    const takeovers = world.writes.slice(1).flatMap((write, index) => {
      const before = world.writes[index];
      return before !== undefined && before.owner !== write.owner ? [write.atMs - before.atMs] : [];
    });
    expect(takeovers.length).toBeGreaterThan(0);
    expect(Math.min(...takeovers)).toBeGreaterThanOrEqual(29_000);
    stop.abort();
  });

  test('one that dies is replaced when its lease has run out, within a turn', async () => {
    const { clock, world, stop } = open();
    const config = configOf(world, { policy: policy(world, { min: 1, max: 2 }) });
    const first: Fate = { dead: false };
    keepRunning(startScaler(world, clock, config, first), clock, everyMs, stop.signal);
    await clock.advance(25_000);
    const tookOver: number[] = [];
    keepRunning(startScaler(world, clock, config, { dead: false }), clock, everyMs, stop.signal, (run) => {
      if (run.kind === 'decided') tookOver.push(clock.monotonicMs());
    });
    await clock.advance(20_000);
    expect(tookOver).toEqual([]);
    first.dead = true;
    const diedMs = clock.monotonicMs();
    await clock.advance(60_000);
    expect((tookOver[0] ?? Number.POSITIVE_INFINITY) - diedMs).toBeLessThanOrEqual(30_000 + everyMs);
    expect(world.lock().epoch).toBe(2);
    stop.abort();
  });

  test('one that ends gives its lease back: the next acts at once', async () => {
    const { clock, world, stop } = open();
    const first = startScaler(world, clock, configOf(world), { dead: false });
    expect(await first.run()).toMatchObject({ kind: 'decided' });
    const second = startScaler(world, clock, configOf(world), { dead: false });
    expect(await second.run()).toMatchObject({ kind: 'standby' });
    await first.close();
    expect(await second.run()).toMatchObject({ kind: 'decided' });
    stop.abort();
  });
});

describe('a scaler that is killed', () => {
  /** Every call of a life that grows to eight and shrinks to one, before and after: the process dies there, and another follows. */
  const lifeUntil = async (deathAt: number): Promise<{ readonly world: World; readonly steps: number }> => {
    const { clock, world, stop } = open();
    let steps = 0;
    const fate: Fate = {
      dead: false,
      around: async () => {
        steps++;
        if (steps === deathAt) fate.dead = true;
      },
    };
    // The course's rule lets go after a minute: a whole life is seven minutes.
    const config = configOf(world, { policy: policy(world, { policy: 'seed', min: 1, max: 8 }) });
    world.queue.waiting = 1_500;
    keepRunning(startScaler(world, clock, config, fate), clock, everyMs, stop.signal);
    for (let tick = 0; tick < 30; tick++) {
      await clock.advance(everyMs);
      if (!fate.dead) continue;
      keepRunning(startScaler(world, clock, config, { dead: false }), clock, everyMs, stop.signal);
      break;
    }
    await clock.advance(300_000);
    stop.abort();
    return { world, steps };
  };

  test('at any step leaves nothing that the next one does not mend', async () => {
    const { steps } = await lifeUntil(Number.POSITIVE_INFINITY);
    expect(steps).toBeGreaterThan(300);
    const stride = 11;
    for (let deathAt = 1; deathAt <= steps; deathAt += stride) {
      const { world } = await lifeUntil(deathAt);
      const told = `killed at step ${deathAt}`;
      expect(launchedTwice(world), told).toEqual([]);
      expect(world.mostAlive, told).toBeLessThanOrEqual(8);
      expect(world.queue, told).toEqual({ waiting: 0, done: 1_500 });
      // Back at the minimum, and nobody was ended while working.
      expect(world.alive(), told).toHaveLength(1);
      expect(
        [...world.machines.values()].filter(({ ended }) => ended?.working),
        told,
      ).toEqual([]);
    }
  }, 60_000);
});

describe('F17: a cloud that refuses, loses answers and lags', () => {
  test('a lost answer launches nothing twice', async () => {
    const { clock, world, stop } = open();
    let lost = 0;
    world.faults.listLagMs = 30_000;
    world.faults.launch = () => {
      lost++;
      return lost % 2 === 1 ? { error: silence(), done: true } : undefined;
    };
    const config = configOf(world, { policy: policy(world, { min: 6, max: 6 }) });
    keepRunning(startScaler(world, clock, config, { dead: false }), clock, everyMs, stop.signal);
    await clock.advance(180_000);
    expect(world.alive().map(slotOf).sort()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(world.machines.size).toBe(6);
    stop.abort();
  });

  test('throttling is given time, and the fleet is complete in the end', async () => {
    const { clock, world, stop } = open();
    world.faults.launch = () =>
      clock.monotonicMs() < 60_000 ? { error: refusal('RequestLimitExceeded', 503), done: false } : undefined;
    const config = configOf(world, { policy: policy(world, { min: 6, max: 6 }) });
    keepRunning(startScaler(world, clock, config, { dead: false }), clock, everyMs, stop.signal);
    await clock.advance(60_000);
    // 2 s, 4 s, 8 s, 16 s ... between them, four calls at once at most: not a call for each worker and run.
    expect(world.calls.get('ec2:RunInstances')).toBeLessThanOrEqual(24);
    await clock.advance(120_000);
    expect(world.alive()).toHaveLength(6);
    expect(world.machines.size).toBe(6);
    stop.abort();
  });

  test('two of three pools are out: the third is used, and the others are left alone for five minutes', async () => {
    const { clock, world, stop } = open();
    const asked: { readonly pool: string; readonly atMs: number }[] = [];
    world.faults.launch = ({ instanceType, market }) => {
      asked.push({ pool: `${market} ${instanceType}`, atMs: clock.monotonicMs() });
      return market === 'spot'
        ? { error: refusal('InsufficientInstanceCapacity', 500), done: false }
        : undefined;
    };
    const config = configOf(world, {
      policy: policy(world, { min: 6, max: 6 }),
      pools: { instanceTypes: ['a.one', 'b.two'], subnetIds: [], spot: true },
    });
    keepRunning(startScaler(world, clock, config, { dead: false }), clock, everyMs, stop.signal);
    // The first run asks one after the other until it has them all.
    await clock.advance(1_000);
    expect(world.alive()).toHaveLength(6);
    // Four calls are under way when the first answer comes, so that a refusal costs four at most.
    expect(asked.length).toBeLessThanOrEqual(4 + 4 + 6);
    await clock.advance(120_000);
    expect(world.alive()).toHaveLength(6);
    expect(new Set(world.alive().map(({ request }) => `${request.market} ${request.instanceType}`))).toEqual(
      new Set(['on-demand a.one']),
    );
    for (const pool of ['spot a.one', 'spot b.two']) {
      const times = asked.filter((call) => call.pool === pool).map(({ atMs }) => atMs);
      // Calls that were under way when the first was refused do not count as another try.
      expect(Math.max(...times) - Math.min(...times), pool).toBeLessThan(1_000);
    }
    // After five minutes it may be asked again, when there is a reason.
    world.faults.launch = () => undefined;
    await clock.advance(300_000);
    const [victim] = world.alive();
    if (victim !== undefined) victim.state = 'terminated';
    await clock.advance(30_000);
    expect(world.alive().map(({ request }) => request.market)).toContain('spot');
    stop.abort();
  });
});
