import {
  DescribeLaunchTemplatesCommand,
  EC2Client,
  ModifyLaunchTemplateCommand,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { createAddresses, type FoundAddress } from './addresses.ts';
import { type Connection, clientConfig } from './connection.ts';
import { calling, cloudError, codeOf } from './errors.ts';
import { describeInstances, terminateInstance } from './instance-calls.ts';
import { type Tags, tagFilters, tagList, tagsOf } from './tags.ts';

/** An instance, and the version of a launch template that it was launched from. */
export interface ReleasedInstance {
  readonly id: string;
  readonly state: string;
  readonly tags: Tags;
  /** EC2 tags it so; '' where it came from no template. */
  readonly version: string;
  readonly subnetId: string | undefined;
}

export type ReleasedAddress = Omit<FoundAddress, 'ip'>;

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/launch-templates.html: on whatever is launched from a template. */
const versionTag = 'aws:ec2launchtemplate:version';

export type Releases = ReturnType<typeof createReleases>;

/** Versions of launch templates, and what runs from them. All throw CloudError. */
export const createReleases = (connection: Connection) => {
  const client = new EC2Client(clientConfig(connection));
  const { find: addresses, associate } = createAddresses(client);
  return {
    /** Those that carry all these tags, the dead that EC2 still lists included. */
    instances: async (tags: Tags): Promise<readonly ReleasedInstance[]> =>
      calling('list instances', async () => {
        const instances = await describeInstances(client, { Filters: tagFilters(tags) });
        return instances.map(({ InstanceId: id = '', State, Tags, SubnetId: subnetId }) => {
          const all = tagsOf(Tags);
          return { id, state: State?.Name ?? 'pending', tags: all, version: all[versionTag] ?? '', subnetId };
        });
      }),

    /** The version that launches get when they name none; undefined where there is no such template. */
    defaultVersion: async (template: string): Promise<string | undefined> => {
      try {
        const { LaunchTemplates: [found] = [] } = await client.send(
          new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: [template] }),
        );
        return found?.DefaultVersionNumber === undefined ? undefined : String(found.DefaultVersionNumber);
      } catch (error) {
        if (codeOf(error) === 'InvalidLaunchTemplateName.NotFoundException') return undefined;
        throw cloudError(`read launch template ${template}`, error);
      }
    },

    setDefaultVersion: async (template: string, version: string): Promise<void> => {
      await calling(`take version ${version} of launch template ${template}`, () =>
        client.send(
          new ModifyLaunchTemplateCommand({ LaunchTemplateName: template, DefaultVersion: version }),
        ),
      );
    },

    /** Launches one instance from a version of a template. @returns its id */
    launch: async (request: {
      readonly template: string;
      readonly version: string;
      /** The default one when absent. */
      readonly subnetId: string | undefined;
      readonly tags: Tags;
      readonly clientToken: string;
    }): Promise<string> =>
      calling(`launch an instance from ${request.template}`, async () => {
        const { Instances: [instance] = [] } = await client.send(
          new RunInstancesCommand({
            LaunchTemplate: { LaunchTemplateName: request.template, Version: request.version },
            ...(request.subnetId === undefined ? {} : { SubnetId: request.subnetId }),
            MinCount: 1,
            MaxCount: 1,
            ClientToken: request.clientToken,
            TagSpecifications: [{ ResourceType: 'instance', Tags: tagList(request.tags) }],
          }),
        );
        if (instance?.InstanceId === undefined) throw new Error('RunInstances named no instance');
        return instance.InstanceId;
      }),

    /** One that is gone is no error. */
    terminate: (id: string): Promise<void> => terminateInstance(client, id),

    addresses,
    associate,

    close: () => client.destroy(),
  };
};
