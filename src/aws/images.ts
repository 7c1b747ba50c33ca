import {
  CreateImageCommand,
  CreateTagsCommand,
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  type Image,
  RunInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { type Connection, clientConfig } from './connection.ts';
import { calling, cloudError, codeOf } from './errors.ts';
import { type Tags, tagFilters, tagList, tagsOf } from './tags.ts';

/** A machine image of this account. */
export interface FoundImage {
  readonly id: string;
  readonly name: string;
  readonly state: 'pending' | 'available' | 'failed';
  readonly createdAt: string;
  readonly snapshotIds: readonly string[];
  readonly tags: Tags;
}

export interface BuilderRequest {
  /** Name of the launch template that says everything else: network, profile, disk, metadata. */
  readonly template: string;
  readonly imageId: string;
  readonly userData: string;
  readonly tags: Tags;
  readonly clientToken: string;
}

const imageOf = (image: Image): FoundImage => ({
  id: image.ImageId ?? '',
  name: image.Name ?? '',
  state: image.State === 'available' ? 'available' : image.State === 'pending' ? 'pending' : 'failed',
  createdAt: image.CreationDate ?? '',
  snapshotIds: (image.BlockDeviceMappings ?? []).flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []),
  tags: tagsOf(image.Tags),
});

export type Images = ReturnType<typeof createImages>;

/** Machine images, and the instance that one is made of. All throw CloudError. */
export const createImages = (connection: Connection) => {
  const client = new EC2Client(clientConfig(connection));
  return {
    /** @returns its id */
    launchBuilder: async (request: BuilderRequest): Promise<string> =>
      calling('launch an instance to make an image of', async () => {
        const { Instances: [instance] = [] } = await client.send(
          new RunInstancesCommand({
            LaunchTemplate: { LaunchTemplateName: request.template, Version: '$Default' },
            ImageId: request.imageId,
            UserData: Buffer.from(request.userData).toString('base64'),
            MinCount: 1,
            MaxCount: 1,
            ClientToken: request.clientToken,
            TagSpecifications: [{ ResourceType: 'instance', Tags: tagList(request.tags) }],
          }),
        );
        if (instance?.InstanceId === undefined) throw new Error('RunInstances named no instance');
        return instance.InstanceId;
      }),

    /** @returns undefined when EC2 does not list it (yet) */
    stateOf: async (id: string): Promise<string | undefined> => {
      try {
        const { Reservations = [] } = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
        return Reservations[0]?.Instances?.[0]?.State?.Name;
      } catch (error) {
        if (codeOf(error) === 'InvalidInstanceID.NotFound') return undefined;
        throw cloudError(`read instance ${id}`, error);
      }
    },

    stop: async (id: string): Promise<void> => {
      await calling(`stop ${id}`, () => client.send(new StopInstancesCommand({ InstanceIds: [id] })));
    },

    terminate: async (id: string): Promise<void> => {
      await calling(`terminate ${id}`, () =>
        client.send(new TerminateInstancesCommand({ InstanceIds: [id] })),
      );
    },

    /** Makes an image of a stopped instance. @returns its id; it is pending for some minutes */
    create: async (instanceId: string, name: string, description: string, tags: Tags): Promise<string> =>
      calling(`make an image of ${instanceId}`, async () => {
        const { ImageId } = await client.send(
          new CreateImageCommand({
            InstanceId: instanceId,
            Name: name,
            Description: description,
            TagSpecifications: [{ ResourceType: 'image', Tags: tagList(tags) }],
          }),
        );
        if (ImageId === undefined) throw new Error('CreateImage named no image');
        return ImageId;
      }),

    /** Snapshots are tagged once they are known: they come with the image. */
    tag: async (ids: readonly string[], tags: Tags): Promise<void> => {
      if (ids.length === 0) return;
      await calling(`tag ${ids.join(', ')}`, () =>
        client.send(new CreateTagsCommand({ Resources: [...ids], Tags: tagList(tags) })),
      );
    },

    /** Of this account, with these tags. */
    find: async (tags: Tags): Promise<readonly FoundImage[]> =>
      calling('list images', async () => {
        const { Images = [] } = await client.send(
          new DescribeImagesCommand({ Owners: ['self'], Filters: tagFilters(tags) }),
        );
        return Images.map(imageOf);
      }),

    /** Removes an image and its snapshots; instances that were made of it go on. What is gone is no error. */
    remove: async ({ id, snapshotIds }: Pick<FoundImage, 'id' | 'snapshotIds'>): Promise<void> => {
      try {
        await client.send(new DeregisterImageCommand({ ImageId: id }));
      } catch (error) {
        if (!codeOf(error).startsWith('InvalidAMIID.')) throw cloudError(`remove image ${id}`, error);
      }
      for (const snapshot of snapshotIds)
        try {
          await client.send(new DeleteSnapshotCommand({ SnapshotId: snapshot }));
        } catch (error) {
          if (codeOf(error) !== 'InvalidSnapshot.NotFound')
            throw cloudError(`remove snapshot ${snapshot}`, error);
        }
    },

    close: () => client.destroy(),
  };
};
