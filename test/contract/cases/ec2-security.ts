import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  type CreateSecurityGroupCommandInput,
  DeleteSecurityGroupCommand,
  DescribeSecurityGroupsCommand,
  type IpPermission,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect } from 'vitest';
import { instanceOf, untilState } from '../instances.ts';
import { expectRefusal, refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'ec2', name, run });

const makeGroup = async (stage: Stage, more: Partial<CreateSecurityGroupCommandInput> = {}) => {
  const GroupName = stage.name();
  const { GroupId = '' } = await stage.ec2.send(
    new CreateSecurityGroupCommand({ GroupName, Description: 'contract', ...more }),
  );
  stage.later(() => stage.ec2.send(new DeleteSecurityGroupCommand({ GroupId })));
  return { GroupName, GroupId };
};

const groupOf = async ({ ec2 }: Stage, GroupId: string) =>
  (await ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [GroupId] }))).SecurityGroups?.[0];

const port = (number: number, ...cidrs: string[]): IpPermission => ({
  IpProtocol: 'tcp',
  FromPort: number,
  ToPort: number,
  IpRanges: cidrs.map((CidrIp) => ({ CidrIp, Description: 'contract' })),
});

/** What a list of permissions lets pass, one text for each port and block. */
const passing = (permissions: readonly IpPermission[] = []): readonly string[] =>
  permissions
    .flatMap(({ IpProtocol, FromPort, IpRanges = [] }) =>
      IpRanges.map(({ CidrIp }) => `${IpProtocol} ${FromPort ?? 'all'} ${CidrIp}`),
    )
    .toSorted();

export const ec2SecurityCases: readonly ContractCase[] = [
  test('a security group lets nothing in and everything out until it is told otherwise', async (stage) => {
    const { GroupId, GroupName } = await makeGroup(stage, {
      TagSpecifications: [{ ResourceType: 'security-group', Tags: [{ Key: 'role', Value: 'web' }] }],
    });
    expect(GroupId).toMatch(/^sg-[0-9a-f]{17}$/);
    const group = await groupOf(stage, GroupId);
    expect(group).toMatchObject({
      GroupName,
      Description: 'contract',
      Tags: [{ Key: 'role', Value: 'web' }],
    });
    expect(group?.VpcId).toMatch(/^vpc-/);
    expect(group?.IpPermissions ?? []).toEqual([]);
    expect(passing(group?.IpPermissionsEgress)).toEqual(['-1 all 0.0.0.0/0']);
  }),

  test('a second group of the same name is refused as InvalidGroup.Duplicate', async (stage) => {
    const { GroupName } = await makeGroup(stage);
    await expectRefusal(makeGroup(stage, { GroupName }), 'InvalidGroup.Duplicate', 400);
  }),

  test('security groups are found by name, VPC and tag', async (stage) => {
    const value = stage.name();
    const { GroupId, GroupName } = await makeGroup(stage, {
      TagSpecifications: [{ ResourceType: 'security-group', Tags: [{ Key: 'cluster', Value: value }] }],
    });
    const find = async (Name: string, ...Values: string[]) => {
      const { SecurityGroups = [] } = await stage.ec2.send(
        new DescribeSecurityGroupsCommand({ Filters: [{ Name, Values }] }),
      );
      return SecurityGroups.map((group) => group.GroupId);
    };
    expect(await find('group-name', GroupName)).toEqual([GroupId]);
    expect(await find('tag:cluster', value)).toEqual([GroupId]);
    expect(await find('vpc-id', (await groupOf(stage, GroupId))?.VpcId ?? '')).toContain(GroupId);
  }),

  test('what is authorised is let in, told together for each port, and revoked', async (stage) => {
    const { GroupId } = await makeGroup(stage);
    const authorize = (...IpPermissions: IpPermission[]) =>
      stage.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
    await authorize(port(8081, '203.0.113.7/32', '198.51.100.0/24'));
    const group = await groupOf(stage, GroupId);
    expect(group?.IpPermissions).toHaveLength(1);
    expect(group?.IpPermissions?.[0]?.IpRanges?.[0]?.Description).toBe('contract');
    expect(passing(group?.IpPermissions)).toEqual(['tcp 8081 198.51.100.0/24', 'tcp 8081 203.0.113.7/32']);
    await expectRefusal(authorize(port(8081, '203.0.113.7/32')), 'InvalidPermission.Duplicate', 400);
    const revoke = () =>
      stage.ec2.send(
        new RevokeSecurityGroupIngressCommand({ GroupId, IpPermissions: [port(8081, '203.0.113.7/32')] }),
      );
    await revoke();
    expect(passing((await groupOf(stage, GroupId))?.IpPermissions)).toEqual(['tcp 8081 198.51.100.0/24']);
    await expectRefusal(revoke(), 'InvalidPermission.NotFound', 400);
  }),

  test('egress can be narrowed', async (stage) => {
    const { GroupId } = await makeGroup(stage);
    await stage.ec2.send(
      new AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions: [port(443, '0.0.0.0/0')] }),
    );
    await stage.ec2.send(
      new RevokeSecurityGroupEgressCommand({
        GroupId,
        IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
      }),
    );
    expect(passing((await groupOf(stage, GroupId))?.IpPermissionsEgress)).toEqual(['tcp 443 0.0.0.0/0']);
  }),

  test('what is no CIDR is refused', async (stage) => {
    const { GroupId } = await makeGroup(stage);
    const authorizing = stage.ec2.send(
      new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [port(80, '203.0.113.300/24')] }),
    );
    expect((await refusal(authorizing)).status).toBe(400);
  }),

  test('a deleted group is InvalidGroup.NotFound', async (stage) => {
    const { GroupId } = await makeGroup(stage);
    await stage.ec2.send(new DeleteSecurityGroupCommand({ GroupId }));
    await expectRefusal(groupOf(stage, GroupId), 'InvalidGroup.NotFound', 400);
  }),

  test('an instance is in the groups it was launched in, and cannot be in one that does not exist', async (stage) => {
    const { GroupId } = await makeGroup(stage);
    const [launched] = await stage.launch({ SecurityGroupIds: [GroupId] });
    stage.later(() => gone(stage, launched?.InstanceId ?? ''));
    const groups = (await instanceOf(stage, launched?.InstanceId ?? ''))?.SecurityGroups ?? [];
    expect(groups.map((group) => group.GroupId)).toEqual([GroupId]);
    const launching = stage.launch({ SecurityGroupIds: ['sg-00000000000000bad'] });
    await expectRefusal(launching, 'InvalidGroup.NotFound', 400);
  }),

  test('a group in use is not deleted: DependencyViolation', async (stage) => {
    const { GroupId } = await makeGroup(stage);
    const [launched] = await stage.launch({ SecurityGroupIds: [GroupId] });
    const deleting = () => stage.ec2.send(new DeleteSecurityGroupCommand({ GroupId }));
    await expectRefusal(deleting(), 'DependencyViolation', 400);
    await gone(stage, launched?.InstanceId ?? '');
    await stage.eventually(deleting);
  }),

  test('a group that another one names is not deleted: DependencyViolation', async (stage) => {
    const named = await makeGroup(stage);
    const naming = await makeGroup(stage);
    await stage.ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: naming.GroupId,
        IpPermissions: [
          { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, UserIdGroupPairs: [{ GroupId: named.GroupId }] },
        ],
      }),
    );
    const deleting = stage.ec2.send(new DeleteSecurityGroupCommand({ GroupId: named.GroupId }));
    await expectRefusal(deleting, 'DependencyViolation', 400);
    await stage.ec2.send(new DeleteSecurityGroupCommand({ GroupId: naming.GroupId }));
  }),
];

/** Ends an instance and waits until it is. */
const gone = async (stage: Stage, id: string): Promise<void> => {
  await stage.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  await untilState(stage, id, 'terminated');
};
