import { expect, test } from 'vitest';
import { readTemplateData, type TemplateData, templateDataXml } from './template-data.ts';

const read = (data: Record<string, string>, source?: TemplateData): Record<string, string> =>
  Object.fromEntries(
    readTemplateData(
      new Map(Object.entries(data).map(([name, value]) => [`LaunchTemplateData.${name}`, value])),
      source,
    ),
  );

test('a later version replaces a list and a group of options as a whole', () => {
  const source = [
    ['SecurityGroupId.1', 'sg-1'],
    ['SecurityGroupId.2', 'sg-2'],
    ['MetadataOptions.HttpTokens', 'required'],
    ['ImageId', 'ami-1'],
  ] as const;
  expect(read({ 'SecurityGroupId.1': 'sg-3', 'MetadataOptions.HttpEndpoint': 'enabled' }, source)).toEqual({
    'SecurityGroupId.1': 'sg-3',
    'MetadataOptions.HttpEndpoint': 'enabled',
    ImageId: 'ami-1',
  });
});

test('what the local cloud cannot do is refused, not kept', () => {
  for (const name of ['HibernationOptions.Configured', 'DisableApiTermination', 'KeyName', 'Colour'])
    expect(() => read({ [name]: 'true' })).toThrow('does not have');
});

test('lists in an answer have their own names', () => {
  expect(
    templateDataXml([
      ['UserData', 'eA=='],
      ['SecurityGroupId.1', 'sg-1'],
      ['NetworkInterface.1.SecurityGroupId.1', 'sg-2'],
      ['NetworkInterface.1.DeviceIndex', '0'],
      ['TagSpecification.1.ResourceType', 'instance'],
      ['TagSpecification.1.Tag.10.Key', 'second'],
      ['TagSpecification.1.Tag.9.Key', 'first'],
    ]),
  ).toEqual({
    userData: 'eA==',
    securityGroupIdSet: { item: ['sg-1'] },
    networkInterfaceSet: { item: [{ groupSet: { item: [{ groupId: 'sg-2' }] }, deviceIndex: '0' }] },
    tagSpecificationSet: {
      item: [{ resourceType: 'instance', tagSet: { item: [{ key: 'first' }, { key: 'second' }] } }],
    },
  });
});
