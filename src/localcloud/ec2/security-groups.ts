import { Refusal } from '../answer.ts';
import { listOf, type Parameters } from '../query.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import type { XmlElement } from '../xml.ts';
import { type Filterable, readFilters } from './filters.ts';
import { hexId, isId } from './names.ts';
import type { Ec2Operations } from './operations.ts';
import { pageOf } from './paging.ts';
import { isSameRule, permissionsXml, readRules, ruleXml, type SecurityRule } from './security-rules.ts';
import { readTags, type Taggable, type Tags, tagsXml } from './tags.ts';
import type { Network } from './vpc.ts';

export interface SecurityGroup {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly vpcId: string;
  readonly rules: readonly SecurityRule[];
  readonly tags: Tags;
}

export interface SecurityGroups {
  readonly operations: Ec2Operations;
  readonly taggable: Taggable;
  /** Throws InvalidGroup.NotFound. */
  readonly find: (id: string) => SecurityGroup;
  readonly nameOf: (id: string) => string;
  /** The group that instances of a VPC are in when nobody says which. */
  readonly defaultOf: (vpcId: string) => SecurityGroup;
}

const filterable: Filterable<SecurityGroup> = {
  description: ({ description }) => [description],
  'group-id': ({ id }) => [id],
  'group-name': ({ name }) => [name],
  'vpc-id': ({ vpcId }) => [vpcId],
};

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html */
const textForm = /^[a-zA-Z0-9 ._\-:/()#,@[\]+=&;{}!$*]{1,255}$/;

const everythingOut = (): SecurityRule => ({
  id: hexId('sgr'),
  isEgress: true,
  protocol: '-1',
  fromPort: undefined,
  toPort: undefined,
  kind: 'ipv4',
  peer: '0.0.0.0/0',
  description: '',
});

/** Security groups and their rules. They are kept and returned; on one machine there is no traffic to filter. */
export const createSecurityGroups = (options: {
  readonly shelves: Shelves;
  readonly network: Network;
  readonly account: string;
  /** Whether an instance that is not terminated is in it. */
  readonly isInUse: (groupId: string) => boolean;
}): SecurityGroups => {
  const { network, account } = options;
  const groups: Shelf<SecurityGroup> = options.shelves.open('ec2.security-group');

  /** Every VPC has one from the start; it is written down when it changes. */
  const defaults = new Map(
    network.vpcs.map(({ id: vpcId }): [string, SecurityGroup] => {
      const id = vpcId.replace('vpc-', 'sg-');
      const description = 'default VPC security group';
      const within: SecurityRule = {
        ...everythingOut(),
        isEgress: false,
        kind: 'group',
        peer: id,
      };
      return [id, { id, name: 'default', description, vpcId, rules: [within, everythingOut()], tags: {} }];
    }),
  );

  const all = (): readonly SecurityGroup[] => [
    ...[...defaults.values()].map((group) => groups.get(group.id) ?? group),
    ...[...groups.values()].filter(({ id }) => !defaults.has(id)),
  ];

  const find = (id: string): SecurityGroup => {
    if (!isId('sg', id)) throw new Refusal('InvalidGroupId.Malformed', `Invalid id: "${id}"`);
    const group = groups.get(id) ?? defaults.get(id);
    if (!group) throw new Refusal('InvalidGroup.NotFound', `The security group '${id}' does not exist`);
    return group;
  };

  const named = (parameters: Parameters): SecurityGroup => {
    const id = parameters.get('GroupId');
    if (id === undefined)
      throw new Refusal('MissingParameter', 'The request must contain the parameter groupId');
    return find(id);
  };

  const create = (parameters: Parameters): XmlElement => {
    const name = parameters.get('GroupName') ?? '';
    const description = parameters.get('GroupDescription') ?? '';
    const vpcId = parameters.get('VpcId') ?? network.vpcs.find((vpc) => vpc.isDefault)?.id ?? '';
    if (!network.vpcs.some(({ id }) => id === vpcId))
      throw new Refusal('InvalidVpcID.NotFound', `The vpc ID '${vpcId}' does not exist`);
    for (const [parameter, text] of [
      ['groupName', name],
      ['groupDescription', description],
    ] as const)
      if (!textForm.test(text))
        throw new Refusal('InvalidParameterValue', `Value (${text}) for parameter ${parameter} is invalid.`);
    if (name.startsWith('sg-'))
      throw new Refusal('InvalidParameterValue', 'Group names may not be in the format sg-*');
    if (all().some((group) => group.name === name && group.vpcId === vpcId))
      throw new Refusal(
        'InvalidGroup.Duplicate',
        `The security group '${name}' already exists for VPC '${vpcId}'`,
      );
    const tags = readTags(parameters, 'security-group');
    const group = { id: hexId('sg'), name, description, vpcId, rules: [everythingOut()], tags };
    groups.put(group.id, group);
    return { return: true, groupId: group.id, tagSet: tagsXml(tags) };
  };

  const remove = (parameters: Parameters): XmlElement => {
    const group = named(parameters);
    if (defaults.has(group.id))
      throw new Refusal(
        'CannotDelete',
        `the specified group: "${group.id}" name: "default" cannot be deleted`,
      );
    const isReferenced = all().some(
      ({ id, rules }) =>
        id !== group.id && rules.some(({ kind, peer }) => kind === 'group' && peer === group.id),
    );
    if (isReferenced || options.isInUse(group.id))
      throw new Refusal('DependencyViolation', `resource ${group.id} has a dependent object`);
    groups.remove(group.id);
    return { return: true, groupId: group.id };
  };

  const authorize =
    (isEgress: boolean) =>
    (parameters: Parameters): XmlElement => {
      const group = named(parameters);
      const added = readRules(parameters, isEgress).map((rule) => ({ id: hexId('sgr'), ...rule }));
      for (const rule of added) {
        if (rule.kind === 'group') find(rule.peer);
        if (group.rules.some((present) => isSameRule(present, rule)))
          throw new Refusal(
            'InvalidPermission.Duplicate',
            `the specified rule "peer: ${rule.peer}, ${rule.protocol}, from port: ${rule.fromPort}, to port: ${rule.toPort}, ALLOW" already exists`,
          );
      }
      groups.put(group.id, { ...group, rules: [...group.rules, ...added] });
      return {
        return: true,
        securityGroupRuleSet: { item: added.map((rule) => ruleXml(rule, group.id, account)) },
      };
    };

  const revoke =
    (isEgress: boolean) =>
    (parameters: Parameters): XmlElement => {
      const group = named(parameters);
      const ids = listOf(parameters, 'SecurityGroupRuleId');
      const unknownId = ids.find((id) => !group.rules.some((rule) => rule.id === id));
      if (unknownId !== undefined)
        throw new Refusal('InvalidSecurityGroupRuleId.NotFound', `The rule '${unknownId}' does not exist`);
      const meant = ids.length > 0 ? [] : readRules(parameters, isEgress);
      if (meant.some((rule) => !group.rules.some((present) => isSameRule(present, rule))))
        throw new Refusal(
          'InvalidPermission.NotFound',
          'The specified rule does not exist in this security group.',
        );
      const rules = group.rules.filter(
        (rule) => !ids.includes(rule.id) && !meant.some((one) => isSameRule(one, rule)),
      );
      groups.put(group.id, { ...group, rules });
      return { return: true };
    };

  const groupXml = (group: SecurityGroup): XmlElement => ({
    ownerId: account,
    groupId: group.id,
    groupName: group.name,
    groupDescription: group.description,
    vpcId: group.vpcId,
    ipPermissions: permissionsXml(
      group.rules.filter(({ isEgress }) => !isEgress),
      account,
    ),
    ipPermissionsEgress: permissionsXml(
      group.rules.filter(({ isEgress }) => isEgress),
      account,
    ),
    tagSet: tagsXml(group.tags),
  });

  const describe = (parameters: Parameters): XmlElement => {
    const ids = listOf(parameters, 'GroupId').map((id) => find(id).id);
    const names = listOf(parameters, 'GroupName');
    const unknown = names.find((name) => !all().some((group) => group.name === name));
    if (unknown !== undefined)
      throw new Refusal('InvalidGroup.NotFound', `The security group '${unknown}' does not exist`);
    const wanted = all()
      .filter(({ id }) => ids.length === 0 || ids.includes(id))
      .filter(({ name }) => names.length === 0 || names.includes(name))
      .filter(readFilters(parameters, filterable, ({ tags }) => tags));
    const { page, nextToken } = pageOf(parameters, wanted, { min: 5, max: 1000 });
    return {
      securityGroupInfo: { item: page.map(groupXml) },
      nextToken,
    };
  };

  return {
    operations: {
      AuthorizeSecurityGroupEgress: authorize(true),
      AuthorizeSecurityGroupIngress: authorize(false),
      CreateSecurityGroup: create,
      DeleteSecurityGroup: remove,
      DescribeSecurityGroups: describe,
      RevokeSecurityGroupEgress: revoke(true),
      RevokeSecurityGroupIngress: revoke(false),
    },
    taggable: {
      prefix: 'sg',
      find,
      setTags: (id, tags) => groups.put(id, { ...find(id), tags }),
    },
    find,
    nameOf: (id) => (groups.get(id) ?? defaults.get(id))?.name ?? id,
    defaultOf: (vpcId) => find(vpcId.replace('vpc-', 'sg-')),
  };
};
