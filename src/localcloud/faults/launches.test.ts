import { expect, test } from 'vitest';
import { decide, noFaultsYet, readFaultPlan } from '../faults.ts';
import { startFaultProxy } from '../proxy.ts';
import { decideLaunch, type LaunchFacts } from './launches.ts';

const facts: LaunchFacts = { instanceType: 'c7a.medium', subnetId: 'subnet-a', market: 'spot' };

const launch = (
  rules: readonly object[],
  more: Partial<LaunchFacts> = {},
  operation = 'ec2:RunInstances',
) => {
  const plan = readFaultPlan({ rules: rules.map((rule) => ({ operation: 'ec2:*', ...rule })) });
  return decideLaunch(plan, noFaultsYet(plan), operation, { ...facts, ...more }, 1).injection;
};

test.each([
  ['everywhere', {}, {}, false],
  ['its type', { instanceTypes: ['m7a.medium', 'c7a.medium'] }, {}, false],
  ['other types', { instanceTypes: ['m7a.medium'] }, {}, true],
  ['its subnet', { subnets: ['subnet-a'] }, {}, false],
  ['another subnet', { subnets: ['subnet-b'] }, {}, true],
  ['its market', { market: 'spot' }, {}, false],
  ['the other market', { market: 'on-demand' }, {}, true],
  ['its type in another subnet', { instanceTypes: ['c7a.medium'], subnets: ['subnet-b'] }, {}, true],
  ['the Spot market, asked for on demand', { market: 'spot' }, { market: 'on-demand' as const }, true],
])('without capacity in %s there is capacity for it: %s', (_name, rule, more, hasCapacity) => {
  expect(launch([{ fault: 'no-capacity', ...rule }], more).hasCapacity).toBe(hasCapacity);
});

test('delays add up, and a boot that hangs outlasts them', () => {
  const slow = { fault: 'boot-delay', ms: 1_000 };
  expect(launch([slow, { ...slow, ms: 500 }]).bootDelayMs).toBe(1_500);
  expect(launch([{ fault: 'boot-hang' }, slow]).bootDelayMs).toBe(Number.POSITIVE_INFINITY);
});

test('only Spot instances are interrupted, and only when they are launched', () => {
  const rule = { fault: 'spot-interruption', afterMs: 5, noticeMs: 7 };
  expect(launch([rule]).interruption).toEqual({ afterMs: 5, noticeMs: 7 });
  expect(launch([rule], { market: 'on-demand' }).interruption).toBeUndefined();
  expect(launch([rule], {}, 'ec2:StartInstances').interruption).toBeUndefined();
});

test('a rule with a limit is over after so many instances', () => {
  const plan = readFaultPlan({
    rules: [{ operation: 'ec2:RunInstances', fault: 'no-capacity', limit: 2 }],
  });
  let counts = noFaultsYet(plan);
  const had = Array.from({ length: 4 }, () => {
    const decision = decideLaunch(plan, counts, 'ec2:RunInstances', facts, 0);
    counts = decision.counts;
    return decision.injection.hasCapacity;
  });
  expect(had).toEqual([false, false, true, true]);
});

test('a probability hits its share of instances, the same for the same seed', () => {
  const plan = readFaultPlan({
    seed: 7,
    rules: [{ operation: 'ec2:RunInstances', fault: 'boot-hang', probability: 0.3 }],
  });
  const run = () => {
    let counts = noFaultsYet(plan);
    return Array.from({ length: 1_000 }, () => {
      const decision = decideLaunch(plan, counts, 'ec2:RunInstances', facts, 0);
      counts = decision.counts;
      return decision.injection.bootDelayMs > 0;
    });
  };
  const hung = run();
  expect(hung.filter(Boolean).length).toBeGreaterThan(250);
  expect(hung.filter(Boolean).length).toBeLessThan(350);
  expect(run()).toEqual(hung);
});

test('a rule about instances does nothing to the request', () => {
  const plan = readFaultPlan({ rules: [{ operation: 'ec2:RunInstances', fault: 'no-capacity' }] });
  expect(decide(plan, noFaultsYet(plan), 'ec2:RunInstances', 0).injection).toBeUndefined();
});

test.each([
  { operation: 'sqs:SendMessage', fault: 'no-capacity' },
  { operation: 'ec2:TerminateInstances', fault: 'boot-hang' },
  { operation: 'ec2:StartInstances', fault: 'spot-interruption' },
  { operation: 'ec2:RunInstances', fault: 'lag' },
])('$fault is not for $operation', (rule) => {
  expect(() => readFaultPlan({ rules: [rule] })).toThrow(`not for ${rule.operation}`);
});

test('the proxy, which is in no cloud, refuses such rules', async () => {
  const plan = readFaultPlan({ rules: [{ operation: 'ec2:RunInstances', fault: 'no-capacity' }] });
  await expect(startFaultProxy({ target: 'http://127.0.0.1:9', plan })).rejects.toThrow('inside a cloud');
});
