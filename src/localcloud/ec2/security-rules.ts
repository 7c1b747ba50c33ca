import { isIPv4, isIPv6 } from 'node:net';
import { Refusal } from '../answer.ts';
import { indexesOf, integerOf, type Parameters } from '../query.ts';
import type { XmlElement } from '../xml.ts';

/** One source or destination of one port range. */
export interface SecurityRule {
  /** sgr-… */
  readonly id: string;
  readonly isEgress: boolean;
  /** `tcp`, `udp`, `icmp`, or `-1` for all. */
  readonly protocol: string;
  /** Undefined for all protocols. */
  readonly fromPort: number | undefined;
  readonly toPort: number | undefined;
  readonly kind: 'ipv4' | 'ipv6' | 'group';
  /** A CIDR, or the id of a group. */
  readonly peer: string;
  readonly description: string;
}

const protocols: Readonly<Record<string, string>> = { '6': 'tcp', '17': 'udp', '1': 'icmp', all: '-1' };

const ipv4Number = (address: string): number =>
  address.split('.').reduce((value, part) => value * 256 + Number(part), 0);

/** The block without host bits, as EC2 keeps it. Throws InvalidParameterValue. */
const canonicalCidr = (text: string, kind: 'ipv4' | 'ipv6'): string => {
  const [address = '', bits = '', ...more] = text.split('/');
  const size = Number(bits);
  const isSound =
    more.length === 0 &&
    /^\d{1,3}$/.test(bits) &&
    (kind === 'ipv4' ? isIPv4(address) && size <= 32 : isIPv6(address) && size <= 128);
  if (!isSound) throw new Refusal('InvalidParameterValue', `CIDR block ${text} is malformed`);
  if (kind === 'ipv6') return text.toLowerCase();
  const step = 2 ** (32 - size);
  const base = Math.floor(ipv4Number(address) / step) * step;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.')}/${size}`;
};

const readPorts = (parameters: Parameters, prefix: string) => {
  const given = parameters.get(`${prefix}IpProtocol`) ?? '';
  const protocol = protocols[given] ?? given;
  if (!['tcp', 'udp', 'icmp', '-1'].includes(protocol))
    throw new Refusal('InvalidParameterValue', `Invalid value '${given}' for IP protocol. Unknown protocol.`);
  if (protocol === '-1') return { protocol, fromPort: undefined, toPort: undefined };
  const fromPort = integerOf(parameters, `${prefix}FromPort`);
  const toPort = integerOf(parameters, `${prefix}ToPort`);
  if (fromPort === undefined || toPort === undefined)
    throw new Refusal('MissingParameter', 'The request must contain the parameters FromPort and ToPort.');
  if (protocol !== 'icmp' && (fromPort < 0 || toPort > 65_535 || fromPort > toPort))
    throw new Refusal('InvalidParameterValue', `Invalid value '${fromPort}-${toPort}' for port range.`);
  return { protocol, fromPort, toPort };
};

export type RuleContent = Omit<SecurityRule, 'id'>;

const readPeers = (
  parameters: Parameters,
  prefix: string,
): readonly Pick<SecurityRule, 'kind' | 'peer' | 'description'>[] => {
  const list = (name: string, member: string, kind: SecurityRule['kind']) =>
    indexesOf(parameters, `${prefix}${name}`).map((index) => {
      const text = parameters.get(`${prefix}${name}.${index}.${member}`) ?? '';
      return {
        kind,
        peer: kind === 'group' ? text : canonicalCidr(text, kind),
        description: parameters.get(`${prefix}${name}.${index}.Description`) ?? '',
      };
    });
  return [
    ...list('IpRanges', 'CidrIp', 'ipv4'),
    ...list('Ipv6Ranges', 'CidrIpv6', 'ipv6'),
    ...list('Groups', 'GroupId', 'group'),
  ];
};

/** The rules that a request lists in `IpPermissions`, or gives as one `IpProtocol`, `FromPort`, `ToPort`, `CidrIp`. */
export const readRules = (parameters: Parameters, isEgress: boolean): readonly RuleContent[] => {
  const lists = indexesOf(parameters, 'IpPermissions').map((index) => `IpPermissions.${index}.`);
  const rules = lists.flatMap((prefix) => {
    if (indexesOf(parameters, `${prefix}PrefixListIds`).length > 0)
      throw new Refusal('UnsupportedOperation', 'The local cloud has no prefix lists.', 501);
    const ports = readPorts(parameters, prefix);
    return readPeers(parameters, prefix).map((peer): RuleContent => ({ isEgress, ...ports, ...peer }));
  });
  const cidr = parameters.get('CidrIp');
  if (cidr !== undefined)
    rules.push({
      isEgress,
      ...readPorts(parameters, ''),
      kind: 'ipv4',
      peer: canonicalCidr(cidr, 'ipv4'),
      description: '',
    });
  if (rules.length === 0)
    throw new Refusal('MissingParameter', 'The request must contain the parameter ipPermissions');
  return rules;
};

/** Whether two rules let the same traffic pass; descriptions do not count. */
export const isSameRule = (a: RuleContent, b: RuleContent): boolean =>
  a.isEgress === b.isEgress &&
  a.protocol === b.protocol &&
  a.fromPort === b.fromPort &&
  a.toPort === b.toPort &&
  a.kind === b.kind &&
  a.peer === b.peer;

const portsXml = ({ protocol, fromPort, toPort }: RuleContent): XmlElement => ({
  ipProtocol: protocol,
  ...(fromPort !== undefined && { fromPort }),
  ...(toPort !== undefined && { toPort }),
});

const described = (rule: SecurityRule, peer: XmlElement): XmlElement => ({
  ...peer,
  ...(rule.description !== '' && { description: rule.description }),
});

/** Rules as DescribeSecurityGroups shows them: together where protocol and ports are the same. */
export const permissionsXml = (rules: readonly SecurityRule[], account: string): XmlElement => {
  const groups = new Map<string, SecurityRule[]>();
  for (const rule of rules) {
    const key = `${rule.protocol} ${rule.fromPort} ${rule.toPort}`;
    const members = groups.get(key) ?? [];
    members.push(rule);
    groups.set(key, members);
  }
  const only = (
    members: readonly SecurityRule[],
    kind: SecurityRule['kind'],
    xml: (peer: string) => XmlElement,
  ) => ({
    item: members.filter((rule) => rule.kind === kind).map((rule) => described(rule, xml(rule.peer))),
  });
  return {
    item: [...groups.values()].map((members) => ({
      ...(members[0] && portsXml(members[0])),
      groups: only(members, 'group', (groupId) => ({ userId: account, groupId })),
      ipRanges: only(members, 'ipv4', (cidrIp) => ({ cidrIp })),
      ipv6Ranges: only(members, 'ipv6', (cidrIpv6) => ({ cidrIpv6 })),
      prefixListIds: '',
    })),
  };
};

/** A rule as Authorize answers it and DescribeSecurityGroupRules lists it. */
export const ruleXml = (rule: SecurityRule, groupId: string, account: string): XmlElement => {
  const peers: Readonly<Record<SecurityRule['kind'], XmlElement>> = {
    ipv4: { cidrIpv4: rule.peer },
    ipv6: { cidrIpv6: rule.peer },
    group: { referencedGroupInfo: { groupId: rule.peer, userId: account } },
  };
  return described(rule, {
    securityGroupRuleId: rule.id,
    groupId,
    groupOwnerId: account,
    isEgress: rule.isEgress,
    ipProtocol: rule.protocol,
    fromPort: rule.fromPort ?? -1,
    toPort: rule.toPort ?? -1,
    ...peers[rule.kind],
  });
};
