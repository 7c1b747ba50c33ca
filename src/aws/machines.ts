import {
  type DescribeInstancesCommandInput,
  EC2Client,
  type Instance,
  RunInstancesCommand,
  StartInstancesCommand,
} from '@aws-sdk/client-ec2';
import { createAddresses } from './addresses.ts';
import { type Connection, clientConfig } from './connection.ts';
import { CloudError, calling, cloudError, codeOf } from './errors.ts';
import { describeInstances, terminateInstance } from './instance-calls.ts';
import { createLaunchTemplates } from './launch-templates.ts';
import { createNetwork } from './network.ts';
import { createSecurityGroups } from './security-groups.ts';
import { type Tags, tagFilters, tagList, tagsOf } from './tags.ts';

export interface Machine {
  readonly id: string;
  readonly state: string;
  readonly tags: Tags;
}

const deadStates = new Set(['shutting-down', 'terminated']);

export const isDead = ({ state }: Pick<Machine, 'state'>): boolean => deadStates.has(state);

const machineOf = (instance: Instance): Machine => ({
  id: instance.InstanceId ?? '',
  state: instance.State?.Name ?? 'pending',
  tags: tagsOf(instance.Tags),
});

const createMachines = (client: EC2Client) => {
  const describe = async (input: DescribeInstancesCommandInput): Promise<readonly Machine[]> =>
    (await describeInstances(client, input)).map(machineOf);

  return {
    /** Those that carry all these tags, the dead that EC2 still lists included. */
    find: (tags: Tags): Promise<readonly Machine[]> =>
      calling('list instances', () => describe({ Filters: tagFilters(tags) })),

    /** @returns undefined when EC2 knows no such instance (any more) */
    get: async (id: string): Promise<Machine | undefined> => {
      try {
        return (await describe({ InstanceIds: [id] }))[0];
      } catch (error) {
        if (codeOf(error) === 'InvalidInstanceID.NotFound') return undefined;
        throw cloudError(`read instance ${id}`, error);
      }
    },

    /**
     * Launches one instance from the default version of a template.
     * @returns undefined when the token's instance was launched earlier and has ended since
     */
    launch: async (request: {
      readonly templateId: string;
      readonly subnetId: string | undefined;
      readonly tags: Tags;
      readonly clientToken: string;
    }): Promise<Machine | undefined> => {
      try {
        const { Instances: [instance] = [] } = await client.send(
          new RunInstancesCommand({
            LaunchTemplate: { LaunchTemplateId: request.templateId, Version: '$Default' },
            ...(request.subnetId === undefined ? {} : { SubnetId: request.subnetId }),
            MinCount: 1,
            MaxCount: 1,
            ClientToken: request.clientToken,
            TagSpecifications: [{ ResourceType: 'instance', Tags: tagList(request.tags) }],
          }),
        );
        if (instance === undefined) throw new Error('RunInstances named no instance');
        const machine = machineOf(instance);
        return isDead(machine) ? undefined : machine;
      } catch (error) {
        if (codeOf(error) === 'IdempotentInstanceTerminated') return undefined;
        throw cloudError('launch an instance', error);
      }
    },

    start: async (id: string): Promise<void> => {
      await calling(`start ${id}`, () => client.send(new StartInstancesCommand({ InstanceIds: [id] })));
    },

    /** One that is gone is no error. */
    terminate: (id: string): Promise<void> => terminateInstance(client, id),
  };
};

/** EC2 takes a parameter for wrong that it may take for right a moment later: an instance profile that it has not heard of yet. */
export const isUnknownParameter = (error: unknown): boolean =>
  error instanceof CloudError && error.code === 'InvalidParameterValue';

/** Something of EC2 that something else still uses. */
export const isInUse = (error: unknown): boolean =>
  error instanceof CloudError && error.code === 'DependencyViolation';

export type Ec2Setup = ReturnType<typeof openEc2Setup>;

/** What `imgrec provision` needs of EC2, in our words. All throw CloudError. */
export const openEc2Setup = (connection: Connection) => {
  const client = new EC2Client(clientConfig(connection));
  return {
    machines: createMachines(client),
    templates: createLaunchTemplates(client),
    groups: createSecurityGroups(client),
    addresses: createAddresses(client),
    network: createNetwork(client),
    close: () => client.destroy(),
  };
};
