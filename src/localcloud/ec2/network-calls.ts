import { Refusal } from '../answer.ts';
import { listOf, type Parameters } from '../query.ts';
import type { XmlElement } from '../xml.ts';
import { type Filterable, noTags, readFilters } from './filters.ts';
import type { Ec2Operations } from './operations.ts';
import type { Network, RouteTable, Subnet, Vpc, WayOut } from './vpc.ts';

const bool = (value: boolean): readonly string[] => [String(value)];

interface Lookup<T> {
  readonly all: readonly T[];
  readonly idOf: (one: T) => string;
  /** The parameter that lists ids. */
  readonly parameter: string;
  /** The code for an id that nothing has. */
  readonly notFound: string;
  readonly filters: Filterable<T>;
}

/** Those with the ids that the request names, or all, that pass its filters. */
const find = <T>(parameters: Parameters, lookup: Lookup<T>): readonly T[] => {
  const { all, idOf, parameter, notFound, filters } = lookup;
  const ids = listOf(parameters, parameter);
  const unknown = ids.find((id) => !all.some((one) => idOf(one) === id));
  if (unknown !== undefined) throw new Refusal(notFound, `The ID '${unknown}' does not exist`);
  return all
    .filter((one) => ids.length === 0 || ids.includes(idOf(one)))
    .filter(readFilters(parameters, filters, noTags));
};

const vpcFilters: Filterable<Vpc> = {
  'vpc-id': ({ id }) => [id],
  'is-default': ({ isDefault }) => bool(isDefault),
  isDefault: ({ isDefault }) => bool(isDefault),
  cidr: ({ cidr }) => [cidr],
  state: () => ['available'],
};

const subnetFilters: Filterable<Subnet> = {
  'subnet-id': ({ id }) => [id],
  'vpc-id': ({ vpcId }) => [vpcId],
  'availability-zone': ({ zone }) => [zone],
  'default-for-az': ({ isPublic }) => bool(isPublic),
  'map-public-ip-on-launch': ({ isPublic }) => bool(isPublic),
  state: () => ['available'],
};

const routeTableFilters: Filterable<RouteTable> = {
  'route-table-id': ({ id }) => [id],
  'vpc-id': ({ vpcId }) => [vpcId],
  'association.subnet-id': ({ subnetIds }) => subnetIds,
  'association.main': ({ isMain }) => bool(isMain),
};

/** The networks, read-only: nobody makes or changes one here. */
export const createNetworkCalls = (network: Network, account: string): Ec2Operations => {
  const { internetGatewayId, natGatewayId, natSubnetId } = network;
  const [mainVpc] = network.vpcs;

  const gatewayOf: Readonly<Record<WayOut, XmlElement | undefined>> = {
    'internet-gateway': { gatewayId: internetGatewayId },
    'nat-gateway': { natGatewayId },
    none: undefined,
  };

  const vpcXml = (vpc: Vpc): XmlElement => ({
    vpcId: vpc.id,
    ownerId: account,
    state: 'available',
    cidrBlock: vpc.cidr,
    isDefault: vpc.isDefault,
    instanceTenancy: 'default',
    dhcpOptionsId: 'default',
  });

  const subnetXml = (subnet: Subnet): XmlElement => ({
    subnetId: subnet.id,
    ownerId: account,
    state: 'available',
    vpcId: subnet.vpcId,
    cidrBlock: subnet.cidr,
    availableIpAddressCount: 4091,
    availabilityZone: subnet.zone,
    availabilityZoneId: `use1-az${network.zones.indexOf(subnet.zone) + 1}`,
    defaultForAz: subnet.isPublic,
    mapPublicIpOnLaunch: subnet.isPublic,
  });

  const routeXml = (destinationCidrBlock: string, way: XmlElement): XmlElement => ({
    destinationCidrBlock,
    ...way,
    state: 'active',
    origin: 'CreateRoute',
  });

  const routeTableXml = (table: RouteTable): XmlElement => {
    const way = gatewayOf[table.wayOut];
    const association = (subnet: XmlElement, main: boolean): XmlElement => ({
      routeTableAssociationId: table.id.replace('rtb-', 'rtbassoc-'),
      routeTableId: table.id,
      ...subnet,
      main,
      associationState: { state: 'associated' },
    });
    return {
      routeTableId: table.id,
      vpcId: table.vpcId,
      ownerId: account,
      routeSet: {
        item: [routeXml(table.vpcCidr, { gatewayId: 'local' }), ...(way ? [routeXml('0.0.0.0/0', way)] : [])],
      },
      associationSet: {
        item: table.isMain
          ? [association({}, true)]
          : table.subnetIds.map((subnetId) => association({ subnetId }, false)),
      },
    };
  };

  return {
    DescribeVpcs: (parameters) => ({
      vpcSet: {
        item: find(parameters, {
          all: network.vpcs,
          idOf: ({ id }) => id,
          parameter: 'VpcId',
          notFound: 'InvalidVpcID.NotFound',
          filters: vpcFilters,
        }).map(vpcXml),
      },
    }),
    DescribeSubnets: (parameters) => ({
      subnetSet: {
        item: find(parameters, {
          all: network.subnets,
          idOf: ({ id }) => id,
          parameter: 'SubnetId',
          notFound: 'InvalidSubnetID.NotFound',
          filters: subnetFilters,
        }).map(subnetXml),
      },
    }),
    DescribeRouteTables: (parameters) => ({
      routeTableSet: {
        item: find(parameters, {
          all: network.routeTables,
          idOf: ({ id }) => id,
          parameter: 'RouteTableId',
          notFound: 'InvalidRouteTableID.NotFound',
          filters: routeTableFilters,
        }).map(routeTableXml),
      },
    }),
    DescribeInternetGateways: (parameters) => ({
      internetGatewaySet: {
        item: find(parameters, {
          all: [internetGatewayId],
          idOf: (id) => id,
          parameter: 'InternetGatewayId',
          notFound: 'InvalidInternetGatewayID.NotFound',
          filters: {
            'internet-gateway-id': (id) => [id],
            'attachment.vpc-id': () => [mainVpc?.id ?? ''],
            'attachment.state': () => ['available'],
          },
        }).map((id) => ({
          internetGatewayId: id,
          ownerId: account,
          attachmentSet: { item: { vpcId: mainVpc?.id, state: 'available' } },
        })),
      },
    }),
    DescribeNatGateways: (parameters) => ({
      natGatewaySet: {
        item: find(parameters, {
          all: [natGatewayId],
          idOf: (id) => id,
          parameter: 'NatGatewayId',
          notFound: 'NatGatewayNotFound',
          filters: {
            'nat-gateway-id': (id) => [id],
            state: () => ['available'],
            'subnet-id': () => [natSubnetId],
            'vpc-id': () => [mainVpc?.id ?? ''],
          },
        }).map((id) => ({
          natGatewayId: id,
          state: 'available',
          subnetId: natSubnetId,
          vpcId: mainVpc?.id,
          connectivityType: 'public',
        })),
      },
    }),
    DescribeVpcEndpoints: (parameters) => ({
      vpcEndpointSet: {
        item: find<never>(parameters, {
          all: [],
          idOf: () => '',
          parameter: 'VpcEndpointId',
          notFound: 'InvalidVpcEndpointId.NotFound',
          filters: {
            'service-name': () => [],
            'vpc-id': () => [],
            'vpc-endpoint-id': () => [],
            'vpc-endpoint-state': () => [],
            'vpc-endpoint-type': () => [],
          },
        }),
      },
    }),
    DescribeAvailabilityZones: (parameters) => ({
      availabilityZoneInfo: {
        item: find(parameters, {
          all: network.zones,
          idOf: (zone) => zone,
          parameter: 'ZoneName',
          notFound: 'InvalidParameterValue',
          filters: { 'zone-name': (zone) => [zone], state: () => ['available'] },
        }).map((zoneName) => ({
          zoneName,
          zoneState: 'available',
          regionName: zoneName.slice(0, -1),
          zoneId: `use1-az${network.zones.indexOf(zoneName) + 1}`,
          zoneType: 'availability-zone',
          optInStatus: 'opt-in-not-required',
        })),
      },
    }),
  };
};
