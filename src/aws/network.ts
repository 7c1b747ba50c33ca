import {
  DescribeRouteTablesCommand,
  DescribeSubnetsCommand,
  DescribeVpcEndpointsCommand,
  DescribeVpcsCommand,
  type EC2Client,
  type RouteTable,
  type Subnet as SdkSubnet,
} from '@aws-sdk/client-ec2';
import { calling } from './errors.ts';

/** How a subnet's machines reach AWS: by an address of their own, through somebody else, or not at all. */
export type WayOut = 'public-address' | 'gateway' | 'none';

export interface Subnet {
  readonly id: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly wayOut: WayOut;
}

const wayOutOf = (subnet: SdkSubnet, tables: readonly RouteTable[]): WayOut => {
  const own = tables.find(({ Associations = [] }) =>
    Associations.some(({ SubnetId }) => SubnetId === subnet.SubnetId),
  );
  const table = own ?? tables.find(({ Associations = [] }) => Associations.some(({ Main }) => Main));
  const route = table?.Routes?.find(
    ({ DestinationCidrBlock, State }) => DestinationCidrBlock === '0.0.0.0/0' && State !== 'blackhole',
  );
  if (route === undefined) return 'none';
  if (!route.GatewayId?.startsWith('igw-')) return 'gateway';
  return subnet.MapPublicIpOnLaunch === true ? 'public-address' : 'none';
};

export const createNetwork = (client: EC2Client) => ({
  /** The id of the region's default VPC; undefined when the account has none. */
  defaultVpc: async (): Promise<string | undefined> =>
    calling('find the default VPC', async () => {
      const { Vpcs: [vpc] = [] } = await client.send(
        new DescribeVpcsCommand({ Filters: [{ Name: 'is-default', Values: ['true'] }] }),
      );
      return vpc?.VpcId;
    }),

  /** These subnets, in this order, with their way out. Throws CloudError for one that does not exist. */
  subnets: async (ids: readonly string[]): Promise<readonly Subnet[]> =>
    calling('read subnets', async () => {
      const { Subnets = [] } = await client.send(new DescribeSubnetsCommand({ SubnetIds: [...ids] }));
      const vpcs = [...new Set(Subnets.map(({ VpcId = '' }) => VpcId))];
      const { RouteTables = [] } = await client.send(
        new DescribeRouteTablesCommand({ Filters: [{ Name: 'vpc-id', Values: vpcs }] }),
      );
      return ids.flatMap((id) => {
        const subnet = Subnets.find(({ SubnetId }) => SubnetId === id);
        if (subnet === undefined) return [];
        const vpcId = subnet.VpcId ?? '';
        const tables = RouteTables.filter(({ VpcId }) => VpcId === vpcId);
        return [{ id, vpcId, zone: subnet.AvailabilityZone ?? '', wayOut: wayOutOf(subnet, tables) }];
      });
    }),

  /** The services that a VPC has endpoints for, by the last part of their names: `s3`, `sqs`. */
  endpoints: async (vpcId: string): Promise<readonly string[]> =>
    calling('list VPC endpoints', async () => {
      const { VpcEndpoints = [] } = await client.send(
        new DescribeVpcEndpointsCommand({
          Filters: [
            { Name: 'vpc-id', Values: [vpcId] },
            { Name: 'vpc-endpoint-state', Values: ['available'] },
          ],
        }),
      );
      return VpcEndpoints.map(({ ServiceName = '' }) => ServiceName.split('.').pop() ?? '');
    }),
});
