import { setTimeout as delay } from 'node:timers/promises';
import { fakeClock } from '../fake-clock.ts';
import { cutShort, decisionsOf, different, openEyes, openFleet, scaling, twice } from '../fleet.ts';
import { becomesTrue, urlOf } from '../lab.ts';
import { startLoad } from '../load.ts';
import { type Call, openTap } from '../tap.ts';
import { atLeast, atMost, conclude, deadLetters, equals, type FaultTest, isTrue } from '../trial.ts';

const wrongClocks: FaultTest = {
  name: 'F15.1',
  title: 'two scalers whose clocks are wrong by +1 h and -2 h',
  run: async (trial) => {
    const library = fakeClock();
    if (library === undefined)
      return { kind: 'skipped', why: 'libfaketime is not installed (apt-get install faketime)' };
    const lab = await openFleet(trial);
    const eyes = openEyes(trial, lab);
    const tap = await openTap(lab.endpoint);
    trial.atEnd(tap.close);
    const scalers = ['+1h', '-2h'].map((offset) =>
      lab.launchScaler({
        via: tap,
        args: scaling(2, 2),
        environment: { LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' },
      }),
    );
    await Promise.all(scalers.map((scaler) => scaler.ready));
    const complete = await becomesTrue(async () => (await eyes.running()) === 2, 60_000);
    await delay(trial.pick(3_000, 40_000));
    const all = await eyes.all();
    for (const scaler of scalers) scaler.signal('SIGTERM');
    const codes = await Promise.all(scalers.map(async ({ ended }) => (await ended).code));
    const decisions = await decisionsOf(lab);
    const off = decisions.map(({ at }) => Math.abs(Date.parse(at) - Date.now()));
    return conclude(lab, [], undefined, async () => [
      isTrue('the fleet is complete', complete),
      equals('instances ever', all.length, 2),
      equals('launched twice', twice(all), 0),
      equals('exit codes', codes.join(), '0,0'),
      // The cloud's time, not theirs.
      atMost('decisions dated wrongly by s', Math.max(0, ...off) / 1_000, 120),
      atLeast('decisions', decisions.length, 1),
    ]);
  },
};

/** Moments in a run of the scaler at which it dies; the cloud has done what the call asked, and the scaler does not know. */
const moments: readonly { readonly name: string; readonly at: (call: Call) => boolean }[] = [
  {
    name: 'asked to drain or end one',
    at: ({ body }) => /TerminateInstances|SendCommand|InstanceIds/.test(body.toString()),
  },
  {
    name: 'wrote its lock',
    at: ({ operation, key }) => operation === 's3:PutObject' && key === 'locks/scale',
  },
  { name: 'counted the queue', at: ({ operation }) => operation === 'sqs:GetQueueAttributes' },
  { name: 'listed the instances', at: ({ body }) => body.toString().includes('DescribeInstances') },
  { name: 'read the reports', at: ({ operation }) => operation.startsWith('s3:GETBucket') },
  { name: 'wrote its journal', at: ({ key }) => key.startsWith('journal/') },
];

const shrinkUnderLoad: FaultTest = {
  name: 'F16',
  title: 'scalers killed while a fleet shrinks to one under full load, another beside each',
  run: async (trial) => {
    const lab = await openFleet(trial);
    const eyes = openEyes(trial, lab);
    const most = trial.pick(4, 8);
    const web = await lab.startWeb();
    const first = lab.launchScaler({ args: scaling(most, most) });
    const complete = await becomesTrue(async () => (await eyes.running()) === most, 120_000);
    first.signal('SIGTERM');
    await first.ended;
    const url = await urlOf(web);
    const load = startLoad({ urls: () => [url], photos: trial.photos, concurrency: trial.pick(16, 64) });
    await load.reaches(20);
    const deaths = moments.slice(0, trial.pick(1, moments.length));
    let killed = 0;
    let lastDeathAtMs = performance.now();
    for (const [index, { at }] of deaths.entries()) {
      const tap = await openTap(lab.endpoint);
      trial.atEnd(tap.close);
      const target = Math.max(1, most - 1 - Math.floor(((index + 1) * (most - 1)) / (deaths.length + 1)));
      // The lease of the one before has to run out first.
      const victim = lab.launchScaler({ via: tap, args: scaling(target, target) });
      let isDead = false;
      tap.hook({
        onAnswer: (call) => {
          if (isDead || !at(call)) return undefined;
          isDead = true;
          victim.signal('SIGKILL');
          return 'drop';
        },
      });
      if (await becomesTrue(() => !victim.isRunning(), 120_000)) killed++;
      await victim.kill();
      lastDeathAtMs = performance.now();
    }
    const last = lab.launchScaler({ args: scaling(1, 1) });
    const single = await becomesTrue(async () => (await eyes.alive()).length === 1, 120_000);
    load.stop();
    await load.done;
    const all = await eyes.all();
    last.signal('SIGTERM');
    await last.ended;
    const survivors = new Set((await eyes.alive()).map(({ id }) => `${id}.log`));
    const short = cutShort(lab).filter((name) => !survivors.has(name));
    const decisions = await decisionsOf(lab);
    return conclude(lab, load.operations, lastDeathAtMs, async () => [
      isTrue(`${most} workers started`, complete),
      equals('scalers killed', killed, deaths.length),
      isTrue('one is left', single),
      equals('launched twice', twice(all), 0),
      atMost('instances ever', all.length, most),
      equals('workers ended while working', short.length, 0),
      equals('dead letters', await deadLetters(lab), 0),
      different(decisions),
    ]);
  },
};

const awkwardCloud: FaultTest = {
  name: 'F17',
  title: 'launches: answers lost, throttled, no Spot capacity, a list that lags',
  run: async (trial) => {
    const lab = await openFleet(trial);
    const eyes = openEyes(trial, lab);
    await lab.setFaults(
      [
        { operation: 'ec2:RunInstances', fault: 'no-capacity', market: 'spot' },
        { operation: 'ec2:RunInstances', fault: 'drop-response', probability: 0.5 },
        { operation: 'ec2:RunInstances', fault: 'throttle', limit: 2 },
        { operation: 'ec2:DescribeInstances', fault: 'lag', ms: trial.pick(5_000, 30_000) },
      ],
      trial.seed,
    );
    const count = trial.pick(2, 4);
    const scaler = lab.launchScaler({ args: scaling(count, count, '--spot') });
    await scaler.ready;
    const complete = await becomesTrue(async () => (await eyes.running()) === count, 120_000);
    await delay(trial.pick(6_000, 40_000));
    await lab.setFaults([]);
    const all = await eyes.all();
    scaler.signal('SIGTERM');
    await scaler.ended;
    return conclude(lab, [], undefined, async () => [
      isTrue('the fleet is complete', complete),
      equals('instances ever', all.length, count),
      equals('launched twice', twice(all), 0),
    ]);
  },
};

const cron: FaultTest = {
  name: 'F30',
  title: 'five shifts of cron in a row, and one that overlaps',
  run: async (trial) => {
    const lab = await openFleet(trial);
    const eyes = openEyes(trial, lab);
    const seconds = trial.pick(2, 8);
    const shift = (min: number) => lab.launchScaler({ args: scaling(min, 2, '--for', `${seconds}s`) });
    const codes: (number | null)[] = [];
    const sizes: number[] = [];
    for (let n = 0; n < 5; n++) {
      const own = shift(2);
      await own.ready;
      // Started by a cron that believes in other settings, too: it finds the lease taken and does nothing.
      const second = n === 2 ? shift(2) : undefined;
      for (const each of [own, ...(second ? [second] : [])]) codes.push((await each.ended).code);
      sizes.push((await eyes.alive()).length);
    }
    const all = await eyes.all();
    const decisions = await decisionsOf(lab);
    const launched = decisions.flatMap(({ acts }) => acts.filter((act) => act.startsWith('launch')));
    return conclude(lab, [], undefined, async () => [
      equals('exit codes', codes.join(), '0,0,0,0,0,0'),
      equals('workers after each shift', sizes.join(), '2,2,2,2,2'),
      equals('instances ever', all.length, 2),
      equals('launches decided', launched.length, 2),
      atLeast('decisions', decisions.length, 5),
      different(decisions),
    ]);
  },
};

export const scalingTests: readonly FaultTest[] = [wrongClocks, shrinkUnderLoad, awkwardCloud, cron];
