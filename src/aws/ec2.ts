import {
  DescribeInstancesCommand,
  EC2Client,
  type Instance,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { type Connection, clientConfig } from './connection.ts';
import { calling, cloudError, codeOf } from './errors.ts';

export type InstanceState = 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped';

export interface FoundInstance {
  readonly id: string;
  readonly state: InstanceState;
  readonly tags: Readonly<Record<string, string>>;
}

export interface LaunchRequest {
  readonly imageId: string;
  readonly instanceType: string;
  readonly userData: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Up to 64 characters; the same token never launches a second instance. */
  readonly clientToken: string;
}

const found = (instance: Instance): FoundInstance[] =>
  instance.InstanceId === undefined
    ? []
    : [
        {
          id: instance.InstanceId,
          state: (instance.State?.Name ?? 'pending') as InstanceState,
          tags: Object.fromEntries((instance.Tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value])),
        },
      ];

export type Ec2 = ReturnType<typeof createEc2>;

/** EC2 instances in our words. All throw CloudError. */
export const createEc2 = (connection: Connection) => {
  const client = new EC2Client(clientConfig(connection));
  return {
    /** Launches one instance, with its tags from the first moment. */
    launch: async (request: LaunchRequest): Promise<FoundInstance> =>
      calling('launch an instance', async () => {
        const { Instances = [] } = await client.send(
          new RunInstancesCommand({
            ImageId: request.imageId,
            InstanceType: request.instanceType as never,
            MinCount: 1,
            MaxCount: 1,
            ClientToken: request.clientToken,
            // A worker that has drained ends its own instance; stopped ones would wait for somebody to start them.
            InstanceInitiatedShutdownBehavior: 'terminate',
            UserData: Buffer.from(request.userData).toString('base64'),
            TagSpecifications: [
              {
                ResourceType: 'instance',
                Tags: Object.entries(request.tags).map(([Key, Value]) => ({ Key, Value })),
              },
            ],
          }),
        );
        const [instance] = Instances.flatMap(found);
        if (instance === undefined) throw new Error('RunInstances named no instance');
        return instance;
      }),

    /** Instances that carry all these tags, in any of these states. */
    find: async (
      tags: Readonly<Record<string, string>>,
      states: readonly InstanceState[],
    ): Promise<FoundInstance[]> =>
      calling('list instances', async () => {
        const instances: FoundInstance[] = [];
        let token: string | undefined;
        do {
          const page = await client.send(
            new DescribeInstancesCommand({
              Filters: [
                ...Object.entries(tags).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] })),
                { Name: 'instance-state-name', Values: [...states] },
              ],
              ...(token === undefined ? {} : { NextToken: token }),
            }),
          );
          for (const { Instances = [] } of page.Reservations ?? [])
            instances.push(...Instances.flatMap(found));
          token = page.NextToken;
        } while (token !== undefined);
        return instances;
      }),

    /** Terminates one instance; one that is gone is no error. One id a call: with one unknown id EC2 terminates none. */
    terminate: async (id: string): Promise<void> => {
      try {
        await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
      } catch (error) {
        if (codeOf(error) !== 'InvalidInstanceID.NotFound') throw cloudError(`terminate ${id}`, error);
      }
    },

    close: () => client.destroy(),
  };
};
