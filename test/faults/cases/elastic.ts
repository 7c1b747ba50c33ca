import { setTimeout as delay } from 'node:timers/promises';
import type { Explanation } from '../../../src/scaling/explain.ts';
import { giveOrders } from '../../../src/scaling/lease.ts';
import { readMemory } from '../../../src/scaling/memory.ts';
import { openRegister } from '../../../src/scaling/open.ts';
import { readState } from '../../../src/scaling/state.ts';
import {
  cutShort,
  decisionsOf,
  different,
  instanceType,
  openEyes,
  openFleet,
  scaling,
  twice,
} from '../fleet.ts';
import type { Operation } from '../history.ts';
import { becomesTrue, type Lab, urlOf } from '../lab.ts';
import { startLoad } from '../load.ts';
import {
  atLeast,
  type Check,
  conclude,
  deadLetters,
  equals,
  type FaultTest,
  isTrue,
  type Trial,
} from '../trial.ts';

interface Burst {
  readonly lab: Lab;
  readonly operations: readonly Operation[];
  readonly checks: (acked: number) => Promise<Check[]>;
}

const whoActs = (decisions: readonly Explanation[], verb: string): readonly Explanation[] =>
  decisions.filter(({ acts }) => acts.some((act) => act.startsWith(verb)));

/** So many images at once at a fleet of none, under a policy; over when there is none again. */
const sendBurst = async (
  trial: Trial,
  count: number,
  most: number,
  policy: readonly string[],
): Promise<Burst> => {
  const lab = await openFleet(trial);
  const eyes = openEyes(trial, lab);
  const url = await urlOf(await lab.startWeb());
  const scaler = lab.launchScaler({ args: scaling(0, most, ...policy) });
  await scaler.ready;
  await delay(2_000);
  const atRest = (await eyes.all()).length;
  const sizes = [0];
  let watching = true;
  const watch = (async () => {
    for (; watching; await delay(200)) {
      const size = (await eyes.alive()).length;
      if (size !== sizes.at(-1)) sizes.push(size);
    }
  })();
  const load = startLoad({ urls: () => [url], photos: trial.photos, count, concurrency: count });
  await load.done;
  const none = await becomesTrue(async () => (await eyes.alive()).length === 0, 180_000, 500);
  watching = false;
  await watch;
  const all = await eyes.all();
  scaler.signal('SIGTERM');
  await scaler.ended;
  const decisions = await decisionsOf(lab);
  const launching = whoActs(decisions, 'launch');
  const draining = whoActs(decisions, 'drain');
  const changes = decisions.filter(({ acts }) => acts.length > 0);
  trial.say(`fleet ${sizes.join(' -> ')}`);
  for (const { sentence, acts } of changes) trial.say(`${sentence} [${acts.join(', ')}]`);
  // Up, and then down: no size comes after a larger and before a larger one.
  const top = sizes.indexOf(most);
  const isSequence = sizes.every((size, index) => {
    const before = sizes[index - 1];
    return before === undefined || (index <= top ? size > before : size < before);
  });
  return {
    lab,
    operations: load.operations,
    checks: async (acked) => [
      equals('acked', acked, count),
      equals('workers at rest', atRest, 0),
      equals('workers at most', Math.max(...sizes), most),
      isTrue('up, then down', isSequence),
      isTrue('none is left', none),
      equals('launched twice', twice(all), 0),
      equals('workers ended while working', cutShort(lab).length, 0),
      equals('dead letters', await deadLetters(lab), 0),
      atLeast('decisions that launch', launching.length, 1),
      isTrue(
        'because of what waits',
        launching.every(({ sentence }) => / waiting/.test(sentence)),
      ),
      atLeast('decisions that drain', draining.length, 1),
      isTrue(
        'when nothing waits',
        draining.every(({ sentence }) => /: 0 waiting/.test(sentence)),
      ),
      different(decisions),
    ],
  };
};

const burst: FaultTest = {
  name: 'F29',
  title: 'a burst of 200 images at a fleet of none: up to the maximum, and down to none again',
  long: true,
  run: async (trial) => {
    // Nothing has been measured when it comes, and an image in two seconds is what the scaler is told: 200 are then the work of
    // four workers for the target wait, or of seven.
    const { lab, operations, checks } = await sendBurst(trial, 200, trial.pick(3, 6), [
      ...['--policy', 'balanced', '--service-rate', '0.5', '--target-wait', trial.pick('120s', '60s')],
    ]);
    return conclude(lab, operations, undefined, ({ acked }) => checks(acked));
  },
};

const seedBurst: FaultTest = {
  name: 'F29.1',
  title: "the course's expectations of its own rule: none at rest, up under 100 requests, down again after",
  long: true,
  run: async (trial) => {
    // A worker for two that wait, and none a minute after the last.
    const { lab, operations, checks } = await sendBurst(trial, 100, trial.pick(2, 6), ['--policy', 'seed']);
    return conclude(lab, operations, undefined, ({ acked }) => checks(acked));
  },
};

const warmPool: FaultTest = {
  name: 'F32',
  title: 'a warm pool: two are stopped, the others ended; started again before anything is launched',
  run: async (trial) => {
    const lab = await openFleet(trial);
    const eyes = openEyes(trial, lab);
    const register = openRegister(lab.cluster);
    trial.atEnd(() => register.close());
    const most = trial.pick(3, 6);
    const kept = 2;
    const scaler = lab.launchScaler({
      args: scaling(0, most, '--scale-in', 'stop', '--warm', String(kept)),
    });
    await scaler.ready;
    const inState = async (...states: readonly string[]) =>
      (await eyes.all()).filter(({ state }) => states.includes(state)).map(({ id }) => id);
    const isReady = async (count: number) => {
      const { memory } = await register.read().then(({ version }) => JSON.parse(version?.body ?? '{}'));
      return readMemory(memory, 0).standing?.ready === count;
    };
    const keep = async (count: number) => {
      await giveOrders(register, (orders) => ({ ...orders, set: count }));
      return becomesTrue(() => isReady(count), 60_000);
    };
    const up = await keep(most);
    await keep(0);
    const pooled = await becomesTrue(
      async () =>
        (await inState('stopped')).length === kept &&
        (await inState('pending', 'running', 'stopping', 'shutting-down')).length === 0,
      60_000,
    );
    const stopped = await inState('stopped');
    const launchedBefore = (await eyes.all()).length;
    const again = await keep(kept);
    const started = await inState('running');
    const launchedForStarts = (await eyes.all()).length - launchedBefore;
    const more = await keep(kept + 1);
    const launchedForMore = (await eyes.all()).length - launchedBefore;
    const content = JSON.parse((await register.read()).version?.body ?? '{}');
    const kinds = readState(readMemory(content.memory, 0).policy)?.learned.kinds ?? {};
    const boots = [instanceType, `${instanceType}/warm`].map((kind) => kinds[kind]?.boot);
    scaler.signal('SIGTERM');
    await scaler.ended;
    const acts = (await decisionsOf(lab)).flatMap((decision) => decision.acts);
    trial.say(acts.join(', '));
    trial.say(`boots: launched ${boots[0]?.toFixed(1)} s, started ${boots[1]?.toFixed(1)} s`);
    return conclude(lab, [], undefined, async () => [
      isTrue(`${most} workers started`, up),
      isTrue(`${kept} are stopped, the others ended`, pooled),
      isTrue('both are started again', again),
      equals('the same instances', started.sort().join(), stopped.sort().join()),
      equals('launched meanwhile', launchedForStarts, 0),
      isTrue('one more is ready', more),
      equals('launched for it', launchedForMore, 1),
      equals('starts decided', acts.filter((act) => act.startsWith('start')).length, kept),
      isTrue(
        'boots are learned apart',
        boots.every((boot) => boot !== undefined),
      ),
    ]);
  },
};

export const elasticTests: readonly FaultTest[] = [burst, seedBurst, warmPool];
