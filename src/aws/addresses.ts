import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  DescribeAddressesCommand,
  type EC2Client,
  ReleaseAddressCommand,
} from '@aws-sdk/client-ec2';
import { calling, cloudError, codeOf } from './errors.ts';
import { type Tags, tagFilters, tagList, tagsOf } from './tags.ts';

/** An Elastic IP address. */
export interface FoundAddress {
  readonly id: string;
  readonly ip: string;
  readonly tags: Tags;
  readonly instanceId: string | undefined;
}

export const createAddresses = (client: EC2Client) => ({
  /** Those that carry all these tags. */
  find: async (tags: Tags): Promise<readonly FoundAddress[]> =>
    calling('list addresses', async () => {
      const { Addresses = [] } = await client.send(
        new DescribeAddressesCommand({ Filters: tagFilters(tags) }),
      );
      return Addresses.map((address) => ({
        id: address.AllocationId ?? '',
        ip: address.PublicIp ?? '',
        tags: tagsOf(address.Tags),
        instanceId: address.InstanceId || undefined,
      }));
    }),

  /** @returns its id */
  allocate: async (tags: Tags): Promise<string> =>
    calling('allocate an address', async () => {
      const { AllocationId } = await client.send(
        new AllocateAddressCommand({
          Domain: 'vpc',
          TagSpecifications: [{ ResourceType: 'elastic-ip', Tags: tagList(tags) }],
        }),
      );
      return AllocationId ?? '';
    }),

  /** Points it at an instance, away from whatever it pointed at. */
  associate: async (id: string, instanceId: string): Promise<void> => {
    await calling(`point address ${id} at ${instanceId}`, () =>
      client.send(
        new AssociateAddressCommand({ AllocationId: id, InstanceId: instanceId, AllowReassociation: true }),
      ),
    );
  },

  release: async (id: string): Promise<void> => {
    try {
      await client.send(new ReleaseAddressCommand({ AllocationId: id }));
    } catch (error) {
      if (codeOf(error) !== 'InvalidAllocationID.NotFound') throw cloudError(`release address ${id}`, error);
    }
  },
});
