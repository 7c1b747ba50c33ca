import { expect, test } from 'vitest';
import { readRules } from './security-rules.ts';

const rulesOf = (parameters: Record<string, string>) => readRules(new Map(Object.entries(parameters)), false);

const permission = (cidr: string, more: Record<string, string> = {}) => ({
  'IpPermissions.1.IpProtocol': 'tcp',
  'IpPermissions.1.FromPort': '80',
  'IpPermissions.1.ToPort': '80',
  'IpPermissions.1.IpRanges.1.CidrIp': cidr,
  ...more,
});

test.each([
  ['203.0.113.7/32', '203.0.113.7/32'],
  ['203.0.113.7/24', '203.0.113.0/24'],
  ['203.0.113.200/25', '203.0.113.128/25'],
  ['255.255.255.255/1', '128.0.0.0/1'],
  ['10.1.2.3/0', '0.0.0.0/0'],
])('the block %s is kept as %s', (given, kept) => {
  expect(rulesOf(permission(given)).map(({ peer }) => peer)).toEqual([kept]);
});

test.each(['203.0.113.7', '203.0.113.7/33', '203.0.113/24', '::/0', '203.0.113.7/-1', '1.2.3.4/1/1'])(
  'the block %s is refused',
  (given) => {
    expect(() => rulesOf(permission(given))).toThrow('malformed');
  },
);

test('each block and each group is a rule of its own', () => {
  const rules = rulesOf(
    permission('203.0.113.7/32', {
      'IpPermissions.1.IpRanges.2.CidrIp': '198.51.100.0/24',
      'IpPermissions.1.Groups.1.GroupId': 'sg-1',
      'IpPermissions.2.IpProtocol': '-1',
      'IpPermissions.2.Ipv6Ranges.1.CidrIpv6': '::/0',
    }),
  );
  expect(rules.map(({ protocol, fromPort, kind, peer }) => [protocol, fromPort, kind, peer])).toEqual([
    ['tcp', 80, 'ipv4', '203.0.113.7/32'],
    ['tcp', 80, 'ipv4', '198.51.100.0/24'],
    ['tcp', 80, 'group', 'sg-1'],
    ['-1', undefined, 'ipv6', '::/0'],
  ]);
});

test.each([
  ['a protocol that is none', { 'IpPermissions.1.IpProtocol': 'carrier-pigeon' }],
  ['ports in the wrong order', { 'IpPermissions.1.FromPort': '90' }],
  ['a port that is none', { 'IpPermissions.1.ToPort': '70000' }],
])('%s is refused', (_name, more) => {
  expect(() => rulesOf(permission('203.0.113.7/32', more))).toThrow('Invalid value');
});

test('a request without a rule is refused', () => {
  expect(() => rulesOf({})).toThrow('ipPermissions');
});
