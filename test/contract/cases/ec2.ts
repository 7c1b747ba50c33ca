import {
  DescribeInstancesCommand,
  type DescribeInstancesCommandInput,
  type Instance,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect } from 'vitest';
import { expectRefusal, expectSomeRefusal, refusal, rewriting } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const describe = async ({ ec2 }: Stage, input: DescribeInstancesCommandInput) => {
  const { Reservations = [], NextToken } = await ec2.send(new DescribeInstancesCommand(input));
  return { instances: Reservations.flatMap(({ Instances = [] }) => Instances), NextToken };
};

const idsOf = (instances: readonly Instance[]) =>
  instances.map(({ InstanceId }) => InstanceId ?? '').toSorted();

/** RunInstances fields for `count` instances with the tag `imgrec:slot`, which no other case has. */
const tagged = (slot: string, count = 1, more: Record<string, string> = {}) =>
  ({
    MinCount: count,
    MaxCount: count,
    TagSpecifications: [
      {
        ResourceType: 'instance',
        Tags: Object.entries({ 'imgrec:slot': slot, ...more }).map(([Key, Value]) => ({ Key, Value })),
      },
    ],
  }) satisfies Partial<RunInstancesCommandInput>;

const bySlot = (...Values: string[]) => ({ Name: 'tag:imgrec:slot', Values });

const byState = (...Values: string[]) => ({ Name: 'instance-state-name', Values });

/** Waits until every instance of the slot is in `state`, and returns them. */
const untilAll = (stage: Stage, slot: string, state: string): Promise<readonly Instance[]> =>
  stage.eventually(async () => {
    const { instances } = await describe(stage, { Filters: [bySlot(slot)] });
    expect(instances.length).toBeGreaterThan(0);
    for (const { State } of instances) expect(State?.Name).toBe(state);
    return instances;
  });

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'ec2', name, run });

export const ec2Cases: readonly ContractCase[] = [
  test('a launched instance is pending, then running, with what it was launched with', async (stage) => {
    const slot = stage.name();
    const [launched] = await stage.launch(tagged(slot, 1, { Name: 'contract-worker' }));
    expect(launched?.InstanceId).toMatch(/^i-[0-9a-f]{17}$/);
    expect(launched?.State).toMatchObject({ Code: 0, Name: 'pending' });
    const [running] = await untilAll(stage, slot, 'running');
    expect(running).toMatchObject({
      InstanceId: launched?.InstanceId,
      ImageId: stage.connection.imageId,
      InstanceType: 't3.micro',
      State: { Code: 16, Name: 'running' },
    });
    expect(running?.LaunchTime).toBeInstanceOf(Date);
    expect(running?.Tags?.toSorted((a, b) => (a.Key ?? '').localeCompare(b.Key ?? ''))).toEqual([
      { Key: 'imgrec:slot', Value: slot },
      { Key: 'Name', Value: 'contract-worker' },
    ]);
  }),

  test('one call launches as many instances as it asks for', async (stage) => {
    const slot = stage.name();
    const launched = await stage.launch(tagged(slot, 2));
    expect(new Set(idsOf(launched)).size).toBe(2);
    expect(idsOf(await untilAll(stage, slot, 'running'))).toEqual(idsOf(launched));
  }),

  test('instances are found by id, by tag, by any of several values, and by wildcard', async (stage) => {
    const slot = stage.name();
    const [a] = await stage.launch(tagged(`${slot}-a`));
    const [b] = await stage.launch(tagged(`${slot}-b`));
    const find = (input: DescribeInstancesCommandInput, wanted: (Instance | undefined)[]) =>
      stage.eventually(async () =>
        expect(idsOf((await describe(stage, input)).instances)).toEqual(
          idsOf(wanted.flatMap((x) => x ?? [])),
        ),
      );
    await find({ InstanceIds: [b?.InstanceId ?? ''] }, [b]);
    await find({ Filters: [bySlot(`${slot}-a`)] }, [a]);
    await find({ Filters: [bySlot(`${slot}-a`, `${slot}-b`)] }, [a, b]);
    await find({ Filters: [bySlot(`${slot}-*`)] }, [a, b]);
    await find({ Filters: [bySlot(`${slot}-?`), { Name: 'tag-key', Values: ['imgrec:slot'] }] }, [a, b]);
    await find({ Filters: [bySlot(`${slot}-`)] }, []);
    await find({ Filters: [bySlot(`${slot}-a`), { Name: 'tag:absent', Values: ['*'] }] }, []);
  }),

  test('several filters all have to hold', async (stage) => {
    const slot = stage.name();
    const launched = await stage.launch(tagged(slot));
    await untilAll(stage, slot, 'running');
    const alive = await describe(stage, { Filters: [bySlot(slot), byState('pending', 'running')] });
    expect(idsOf(alive.instances)).toEqual(idsOf(launched));
    const dead = await describe(stage, { Filters: [bySlot(slot), byState('terminated', 'stopped')] });
    expect(dead.instances).toEqual([]);
  }),

  test('a filter that EC2 does not know is refused, not ignored', async (stage) => {
    const asking = describe(stage, { Filters: [{ Name: 'colour', Values: ['red'] }] });
    expect((await refusal(asking)).status).toBe(400);
  }),

  test('paging lists every instance once', async (stage) => {
    const slot = stage.name();
    const launched = await stage.launch(tagged(slot, 6));
    await stage.eventually(async () => {
      const found: Instance[] = [];
      let token: string | undefined;
      for (let page = 0; page < 4; page += 1) {
        // Five is the least that EC2 takes as MaxResults.
        const { instances, NextToken } = await describe(stage, {
          Filters: [bySlot(slot)],
          MaxResults: 5,
          ...(token === undefined ? {} : { NextToken: token }),
        });
        expect(instances.length).toBeLessThanOrEqual(6);
        found.push(...instances);
        token = NextToken;
        if (!token) break;
      }
      expect(idsOf(found)).toEqual(idsOf(launched));
    });
  }),

  test('the same ClientToken launches once and answers the same instance', async (stage) => {
    const slot = stage.name();
    const input = { ...tagged(slot), ClientToken: slot };
    const first = await stage.launch(input);
    const second = await stage.launch(input);
    expect(idsOf(second)).toEqual(idsOf(first));
    const { instances } = await describe(stage, { Filters: [bySlot(slot)] });
    expect(idsOf(instances)).toEqual(idsOf(first));
  }),

  test('five racing calls with the same ClientToken launch once', async (stage) => {
    const slot = stage.name();
    const input = { ...tagged(slot), ClientToken: slot };
    const launches = await Promise.all([1, 2, 3, 4, 5].map(() => stage.launch(input)));
    expect(new Set(launches.flatMap(idsOf)).size).toBe(1);
  }),

  test('the same ClientToken with other parameters is refused as IdempotentParameterMismatch', async (stage) => {
    const slot = stage.name();
    await stage.launch({ ...tagged(slot), ClientToken: slot });
    await expectRefusal(
      stage.launch({ ...tagged(slot), ClientToken: slot, InstanceType: 't3.small' }),
      'IdempotentParameterMismatch',
      400,
    );
  }),

  test('a dry run launches nothing', async (stage) => {
    const slot = stage.name();
    await expectSomeRefusal(stage.launch({ ...tagged(slot), DryRun: true }));
    expect((await describe(stage, { Filters: [bySlot(slot)] })).instances).toEqual([]);
  }),

  test('a terminated instance says so, stays listed and is no longer running', async (stage) => {
    const slot = stage.name();
    const InstanceIds = idsOf(await stage.launch(tagged(slot)));
    await untilAll(stage, slot, 'running');
    const { TerminatingInstances } = await stage.ec2.send(new TerminateInstancesCommand({ InstanceIds }));
    expect(TerminatingInstances).toMatchObject([
      { InstanceId: InstanceIds[0], PreviousState: { Code: 16, Name: 'running' } },
    ]);
    expect(['shutting-down', 'terminated']).toContain(TerminatingInstances?.[0]?.CurrentState?.Name);
    const [terminated] = await untilAll(stage, slot, 'terminated');
    expect(terminated?.State?.Code).toBe(48);
  }),

  test('terminating twice is no error', async (stage) => {
    const slot = stage.name();
    const InstanceIds = idsOf(await stage.launch(tagged(slot)));
    await stage.ec2.send(new TerminateInstancesCommand({ InstanceIds }));
    await untilAll(stage, slot, 'terminated');
    const again = await stage.ec2.send(new TerminateInstancesCommand({ InstanceIds }));
    expect(again.TerminatingInstances?.map(({ InstanceId }) => InstanceId)).toEqual(InstanceIds);
    await untilAll(stage, slot, 'terminated');
  }),

  test('with one unknown id TerminateInstances terminates none', async (stage) => {
    const slot = stage.name();
    const [id = ''] = idsOf(await stage.launch(tagged(slot)));
    await untilAll(stage, slot, 'running');
    const terminating = stage.ec2.send(
      new TerminateInstancesCommand({ InstanceIds: [id, 'i-00000000000000bad'] }),
    );
    await expectRefusal(terminating, 'InvalidInstanceID.NotFound', 400);
    expect((await untilAll(stage, slot, 'running')).length).toBe(1);
  }),

  test('an unknown id is refused as InvalidInstanceID.NotFound', async (stage) => {
    const unknown = describe(stage, { InstanceIds: ['i-00000000000000bad'] });
    await expectRefusal(unknown, 'InvalidInstanceID.NotFound', 400);
  }),

  test('what is no id is refused as InvalidInstanceID.Malformed', async (stage) => {
    const malformed = describe(stage, { InstanceIds: ['x-1'] });
    await expectRefusal(malformed, 'InvalidInstanceID.Malformed', 400);
  }),

  test('an EC2 action that does not exist is refused', async (stage) => {
    const command = new DescribeInstancesCommand({});
    command.middlewareStack.add(
      rewriting((request) => {
        request.body = String(request.body).replace('DescribeInstances', 'FoldInstances');
      }),
      { step: 'build', priority: 'high' },
    );
    await expectSomeRefusal(stage.ec2.send(command));
  }),
];
