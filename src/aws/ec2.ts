import {
  EC2Client,
  type Instance,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
} from '@aws-sdk/client-ec2';
import { type CallLimits, type Connection, clientConfig, endingWith } from './connection.ts';
import { CloudError, calling } from './errors.ts';
import { describeInstances, terminateInstance, unlessGone } from './instance-calls.ts';
import { type Tags, tagFilters, tagList, tagsOf } from './tags.ts';

export type InstanceState = 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped';

export interface FoundInstance {
  readonly id: string;
  readonly state: InstanceState;
  readonly tags: Tags;
  /** EC2's clock; a stopped instance that is started again has the time of that start. */
  readonly launchedAtMs: number;
  readonly instanceType: string;
  readonly clientToken: string;
}

export type Market = 'on-demand' | 'spot';

export interface LaunchRequest {
  /** Name of the launch template; its default version is used. */
  readonly template: string;
  readonly instanceType: string;
  readonly subnetId?: string | undefined;
  readonly market: Market;
  readonly tags: Tags;
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
          tags: tagsOf(instance.Tags),
          launchedAtMs: instance.LaunchTime?.getTime() ?? 0,
          instanceType: instance.InstanceType ?? '',
          clientToken: instance.ClientToken ?? '',
        },
      ];

/** Reasons of EC2 for which another instance type, zone or market may be had where this one is not. */
const poolProblems = new Set([
  'InsufficientInstanceCapacity',
  'InsufficientHostCapacity',
  'InsufficientReservedInstanceCapacity',
  'InsufficientFreeAddressesInSubnet',
  'InsufficientCapacityOnOutpost',
  'InstanceLimitExceeded',
  'VcpuLimitExceeded',
  'MaxSpotInstanceCountExceeded',
  'SpotMaxPriceTooLow',
  'Unsupported',
]);

/** Whether a launch was refused for what was asked for, so that asking for another pool makes sense. */
export const isPoolProblem = (error: unknown): boolean =>
  error instanceof CloudError && poolProblems.has(error.code);

/**
 * Launches are tried by whoever may act for seconds only: short, and what is throttled or fails is left to the next try.
 * With the default limits one call could take 30 s.
 */
export const launchLimits: CallLimits = { requestTimeoutMs: 5_000, maxAttempts: 2 };

export type Ec2 = ReturnType<typeof createEc2>;

/** EC2 instances in our words. All throw CloudError. */
export const createEc2 = (connection: Connection, limits?: CallLimits) => {
  const client = new EC2Client(clientConfig(connection, limits));
  return {
    /** Launches one instance, with its tags from the first moment. */
    launch: async (request: LaunchRequest, signal?: AbortSignal): Promise<FoundInstance> =>
      calling('launch an instance', async () => {
        const { Instances = [] } = await client.send(
          new RunInstancesCommand({
            LaunchTemplate: { LaunchTemplateName: request.template, Version: '$Default' },
            InstanceType: request.instanceType as never,
            ...(request.subnetId === undefined ? {} : { SubnetId: request.subnetId }),
            ...(request.market === 'spot' ? { InstanceMarketOptions: { MarketType: 'spot' } } : {}),
            MinCount: 1,
            MaxCount: 1,
            ClientToken: request.clientToken,
            TagSpecifications: [{ ResourceType: 'instance', Tags: tagList(request.tags) }],
          }),
          endingWith(signal),
        );
        const [instance] = Instances.flatMap(found);
        if (instance === undefined) throw new Error('RunInstances named no instance');
        return instance;
      }),

    /** Instances that carry all these tags, in any of these states (in any at all when absent: EC2 lists the dead for an hour). */
    find: async (tags: Tags, states?: readonly InstanceState[]): Promise<FoundInstance[]> =>
      calling('list instances', async () => {
        const inStates = states === undefined ? [] : [{ Name: 'instance-state-name', Values: [...states] }];
        const instances = await describeInstances(client, { Filters: [...tagFilters(tags), ...inStates] });
        return instances.flatMap(found);
      }),

    terminate: (id: string, signal?: AbortSignal): Promise<void> => terminateInstance(client, id, signal),
    stop: (id: string, signal?: AbortSignal): Promise<void> =>
      unlessGone(`stop ${id}`, () =>
        client.send(new StopInstancesCommand({ InstanceIds: [id] }), endingWith(signal)),
      ),
    start: (id: string, signal?: AbortSignal): Promise<void> =>
      unlessGone(`start ${id}`, () =>
        client.send(new StartInstancesCommand({ InstanceIds: [id] }), endingWith(signal)),
      ),

    close: () => client.destroy(),
  };
};
