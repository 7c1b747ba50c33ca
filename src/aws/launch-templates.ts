import {
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  CreateTagsCommand,
  DeleteLaunchTemplateCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  type EC2Client,
  ModifyLaunchTemplateCommand,
  type RequestLaunchTemplateData,
  type ResponseLaunchTemplateData,
} from '@aws-sdk/client-ec2';
import { calling, cloudError, codeOf } from './errors.ts';
import { type Tags, tagList, tagsOf } from './tags.ts';

/** What an instance is launched with. */
export interface LaunchSettings {
  readonly imageId: string;
  readonly instanceType: string;
  /** Name of the instance profile. */
  readonly profile: string;
  readonly securityGroups: readonly string[];
  readonly market: 'on-demand' | 'spot';
  readonly volume: {
    readonly device: string;
    readonly gib: number;
    readonly type: string;
    readonly encrypted: boolean;
  };
  /** Who may ask the metadata service, and how far its answers may travel. */
  readonly metadata: { readonly tokens: string; readonly hopLimit: number; readonly tags: string };
  readonly shutdown: string;
  /** Of burstable types: `standard` never costs more than the instance. */
  readonly credits: string | undefined;
  readonly keyPair: string | undefined;
  readonly userData: string;
  /** Of the instance and of what is made with it. */
  readonly launchTags: Tags;
}

export interface FoundTemplate {
  readonly id: string;
  readonly tags: Tags;
  /** Of the default version. */
  readonly settings: LaunchSettings;
}

/** What is made with an instance and can carry tags from the first moment. */
const taggedAtLaunch = ['instance', 'volume', 'network-interface'] as const;

/** Settings as EC2 takes them. Pure. */
export const templateData = (settings: LaunchSettings): RequestLaunchTemplateData => ({
  ImageId: settings.imageId,
  InstanceType: settings.instanceType as never,
  IamInstanceProfile: { Name: settings.profile },
  SecurityGroupIds: [...settings.securityGroups],
  BlockDeviceMappings: [
    {
      DeviceName: settings.volume.device,
      Ebs: {
        VolumeSize: settings.volume.gib,
        VolumeType: settings.volume.type as never,
        Encrypted: settings.volume.encrypted,
        DeleteOnTermination: true,
      },
    },
  ],
  MetadataOptions: {
    HttpEndpoint: 'enabled',
    HttpTokens: settings.metadata.tokens as never,
    HttpPutResponseHopLimit: settings.metadata.hopLimit,
    InstanceMetadataTags: settings.metadata.tags as never,
  },
  InstanceInitiatedShutdownBehavior: settings.shutdown as never,
  ...(settings.credits === undefined ? {} : { CreditSpecification: { CpuCredits: settings.credits } }),
  ...(settings.market === 'spot'
    ? {
        InstanceMarketOptions: {
          MarketType: 'spot',
          SpotOptions: { SpotInstanceType: 'one-time', InstanceInterruptionBehavior: 'terminate' },
        },
      }
    : {}),
  UserData: Buffer.from(settings.userData).toString('base64'),
  TagSpecifications: taggedAtLaunch.map((ResourceType) => ({
    ResourceType,
    Tags: tagList(settings.launchTags),
  })),
});

const settingsOf = (data: ResponseLaunchTemplateData): LaunchSettings => {
  const [volume] = data.BlockDeviceMappings ?? [];
  const tagged = data.TagSpecifications?.find(({ ResourceType }) => ResourceType === 'instance');
  return {
    imageId: data.ImageId ?? '',
    instanceType: data.InstanceType ?? '',
    profile: data.IamInstanceProfile?.Name ?? data.IamInstanceProfile?.Arn?.split('/').pop() ?? '',
    securityGroups: data.SecurityGroupIds ?? [],
    market: data.InstanceMarketOptions?.MarketType === 'spot' ? 'spot' : 'on-demand',
    volume: {
      device: volume?.DeviceName ?? '',
      gib: volume?.Ebs?.VolumeSize ?? 0,
      type: volume?.Ebs?.VolumeType ?? '',
      encrypted: volume?.Ebs?.Encrypted ?? false,
    },
    metadata: {
      tokens: data.MetadataOptions?.HttpTokens ?? 'optional',
      hopLimit: data.MetadataOptions?.HttpPutResponseHopLimit ?? 1,
      tags: data.MetadataOptions?.InstanceMetadataTags ?? 'disabled',
    },
    shutdown: data.InstanceInitiatedShutdownBehavior ?? 'stop',
    credits: data.CreditSpecification?.CpuCredits,
    keyPair: data.KeyName,
    userData: Buffer.from(data.UserData ?? '', 'base64').toString(),
    launchTags: tagsOf(tagged?.Tags),
  };
};

export const createLaunchTemplates = (client: EC2Client) => ({
  /** @returns undefined when there is none of this name */
  find: async (name: string): Promise<FoundTemplate | undefined> => {
    try {
      const { LaunchTemplates: [template] = [] } = await client.send(
        new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: [name] }),
      );
      if (template?.LaunchTemplateId === undefined) return undefined;
      const { LaunchTemplateVersions: [version] = [] } = await client.send(
        new DescribeLaunchTemplateVersionsCommand({
          LaunchTemplateId: template.LaunchTemplateId,
          Versions: ['$Default'],
        }),
      );
      return {
        id: template.LaunchTemplateId,
        tags: tagsOf(template.Tags),
        settings: settingsOf(version?.LaunchTemplateData ?? {}),
      };
    } catch (error) {
      if (codeOf(error) === 'InvalidLaunchTemplateName.NotFoundException') return undefined;
      throw cloudError(`read launch template ${name}`, error);
    }
  },

  /** @returns its id */
  create: async (name: string, settings: LaunchSettings, tags: Tags): Promise<string> =>
    calling(`create launch template ${name}`, async () => {
      const { LaunchTemplate } = await client.send(
        new CreateLaunchTemplateCommand({
          LaunchTemplateName: name,
          LaunchTemplateData: templateData(settings),
          TagSpecifications: [{ ResourceType: 'launch-template', Tags: tagList(tags) }],
        }),
      );
      return LaunchTemplate?.LaunchTemplateId ?? '';
    }),

  /** Makes a version and takes it for the default; instances that run keep what they were launched with. */
  update: async (id: string, settings: LaunchSettings): Promise<void> => {
    await calling(`change launch template ${id}`, async () => {
      const { LaunchTemplateVersion } = await client.send(
        new CreateLaunchTemplateVersionCommand({
          LaunchTemplateId: id,
          LaunchTemplateData: templateData(settings),
        }),
      );
      await client.send(
        new ModifyLaunchTemplateCommand({
          LaunchTemplateId: id,
          DefaultVersion: String(LaunchTemplateVersion?.VersionNumber ?? ''),
        }),
      );
    });
  },

  remove: async (id: string): Promise<void> => {
    try {
      await client.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId: id }));
    } catch (error) {
      if (codeOf(error) !== 'InvalidLaunchTemplateId.NotFound')
        throw cloudError(`delete launch template ${id}`, error);
    }
  },

  /** Of anything that EC2 has an id for. */
  tag: async (id: string, tags: Tags): Promise<void> => {
    await calling(`tag ${id}`, () =>
      client.send(new CreateTagsCommand({ Resources: [id], Tags: tagList(tags) })),
    );
  },
});
