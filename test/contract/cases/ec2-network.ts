import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  DescribeAddressesCommand,
  DescribeAvailabilityZonesCommand,
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  DescribeInternetGatewaysCommand,
  DescribeNatGatewaysCommand,
  DescribeRouteTablesCommand,
  DescribeSubnetsCommand,
  DescribeVpcEndpointsCommand,
  DescribeVpcsCommand,
  DisassociateAddressCommand,
  ReleaseAddressCommand,
} from '@aws-sdk/client-ec2';
import { expect } from 'vitest';
import { runningInstance } from '../instances.ts';
import { expectRefusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'ec2', name, run });

const defaultVpc = async ({ ec2 }: Stage) => {
  const { Vpcs = [] } = await ec2.send(
    new DescribeVpcsCommand({ Filters: [{ Name: 'is-default', Values: ['true'] }] }),
  );
  expect(Vpcs).toHaveLength(1);
  return Vpcs[0];
};

const inVpc = (id: string | undefined) => [{ Name: 'vpc-id', Values: [id ?? ''] }];

const address = async (stage: Stage, value: string): Promise<string> => {
  const { AllocationId = '', PublicIp } = await stage.ec2.send(
    new AllocateAddressCommand({
      Domain: 'vpc',
      TagSpecifications: [{ ResourceType: 'elastic-ip', Tags: [{ Key: 'imgrec:case', Value: value }] }],
    }),
  );
  expect(AllocationId).toMatch(/^eipalloc-[0-9a-f]{8,17}$/);
  expect(PublicIp).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  stage.later(() => stage.ec2.send(new ReleaseAddressCommand({ AllocationId })));
  return AllocationId;
};

const addressOf = async ({ ec2 }: Stage, AllocationId: string) =>
  (await ec2.send(new DescribeAddressesCommand({ AllocationIds: [AllocationId] }))).Addresses?.[0];

export const ec2NetworkCases: readonly ContractCase[] = [
  test('there is a default VPC with a public subnet in at least three zones', async (stage) => {
    const vpc = await defaultVpc(stage);
    expect(vpc).toMatchObject({ State: 'available', IsDefault: true });
    const { Subnets = [] } = await stage.ec2.send(
      new DescribeSubnetsCommand({
        Filters: [...inVpc(vpc?.VpcId), { Name: 'default-for-az', Values: ['true'] }],
      }),
    );
    expect(new Set(Subnets.map(({ AvailabilityZone }) => AvailabilityZone)).size).toBeGreaterThanOrEqual(3);
    for (const subnet of Subnets)
      expect(subnet).toMatchObject({ MapPublicIpOnLaunch: true, VpcId: vpc?.VpcId });
  }),

  test('zones are available', async (stage) => {
    const { AvailabilityZones = [] } = await stage.ec2.send(new DescribeAvailabilityZonesCommand({}));
    expect(AvailabilityZones.length).toBeGreaterThanOrEqual(3);
    for (const { State, RegionName } of AvailabilityZones)
      expect([State, RegionName]).toEqual(['available', stage.connection.region]);
  }),

  test("the default VPC's main route table leads to its internet gateway", async (stage) => {
    const vpc = await defaultVpc(stage);
    const { RouteTables = [] } = await stage.ec2.send(
      new DescribeRouteTablesCommand({
        Filters: [...inVpc(vpc?.VpcId), { Name: 'association.main', Values: ['true'] }],
      }),
    );
    const { InternetGateways = [] } = await stage.ec2.send(
      new DescribeInternetGatewaysCommand({
        Filters: [{ Name: 'attachment.vpc-id', Values: [vpc?.VpcId ?? ''] }],
      }),
    );
    expect(RouteTables).toHaveLength(1);
    expect(InternetGateways[0]?.Attachments?.[0]).toMatchObject({ VpcId: vpc?.VpcId, State: 'available' });
    const out = RouteTables[0]?.Routes?.find((route) => route.DestinationCidrBlock === '0.0.0.0/0');
    expect(out?.GatewayId).toBe(InternetGateways[0]?.InternetGatewayId);
  }),

  test('the default VPC has no endpoints and may be asked for NAT gateways', async (stage) => {
    const vpc = await defaultVpc(stage);
    const { VpcEndpoints = [] } = await stage.ec2.send(
      new DescribeVpcEndpointsCommand({ Filters: inVpc(vpc?.VpcId) }),
    );
    expect(VpcEndpoints).toEqual([]);
    await stage.ec2.send(new DescribeNatGatewaysCommand({ Filter: inVpc(vpc?.VpcId) }));
  }),

  test('a subnet that does not exist is refused as InvalidSubnetID.NotFound', async (stage) => {
    const asking = stage.ec2.send(new DescribeSubnetsCommand({ SubnetIds: ['subnet-00000000000000bad'] }));
    await expectRefusal(asking, 'InvalidSubnetID.NotFound', 400);
  }),

  test('an instance type tells its vCPUs, memory and architecture', async (stage) => {
    const { InstanceTypes = [] } = await stage.ec2.send(
      new DescribeInstanceTypesCommand({
        InstanceTypes: ['c7a.medium', 'm7a.medium', 'c7i-flex.large', 'c7g.large'],
      }),
    );
    const told = Object.fromEntries(
      InstanceTypes.map(({ InstanceType = '', VCpuInfo, MemoryInfo, ProcessorInfo }) => [
        InstanceType,
        [VCpuInfo?.DefaultVCpus, MemoryInfo?.SizeInMiB, ProcessorInfo?.SupportedArchitectures],
      ]),
    );
    // https://aws.amazon.com/ec2/instance-types/
    expect(told).toEqual({
      'c7a.medium': [1, 2_048, ['x86_64']],
      'm7a.medium': [1, 4_096, ['x86_64']],
      'c7i-flex.large': [2, 4_096, ['x86_64']],
      'c7g.large': [2, 4_096, ['arm64']],
    });
  }),

  test('an instance type that does not exist is refused as InvalidInstanceType', async (stage) => {
    const InstanceTypes = ['c7a.minuscule' as 'c7a.medium'];
    const asking = stage.ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes }));
    await expectRefusal(asking, 'InvalidInstanceType', 400);
  }),

  test('an instance type is offered in zones', async (stage) => {
    const { InstanceTypeOfferings = [] } = await stage.ec2.send(
      new DescribeInstanceTypeOfferingsCommand({
        LocationType: 'availability-zone',
        Filters: [{ Name: 'instance-type', Values: ['t3.micro'] }],
      }),
    );
    expect(InstanceTypeOfferings.length).toBeGreaterThanOrEqual(2);
    for (const { InstanceType, Location } of InstanceTypeOfferings) {
      expect(InstanceType).toBe('t3.micro');
      expect(Location?.startsWith(stage.connection.region)).toBe(true);
    }
  }),

  test('an address is allocated, found by its tag, and released', async (stage) => {
    const value = stage.name();
    const AllocationId = await address(stage, value);
    const byTag = async () =>
      (
        await stage.ec2.send(
          new DescribeAddressesCommand({ Filters: [{ Name: 'tag:imgrec:case', Values: [value] }] }),
        )
      ).Addresses ?? [];
    expect((await byTag()).map((one) => one.AllocationId)).toEqual([AllocationId]);
    await stage.ec2.send(new ReleaseAddressCommand({ AllocationId }));
    expect(await byTag()).toEqual([]);
    await expectRefusal(addressOf(stage, AllocationId), 'InvalidAllocationID.NotFound', 400);
  }),

  test('an address moves from one instance to another only when that is asked for', async (stage) => {
    const [first, second] = await Promise.all([runningInstance(stage), runningInstance(stage)]);
    const AllocationId = await address(stage, stage.name());
    const associate = (InstanceId: string, AllowReassociation: boolean) =>
      stage.ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId, AllowReassociation }));
    await associate(first, false);
    expect((await addressOf(stage, AllocationId))?.InstanceId).toBe(first);
    await expectRefusal(associate(second, false), 'Resource.AlreadyAssociated', 400);
    const { AssociationId } = await associate(second, true);
    expect(await addressOf(stage, AllocationId)).toMatchObject({ InstanceId: second, AssociationId });
    await stage.ec2.send(new DisassociateAddressCommand({ AssociationId }));
    expect((await addressOf(stage, AllocationId))?.AssociationId).toBeUndefined();
  }),

  test('an associated address is not released: InvalidIPAddress.InUse', async (stage) => {
    const InstanceId = await runningInstance(stage);
    const AllocationId = await address(stage, stage.name());
    const { AssociationId } = await stage.ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId }));
    const releasing = stage.ec2.send(new ReleaseAddressCommand({ AllocationId }));
    await expectRefusal(releasing, 'InvalidIPAddress.InUse', 400);
    await stage.ec2.send(new DisassociateAddressCommand({ AssociationId }));
    await stage.ec2.send(new ReleaseAddressCommand({ AllocationId }));
  }),
];
