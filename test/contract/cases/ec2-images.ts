import {
  CreateImageCommand,
  type CreateImageCommandInput,
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  DescribeSnapshotsCommand,
} from '@aws-sdk/client-ec2';
import { GetParameterCommand } from '@aws-sdk/client-ssm';
import { expect } from 'vitest';
import { runningInstance } from '../instances.ts';
import { expectRefusal, refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'ec2', name, run });

const imageOf = async ({ ec2 }: Stage, id: string) =>
  (await ec2.send(new DescribeImagesCommand({ ImageIds: [id] }))).Images?.[0];

/** Makes an image of a running instance, and waits until it can be used. */
const makeImage = async (stage: Stage, more: Partial<CreateImageCommandInput> = {}) => {
  const Name = stage.name();
  const InstanceId = more.InstanceId ?? (await runningInstance(stage));
  const { ImageId = '' } = await stage.ec2.send(
    new CreateImageCommand({ InstanceId, Name, NoReboot: true, ...more }),
  );
  const image = await stage.eventually(async () => {
    const found = await imageOf(stage, ImageId);
    expect(found?.State).toBe('available');
    return found;
  });
  const snapshot = image?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId ?? '';
  stage.later(() => stage.ec2.send(new DeleteSnapshotCommand({ SnapshotId: snapshot })));
  stage.later(() => stage.ec2.send(new DeregisterImageCommand({ ImageId })));
  return { ImageId, Name, image, snapshot };
};

export const ec2ImageCases: readonly ContractCase[] = [
  test('an image of an instance is made, owned and found by its tag', async (stage) => {
    const value = stage.name();
    const { ImageId, Name, image } = await makeImage(stage, {
      TagSpecifications: [{ ResourceType: 'image', Tags: [{ Key: 'cluster', Value: value }] }],
    });
    expect(ImageId).toMatch(/^ami-[0-9a-f]{8,17}$/);
    expect(image).toMatchObject({
      Name,
      OwnerId: stage.connection.account,
      Architecture: 'x86_64',
      State: 'available',
    });
    const { Images = [] } = await stage.ec2.send(
      new DescribeImagesCommand({
        Owners: ['self'],
        Filters: [{ Name: 'tag:cluster', Values: [value] }],
      }),
    );
    expect(Images.map((one) => one.ImageId)).toEqual([ImageId]);
  }),

  test('an instance is launched from an image of our own', async (stage) => {
    const { ImageId } = await makeImage(stage);
    expect((await stage.launch({ ImageId }))[0]?.ImageId).toBe(ImageId);
  }),

  test('a second image of the same name is refused as InvalidAMIName.Duplicate', async (stage) => {
    const { Name } = await makeImage(stage);
    await expectRefusal(makeImage(stage, { Name }), 'InvalidAMIName.Duplicate', 400);
  }),

  test('a deregistered image cannot be launched', async (stage) => {
    const { ImageId } = await makeImage(stage);
    await stage.ec2.send(new DeregisterImageCommand({ ImageId }));
    await stage.eventually(async () => {
      expect((await refusal(stage.launch({ ImageId }))).status).toBe(400);
    });
  }),

  test('an instance outlives its image, and another can be made of it', async (stage) => {
    const { ImageId } = await makeImage(stage);
    const InstanceId = await runningInstance(stage, { ImageId });
    await stage.ec2.send(new DeregisterImageCommand({ ImageId }));
    const { image } = await makeImage(stage, { InstanceId });
    expect(image).toMatchObject({ Architecture: 'x86_64', State: 'available' });
  }),

  test('the snapshot of an image is deleted only after the image', async (stage) => {
    const { ImageId, snapshot } = await makeImage(stage);
    const remove = () => stage.ec2.send(new DeleteSnapshotCommand({ SnapshotId: snapshot }));
    await expectRefusal(remove(), 'InvalidSnapshot.InUse', 400);
    await stage.ec2.send(new DeregisterImageCommand({ ImageId }));
    await remove();
    const asking = stage.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [snapshot] }));
    await expectRefusal(asking, 'InvalidSnapshot.NotFound', 400);
  }),

  test('the snapshot of an image is ours and tells the image it is for', async (stage) => {
    const { ImageId, snapshot } = await makeImage(stage);
    const { Snapshots = [] } = await stage.ec2.send(
      new DescribeSnapshotsCommand({ OwnerIds: ['self'], SnapshotIds: [snapshot] }),
    );
    expect(Snapshots).toMatchObject([{ SnapshotId: snapshot, State: 'completed' }]);
    expect(Snapshots[0]?.Description).toContain(ImageId);
  }),

  test('the image of the public parameter exists and is for its architecture', async (stage) => {
    for (const architecture of ['x86_64', 'arm64']) {
      const Name = `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${architecture}`;
      const { Parameter } = await stage.ssm.send(new GetParameterCommand({ Name }));
      expect(await imageOf(stage, Parameter?.Value ?? '')).toMatchObject({
        Architecture: architecture,
        State: 'available',
      });
    }
  }),

  test('an image that does not exist is refused as InvalidAMIID.NotFound, to describe and to launch', async (stage) => {
    const ImageId = 'ami-00000000000000bad';
    await expectRefusal(imageOf(stage, ImageId), 'InvalidAMIID.NotFound', 400);
    await expectRefusal(stage.launch({ ImageId }), 'InvalidAMIID.NotFound', 400);
  }),

  test('an instance type of another architecture than the image is refused', async (stage) => {
    expect((await refusal(stage.launch({ InstanceType: 't4g.micro' }))).status).toBe(400);
  }),

  test('an instance type that does not exist is not launched', async (stage) => {
    const launching = stage.launch({ InstanceType: 'c7a.minuscule' as 'c7a.medium' });
    expect((await refusal(launching)).status).toBe(400);
  }),
];
