import {
  CreateTagsCommand,
  DeleteTagsCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect } from 'vitest';
import { instanceOf, runningInstance, untilState } from '../instances.ts';
import { expectRefusal, refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'ec2', name, run });

const tagsOf = async (stage: Stage, id: string) =>
  Object.fromEntries(((await instanceOf(stage, id))?.Tags ?? []).map(({ Key = '', Value }) => [Key, Value]));

export const ec2LifeCases: readonly ContractCase[] = [
  test('a stopped instance keeps its id and its tags, and starts again', async (stage) => {
    const id = await runningInstance(stage);
    const { StoppingInstances } = await stage.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
    expect(StoppingInstances).toMatchObject([{ InstanceId: id, PreviousState: { Code: 16 } }]);
    await untilState(stage, id, 'stopped');
    expect((await instanceOf(stage, id))?.State?.Code).toBe(80);
    const { StartingInstances } = await stage.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }));
    expect(StartingInstances).toMatchObject([
      { InstanceId: id, PreviousState: { Code: 80, Name: 'stopped' }, CurrentState: { Name: 'pending' } },
    ]);
    await untilState(stage, id, 'running');
    expect(await tagsOf(stage, id)).toEqual({ 'imgrec:case': 'contract' });
  }),

  test('stopping a stopped and starting a running instance are no errors', async (stage) => {
    const id = await runningInstance(stage);
    const started = await stage.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }));
    expect(started.StartingInstances?.[0]?.CurrentState?.Name).toBe('running');
    await stage.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
    await untilState(stage, id, 'stopped');
    const stopped = await stage.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
    expect(stopped.StoppingInstances?.[0]?.CurrentState?.Name).toBe('stopped');
  }),

  test('a terminated instance can neither be stopped nor started: IncorrectInstanceState', async (stage) => {
    const id = await runningInstance(stage);
    await stage.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await untilState(stage, id, 'terminated');
    const stopping = stage.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
    await expectRefusal(stopping, 'IncorrectInstanceState', 400);
    const starting = stage.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }));
    await expectRefusal(starting, 'IncorrectInstanceState', 400);
  }),

  test('a stopped instance can be terminated', async (stage) => {
    const id = await runningInstance(stage);
    await stage.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
    await untilState(stage, id, 'stopped');
    await stage.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await untilState(stage, id, 'terminated');
  }),

  test('with one unknown id StopInstances stops none', async (stage) => {
    const id = await runningInstance(stage);
    const stopping = stage.ec2.send(new StopInstancesCommand({ InstanceIds: [id, 'i-00000000000000bad'] }));
    await expectRefusal(stopping, 'InvalidInstanceID.NotFound', 400);
    expect((await instanceOf(stage, id))?.State?.Name).toBe('running');
  }),

  test('a running instance tells its type of network: subnet, zone and addresses', async (stage) => {
    const instance = await instanceOf(stage, await runningInstance(stage));
    expect(instance?.SubnetId).toMatch(/^subnet-/);
    expect(instance?.VpcId).toMatch(/^vpc-/);
    expect(instance?.Placement?.AvailabilityZone?.startsWith(stage.connection.region)).toBe(true);
    expect(instance?.PrivateIpAddress).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    expect(instance?.PublicIpAddress).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  }),

  test('an instance has no public address where its network interface asks for none', async (stage) => {
    const [launched] = await stage.launch({
      NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: false }],
    });
    const id = launched?.InstanceId ?? '';
    const instance = await untilState(stage, id, 'running');
    expect(instance?.PublicIpAddress).toBeUndefined();
    expect(instance?.PrivateIpAddress).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  }),

  test('an unknown subnet is refused as InvalidSubnetID.NotFound', async (stage) => {
    const launching = stage.launch({ SubnetId: 'subnet-00000000000000bad' });
    await expectRefusal(launching, 'InvalidSubnetID.NotFound', 400);
  }),

  test('a tag is added, replaced and deleted', async (stage) => {
    const id = await runningInstance(stage);
    const tag = (Tags: { Key: string; Value: string }[]) =>
      stage.ec2.send(new CreateTagsCommand({ Resources: [id], Tags }));
    await tag([
      { Key: 'a', Value: '1' },
      { Key: 'b', Value: '' },
    ]);
    await tag([{ Key: 'a', Value: '2' }]);
    await stage.eventually(async () =>
      expect(await tagsOf(stage, id)).toEqual({ 'imgrec:case': 'contract', a: '2', b: '' }),
    );
    await stage.ec2.send(new DeleteTagsCommand({ Resources: [id], Tags: [{ Key: 'a' }, { Key: 'absent' }] }));
    await stage.eventually(async () =>
      expect(await tagsOf(stage, id)).toEqual({ 'imgrec:case': 'contract', b: '' }),
    );
  }),

  test('a deletion that names a value spares a tag with another one', async (stage) => {
    const id = await runningInstance(stage);
    const remove = (Value: string) =>
      stage.ec2.send(new DeleteTagsCommand({ Resources: [id], Tags: [{ Key: 'imgrec:case', Value }] }));
    await remove('other');
    expect(await tagsOf(stage, id)).toEqual({ 'imgrec:case': 'contract' });
    await remove('contract');
    await stage.eventually(async () => expect(await tagsOf(stage, id)).toEqual({}));
  }),

  test('a tag of what does not exist is refused, and no resource of the call is tagged', async (stage) => {
    const id = await runningInstance(stage);
    const tagging = stage.ec2.send(
      new CreateTagsCommand({
        Resources: [id, 'i-00000000000000bad'],
        Tags: [{ Key: 'a', Value: '1' }],
      }),
    );
    await expectRefusal(tagging, 'InvalidInstanceID.NotFound', 400);
    expect(await tagsOf(stage, id)).toEqual({ 'imgrec:case': 'contract' });
  }),

  test('a tag whose key begins with aws: is refused', async (stage) => {
    const id = await runningInstance(stage);
    const tagging = stage.ec2.send(
      new CreateTagsCommand({ Resources: [id], Tags: [{ Key: 'aws:x', Value: '1' }] }),
    );
    expect((await refusal(tagging)).status).toBe(400);
  }),
];
