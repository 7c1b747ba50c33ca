import {
  CreateLaunchTemplateCommand,
  type CreateLaunchTemplateCommandInput,
  CreateLaunchTemplateVersionCommand,
  DeleteLaunchTemplateCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  ModifyLaunchTemplateCommand,
  type RequestLaunchTemplateData,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StopInstancesCommand,
  type Tag,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect } from 'vitest';
import { untilState } from '../instances.ts';
import { expectRefusal, refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'ec2', name, run });

const tagList = (tags: Record<string, string>) =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

const tagsOf = (Tags: readonly Tag[] = []) =>
  Object.fromEntries(Tags.map(({ Key = '', Value }) => [Key, Value]));

/** Makes a template that vanishes when the case is over. */
const template = async (
  stage: Stage,
  data: RequestLaunchTemplateData,
  more: Partial<CreateLaunchTemplateCommandInput> = {},
) => {
  const { LaunchTemplate } = await stage.ec2.send(
    new CreateLaunchTemplateCommand({ LaunchTemplateName: stage.name(), LaunchTemplateData: data, ...more }),
  );
  const id = LaunchTemplate?.LaunchTemplateId ?? '';
  stage.later(() => stage.ec2.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId: id })));
  return { id, name: LaunchTemplate?.LaunchTemplateName ?? '', made: LaunchTemplate };
};

const addVersion = async (
  { ec2 }: Stage,
  id: string,
  data: RequestLaunchTemplateData,
  SourceVersion?: string,
) => {
  const { LaunchTemplateVersion } = await ec2.send(
    new CreateLaunchTemplateVersionCommand({
      LaunchTemplateId: id,
      LaunchTemplateData: data,
      ...(SourceVersion === undefined ? {} : { SourceVersion }),
    }),
  );
  return LaunchTemplateVersion;
};

const versionsOf = async ({ ec2 }: Stage, id: string, ...Versions: string[]) => {
  const { LaunchTemplateVersions = [] } = await ec2.send(
    new DescribeLaunchTemplateVersionsCommand({
      LaunchTemplateId: id,
      ...(Versions.length > 0 ? { Versions } : {}),
    }),
  );
  return LaunchTemplateVersions;
};

const userData = Buffer.from('#!/bin/sh\n# imgrec {"v":1,"role":"worker","cluster":"contract"}\n').toString(
  'base64',
);

/** Launches from a template and returns what DescribeInstances says of the instance. */
const launchFrom = async (stage: Stage, input: Partial<RunInstancesCommandInput>) => {
  // Not by `stage.launch`, whose defaults would override the template.
  const { Instances = [] } = await stage.ec2.send(
    new RunInstancesCommand({ MinCount: 1, MaxCount: 1, ...input }),
  );
  const id = Instances[0]?.InstanceId ?? '';
  stage.later(() => stage.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] })));
  return untilState(stage, id, 'running');
};

export const ec2TemplateCases: readonly ContractCase[] = [
  test('a launch template is made with version 1, its tags and its data', async (stage) => {
    const { id, name, made } = await template(
      stage,
      {
        ImageId: stage.connection.imageId,
        InstanceType: 't3.micro',
        UserData: userData,
        InstanceInitiatedShutdownBehavior: 'terminate',
        BlockDeviceMappings: [
          { DeviceName: '/dev/xvda', Ebs: { Encrypted: true, VolumeType: 'gp3', VolumeSize: 8 } },
        ],
        MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
        TagSpecifications: [
          { ResourceType: 'instance', Tags: tagList({ role: 'worker' }) },
          { ResourceType: 'volume', Tags: tagList({ role: 'disk' }) },
        ],
      },
      { TagSpecifications: [{ ResourceType: 'launch-template', Tags: tagList({ cluster: 'contract' }) }] },
    );
    expect(id).toMatch(/^lt-[0-9a-f]{17}$/);
    expect(made).toMatchObject({ DefaultVersionNumber: 1, LatestVersionNumber: 1 });
    const { LaunchTemplates } = await stage.ec2.send(
      new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: [name] }),
    );
    expect(LaunchTemplates).toMatchObject([{ LaunchTemplateId: id, LaunchTemplateName: name }]);
    expect(tagsOf(LaunchTemplates?.[0]?.Tags)).toEqual({ cluster: 'contract' });
    const [version] = await versionsOf(stage, id);
    expect(version).toMatchObject({ VersionNumber: 1, DefaultVersion: true, LaunchTemplateName: name });
    const data = version?.LaunchTemplateData;
    expect(data).toMatchObject({
      ImageId: stage.connection.imageId,
      InstanceType: 't3.micro',
      UserData: userData,
      InstanceInitiatedShutdownBehavior: 'terminate',
      MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
    });
    expect(data?.BlockDeviceMappings).toMatchObject([
      { DeviceName: '/dev/xvda', Ebs: { Encrypted: true, VolumeType: 'gp3', VolumeSize: 8 } },
    ]);
    const kinds = data?.TagSpecifications?.map(({ ResourceType, Tags }) => [ResourceType, tagsOf(Tags)]);
    expect(kinds).toContainEqual(['instance', { role: 'worker' }]);
    expect(kinds).toContainEqual(['volume', { role: 'disk' }]);
  }),

  test('launch templates are found by tag', async (stage) => {
    const value = stage.name();
    const TagSpecifications = [
      { ResourceType: 'launch-template' as const, Tags: tagList({ cluster: value }) },
    ];
    const { id } = await template(stage, { InstanceType: 't3.micro' }, { TagSpecifications });
    await template(stage, { InstanceType: 't3.micro' });
    const { LaunchTemplates = [] } = await stage.ec2.send(
      new DescribeLaunchTemplatesCommand({ Filters: [{ Name: 'tag:cluster', Values: [value] }] }),
    );
    expect(LaunchTemplates.map(({ LaunchTemplateId }) => LaunchTemplateId)).toEqual([id]);
  }),

  test('a second template of the same name is refused', async (stage) => {
    const { name } = await template(stage, { InstanceType: 't3.micro' });
    const again = template(stage, { InstanceType: 't3.small' }, { LaunchTemplateName: name });
    await expectRefusal(again, 'InvalidLaunchTemplateName.AlreadyExistsException', 400);
  }),

  test('a template that does not exist is NotFound, by name and by id', async (stage) => {
    const describing = (by: object) => stage.ec2.send(new DescribeLaunchTemplatesCommand(by));
    await expectRefusal(
      describing({ LaunchTemplateNames: [stage.name()] }),
      'InvalidLaunchTemplateName.NotFoundException',
      400,
    );
    await expectRefusal(
      describing({ LaunchTemplateIds: ['lt-00000000000000bad'] }),
      'InvalidLaunchTemplateId.NotFound',
      400,
    );
  }),

  test('a new version takes what it does not say from its source, and is not the default by itself', async (stage) => {
    const { id } = await template(stage, {
      InstanceType: 't3.micro',
      ImageId: stage.connection.imageId,
    });
    expect(await addVersion(stage, id, { InstanceType: 't3.small' }, '1')).toMatchObject({
      VersionNumber: 2,
      DefaultVersion: false,
    });
    await addVersion(stage, id, { InstanceType: 't3.medium' });
    const [second] = await versionsOf(stage, id, '2');
    expect(second?.LaunchTemplateData).toMatchObject({
      InstanceType: 't3.small',
      ImageId: stage.connection.imageId,
    });
    const [third] = await versionsOf(stage, id, '3');
    expect(third?.LaunchTemplateData?.ImageId).toBeUndefined();
    const numbers = async (...names: string[]) =>
      (await versionsOf(stage, id, ...names)).map(({ VersionNumber }) => VersionNumber).toSorted();
    expect(await numbers('$Default')).toEqual([1]);
    expect(await numbers('$Latest')).toEqual([3]);
    expect(await numbers()).toEqual([1, 2, 3]);
    const { LaunchTemplate } = await stage.ec2.send(
      new ModifyLaunchTemplateCommand({ LaunchTemplateId: id, DefaultVersion: '2' }),
    );
    expect(LaunchTemplate).toMatchObject({ DefaultVersionNumber: 2, LatestVersionNumber: 3 });
    expect(await numbers('$Default')).toEqual([2]);
  }),

  test('a version that a template does not have cannot be its default, described or launched', async (stage) => {
    const { id } = await template(stage, {
      InstanceType: 't3.micro',
      ImageId: stage.connection.imageId,
      UserData: userData,
    });
    const modifying = stage.ec2.send(
      new ModifyLaunchTemplateCommand({ LaunchTemplateId: id, DefaultVersion: '7' }),
    );
    expect((await refusal(modifying)).status).toBe(400);
    expect((await refusal(versionsOf(stage, id, '7'))).status).toBe(400);
    const launching = stage.launch({
      LaunchTemplate: { LaunchTemplateId: id, Version: '7' },
    });
    expect((await refusal(launching)).status).toBe(400);
  }),

  test('a deleted template is gone, and its name is free', async (stage) => {
    const { id, name } = await template(stage, { InstanceType: 't3.micro' });
    await stage.ec2.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId: id }));
    const { LaunchTemplates = [] } = await stage.ec2.send(
      new DescribeLaunchTemplatesCommand({
        Filters: [{ Name: 'launch-template-name', Values: [name] }],
      }),
    );
    expect(LaunchTemplates).toEqual([]);
    await template(stage, { InstanceType: 't3.micro' }, { LaunchTemplateName: name });
  }),

  test('an instance is launched as its template says, and the request overrides it', async (stage) => {
    const { id, name } = await template(stage, {
      ImageId: stage.connection.imageId,
      InstanceType: 't3.micro',
      UserData: userData,
      TagSpecifications: [{ ResourceType: 'instance', Tags: tagList({ role: 'worker', size: 'small' }) }],
    });
    const plain = await launchFrom(stage, { LaunchTemplate: { LaunchTemplateId: id } });
    expect(plain).toMatchObject({
      ImageId: stage.connection.imageId,
      InstanceType: 't3.micro',
    });
    expect(tagsOf(plain?.Tags)).toMatchObject({ role: 'worker', size: 'small' });
    const other = await launchFrom(stage, {
      LaunchTemplate: { LaunchTemplateName: name, Version: '$Latest' },
      InstanceType: 't3.small',
      TagSpecifications: [{ ResourceType: 'instance', Tags: tagList({ 'imgrec:slot': '7', size: 'large' }) }],
    });
    expect(other).toMatchObject({ ImageId: stage.connection.imageId, InstanceType: 't3.small' });
    expect(tagsOf(other?.Tags)).toMatchObject({ role: 'worker', size: 'large', 'imgrec:slot': '7' });
  }),

  test('an instance has the metadata options of its template', async (stage) => {
    const { id } = await template(stage, {
      ImageId: stage.connection.imageId,
      InstanceType: 't3.micro',
      UserData: userData,
      MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
    });
    const instance = await launchFrom(stage, { LaunchTemplate: { LaunchTemplateId: id } });
    expect(instance?.MetadataOptions).toMatchObject({
      HttpTokens: 'required',
      HttpPutResponseHopLimit: 1,
    });
  }),

  test('an instance tells the template and version that it comes from', async (stage) => {
    const { id } = await template(stage, {
      ImageId: stage.connection.imageId,
      InstanceType: 't3.micro',
      UserData: userData,
    });
    const instance = await launchFrom(stage, { LaunchTemplate: { LaunchTemplateId: id } });
    expect(tagsOf(instance?.Tags)).toEqual({
      'aws:ec2launchtemplate:id': id,
      'aws:ec2launchtemplate:version': '1',
    });
  }),

  test('$Default and $Latest launch different versions', async (stage) => {
    const { id } = await template(stage, {
      ImageId: stage.connection.imageId,
      InstanceType: 't3.micro',
      UserData: userData,
    });
    await addVersion(stage, id, { InstanceType: 't3.small' }, '1');
    const typeOf = async (Version?: string) =>
      (
        await launchFrom(stage, {
          LaunchTemplate: { LaunchTemplateId: id, ...(Version === undefined ? {} : { Version }) },
        })
      )?.InstanceType;
    expect(await Promise.all([typeOf(), typeOf('$Default'), typeOf('$Latest'), typeOf('2')])).toEqual([
      't3.micro',
      't3.micro',
      't3.small',
      't3.small',
    ]);
  }),

  test('a launch without an image is refused as MissingParameter', async (stage) => {
    const { id } = await template(stage, { InstanceType: 't3.micro', UserData: userData });
    const launching = launchFrom(stage, { LaunchTemplate: { LaunchTemplateId: id } });
    await expectRefusal(launching, 'MissingParameter', 400);
  }),

  test('a Spot instance says so', async (stage) => {
    const { id } = await template(stage, {
      ImageId: stage.connection.imageId,
      InstanceType: 't3.micro',
      UserData: userData,
    });
    const spot = await launchFrom(stage, {
      LaunchTemplate: { LaunchTemplateId: id },
      InstanceMarketOptions: { MarketType: 'spot' },
    });
    expect(spot?.InstanceLifecycle).toBe('spot');
  }),

  test('a Spot instance cannot be stopped', async (stage) => {
    const [spot] = await stage.launch({ InstanceMarketOptions: { MarketType: 'spot' } });
    const stopping = stage.ec2.send(new StopInstancesCommand({ InstanceIds: [spot?.InstanceId ?? ''] }));
    await expectRefusal(stopping, 'UnsupportedOperation', 400);
  }),
];
