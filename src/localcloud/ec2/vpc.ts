/**
 * The networks of the account, as facts: the default VPC that every account has, with a public subnet in each of three zones, and
 * one without public addresses, of whose two subnets only the first reaches the internet, through a NAT gateway.
 */
export interface Subnet {
  readonly id: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly cidr: string;
  readonly isPublic: boolean;
}

/** Where a subnet's traffic to the internet goes. */
export type WayOut = 'internet-gateway' | 'nat-gateway' | 'none';

export interface RouteTable {
  readonly id: string;
  readonly vpcId: string;
  readonly vpcCidr: string;
  readonly wayOut: WayOut;
  /** The subnets with no other table use it. */
  readonly isMain: boolean;
  readonly subnetIds: readonly string[];
}

export interface Vpc {
  readonly id: string;
  readonly cidr: string;
  readonly isDefault: boolean;
}

export interface Network {
  readonly vpcs: readonly Vpc[];
  readonly subnets: readonly Subnet[];
  readonly routeTables: readonly RouteTable[];
  readonly zones: readonly string[];
  readonly internetGatewayId: string;
  readonly natGatewayId: string;
  /** Where the NAT gateway stands. */
  readonly natSubnetId: string;
}

const defaultVpc: Vpc = { id: 'vpc-0d000000000000001', cidr: '172.31.0.0/16', isDefault: true };
const privateVpc: Vpc = { id: 'vpc-0d000000000000002', cidr: '10.0.0.0/16', isDefault: false };

export const networkOf = (region: string): Network => {
  const zones = ['a', 'b', 'c'].map((letter) => `${region}${letter}`);
  const publicSubnets = zones.map(
    (zone, index): Subnet => ({
      id: `subnet-0d00000000000000${'abc'.charAt(index)}`,
      vpcId: defaultVpc.id,
      zone,
      cidr: `172.31.${index * 16}.0/20`,
      isPublic: true,
    }),
  );
  const privateSubnets = ['d', 'e'].map(
    (digit, index): Subnet => ({
      id: `subnet-0d00000000000000${digit}`,
      vpcId: privateVpc.id,
      zone: zones[index] ?? '',
      cidr: `10.0.${index * 16}.0/20`,
      isPublic: false,
    }),
  );
  const table = (
    digit: string,
    { id, cidr }: Vpc,
    wayOut: WayOut,
    subnetIds: readonly string[],
  ): RouteTable => ({
    id: `rtb-0d00000000000000${digit}`,
    vpcId: id,
    vpcCidr: cidr,
    wayOut,
    isMain: subnetIds.length === 0,
    subnetIds,
  });
  return {
    vpcs: [defaultVpc, privateVpc],
    subnets: [...publicSubnets, ...privateSubnets],
    routeTables: [
      table('1', defaultVpc, 'internet-gateway', []),
      table('2', privateVpc, 'none', []),
      table('3', privateVpc, 'nat-gateway', [privateSubnets[0]?.id ?? '']),
    ],
    zones,
    internetGatewayId: 'igw-0d000000000000001',
    natGatewayId: 'nat-0d000000000000001',
    natSubnetId: publicSubnets[0]?.id ?? '',
  };
};
