import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DeleteSecurityGroupCommand,
  DescribeSecurityGroupsCommand,
  type EC2Client,
  type IpPermission,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2';
import { calling, cloudError, codeOf } from './errors.ts';
import { type Tags, tagList, tagsOf } from './tags.ts';

/** `tcp 443 0.0.0.0/0`: protocol, port or ports, and who: a CIDR, a group or a prefix list. `all all ...` is everything. */
export type Rule = string;

export type Direction = 'ingress' | 'egress';

export interface FoundGroup {
  readonly id: string;
  readonly vpcId: string;
  readonly tags: Tags;
  readonly ingress: readonly Rule[];
  readonly egress: readonly Rule[];
}

const portsOf = ({ FromPort, ToPort }: IpPermission): string => {
  if (FromPort === undefined || FromPort === -1) return 'all';
  return FromPort === ToPort ? String(FromPort) : `${FromPort}-${ToPort}`;
};

/** A permission of EC2 holds many rules of the same ports. Pure. */
export const rulesOf = (permissions: readonly IpPermission[] | undefined): readonly Rule[] =>
  (permissions ?? []).flatMap((permission) => {
    const protocol = permission.IpProtocol === '-1' ? 'all' : permission.IpProtocol;
    const sources = [
      ...(permission.IpRanges ?? []).map(({ CidrIp }) => CidrIp),
      ...(permission.Ipv6Ranges ?? []).map(({ CidrIpv6 }) => CidrIpv6),
      ...(permission.UserIdGroupPairs ?? []).map(({ GroupId }) => GroupId),
      ...(permission.PrefixListIds ?? []).map(({ PrefixListId }) => PrefixListId),
    ];
    return sources.map((source) => `${protocol} ${portsOf(permission)} ${source}`);
  });

/** What a rule is for, as it is shown beside it. */
const described = (rule: Rule): string => {
  const [, port = ''] = rule.split(' ');
  return port === '443' ? 'AWS and whoever else answers on HTTPS' : `imgrec on port ${port}`;
};

const sourceOf = (source: string, Description: string): IpPermission => {
  if (source.startsWith('sg-')) return { UserIdGroupPairs: [{ GroupId: source, Description }] };
  if (source.startsWith('pl-')) return { PrefixListIds: [{ PrefixListId: source, Description }] };
  return source.includes(':')
    ? { Ipv6Ranges: [{ CidrIpv6: source, Description }] }
    : { IpRanges: [{ CidrIp: source, Description }] };
};

/** A rule as EC2 takes it. Pure. */
export const permissionOf = (rule: Rule): IpPermission => {
  const [protocol = '', ports = '', source = ''] = rule.split(' ');
  const [from = '', to = from] = ports.split('-');
  return {
    IpProtocol: protocol === 'all' ? '-1' : protocol,
    ...(ports === 'all' ? {} : { FromPort: Number(from), ToPort: Number(to) }),
    ...sourceOf(source, described(rule)),
  };
};

/** Without what a rule is described as: that need not be told to revoke it. */
const bare = (rule: Rule): IpPermission => {
  const [, , source = ''] = rule.split(' ');
  const { IpProtocol, FromPort, ToPort } = permissionOf(rule);
  const ports = FromPort === undefined ? {} : { FromPort, ToPort };
  const [kind, list] = Object.entries(sourceOf(source, ''))[0] ?? ['IpRanges', []];
  const entries = (list as readonly Record<string, string>[]).map(({ Description: _, ...entry }) => entry);
  return { IpProtocol, ...ports, [kind]: entries };
};

export const createSecurityGroups = (client: EC2Client) => ({
  /** All groups of a name: each VPC may have one. */
  find: async (name: string): Promise<readonly FoundGroup[]> =>
    calling(`read security group ${name}`, async () => {
      const { SecurityGroups = [] } = await client.send(
        new DescribeSecurityGroupsCommand({ Filters: [{ Name: 'group-name', Values: [name] }] }),
      );
      return SecurityGroups.map((group) => ({
        id: group.GroupId ?? '',
        vpcId: group.VpcId ?? '',
        tags: tagsOf(group.Tags),
        ingress: rulesOf(group.IpPermissions),
        egress: rulesOf(group.IpPermissionsEgress),
      }));
    }),

  /** Makes one that lets nothing in and, as EC2 has it, everything out. @returns its id */
  create: async (name: string, vpcId: string, tags: Tags): Promise<string> =>
    calling(`create security group ${name}`, async () => {
      const { GroupId } = await client.send(
        new CreateSecurityGroupCommand({
          GroupName: name,
          Description: `imgrec: ${name}`,
          VpcId: vpcId,
          TagSpecifications: [{ ResourceType: 'security-group', Tags: tagList(tags) }],
        }),
      );
      return GroupId ?? '';
    }),

  /** Adds and takes away rules until they are the wanted ones; first it adds, so that nobody who may is cut off. */
  setRules: async (
    id: string,
    direction: Direction,
    wanted: readonly Rule[],
    found: readonly Rule[],
  ): Promise<void> => {
    const missing = wanted.filter((rule) => !found.includes(rule)).map(permissionOf);
    const surplus = found.filter((rule) => !wanted.includes(rule)).map(bare);
    const added = { GroupId: id, IpPermissions: missing };
    const taken = { GroupId: id, IpPermissions: surplus };
    await calling(`set the ${direction} rules of ${id}`, async () => {
      if (direction === 'ingress') {
        if (missing.length > 0) await client.send(new AuthorizeSecurityGroupIngressCommand(added));
        if (surplus.length > 0) await client.send(new RevokeSecurityGroupIngressCommand(taken));
      } else {
        if (missing.length > 0) await client.send(new AuthorizeSecurityGroupEgressCommand(added));
        if (surplus.length > 0) await client.send(new RevokeSecurityGroupEgressCommand(taken));
      }
    });
  },

  remove: async (id: string): Promise<void> => {
    try {
      await client.send(new DeleteSecurityGroupCommand({ GroupId: id }));
    } catch (error) {
      if (codeOf(error) !== 'InvalidGroup.NotFound') throw cloudError(`delete security group ${id}`, error);
    }
  },
});
