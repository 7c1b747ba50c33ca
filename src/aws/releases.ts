import {
  AssociateAddressCommand,
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  EC2Client,
  ModifyLaunchTemplateCommand,
  RunInstancesCommand,
  type Tag,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { type Connection, clientConfig } from './connection.ts';
import { calling, cloudError, codeOf } from './errors.ts';

type Tags = Readonly<Record<string, string>>;

/** An instance, and the version of a launch template that it was launched from. */
export interface ReleasedInstance {
  readonly id: string;
  readonly state: string;
  readonly tags: Tags;
  /** EC2 tags it so; '' where it came from no template. */
  readonly version: string;
  readonly subnetId: string | undefined;
}

export interface ReleasedAddress {
  readonly id: string;
  readonly tags: Tags;
  readonly instanceId: string | undefined;
}

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/launch-templates.html: on whatever is launched from a template. */
const versionTag = 'aws:ec2launchtemplate:version';

const tagList = (tags: Tags) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
const tagsOf = (tags: readonly Tag[] = []): Tags =>
  Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]));
const filters = (tags: Tags) =>
  Object.entries(tags).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] }));

export type Releases = ReturnType<typeof createReleases>;

/** Versions of launch templates, and what runs from them. All throw CloudError. */
export const createReleases = (connection: Connection) => {
  const client = new EC2Client(clientConfig(connection));
  return {
    /** Those that carry all these tags, the dead that EC2 still lists included. */
    instances: async (tags: Tags): Promise<readonly ReleasedInstance[]> =>
      calling('list instances', async () => {
        const found: ReleasedInstance[] = [];
        let token: string | undefined;
        do {
          const page = await client.send(
            new DescribeInstancesCommand({
              Filters: filters(tags),
              ...(token === undefined ? {} : { NextToken: token }),
            }),
          );
          for (const { Instances = [] } of page.Reservations ?? [])
            for (const { InstanceId: id = '', State, Tags, SubnetId: subnetId } of Instances) {
              const all = tagsOf(Tags);
              found.push({
                id,
                state: State?.Name ?? 'pending',
                tags: all,
                version: all[versionTag] ?? '',
                subnetId,
              });
            }
          token = page.NextToken;
        } while (token !== undefined);
        return found;
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
    terminate: async (id: string): Promise<void> => {
      try {
        await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
      } catch (error) {
        if (codeOf(error) !== 'InvalidInstanceID.NotFound') throw cloudError(`terminate ${id}`, error);
      }
    },

    addresses: async (tags: Tags): Promise<readonly ReleasedAddress[]> =>
      calling('list addresses', async () => {
        const { Addresses = [] } = await client.send(
          new DescribeAddressesCommand({ Filters: filters(tags) }),
        );
        return Addresses.map(({ AllocationId = '', Tags, InstanceId }) => ({
          id: AllocationId,
          tags: tagsOf(Tags),
          instanceId: InstanceId || undefined,
        }));
      }),

    /** Points an address at an instance, away from whatever it pointed at. */
    associate: async (id: string, instanceId: string): Promise<void> => {
      await calling(`point address ${id} at ${instanceId}`, () =>
        client.send(
          new AssociateAddressCommand({ AllocationId: id, InstanceId: instanceId, AllowReassociation: true }),
        ),
      );
    },

    close: () => client.destroy(),
  };
};
