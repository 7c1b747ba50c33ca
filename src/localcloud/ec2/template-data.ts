import { Refusal } from '../answer.ts';
import type { Parameters } from '../query.ts';
import type { Xml, XmlElement } from '../xml.ts';

/**
 * What a launch template holds: parameters of RunInstances, names as on the wire (`TagSpecification.1.Tag.1.Key`), as
 * pairs because the journal is JSON.
 */
export type TemplateData = readonly (readonly [name: string, value: string])[];

const prefix = 'LaunchTemplateData.';

/** The first part of a parameter's name: what a later value replaces as a whole. */
const headOf = (name: string): string => name.split('.', 1)[0] ?? '';

/** The parameters of RunInstances that mean something here. */
const launchParameters = new Set([
  'BlockDeviceMapping',
  'CpuOptions',
  'CreditSpecification',
  'EbsOptimized',
  'IamInstanceProfile',
  'ImageId',
  'InstanceInitiatedShutdownBehavior',
  'InstanceMarketOptions',
  'InstanceType',
  'MaintenanceOptions',
  'MetadataOptions',
  'Monitoring',
  'NetworkInterface',
  'Placement',
  'PrivateDnsNameOptions',
  'SecurityGroupId',
  'SubnetId',
  'TagSpecification',
  'UserData',
]);

/** Throws UnsupportedOperation for a launch parameter that would be without effect here although it should have one. */
export const checkLaunchParameter = (name: string, value: string): void => {
  const head = headOf(name);
  if (launchParameters.has(head)) return;
  if ((head === 'DisableApiTermination' || head === 'DisableApiStop') && value === 'false') return;
  throw new Refusal('UnsupportedOperation', `The local cloud does not have ${name} of RunInstances.`, 501);
};

/** The data in a request, or the source's with the request's parameters in place of those of the same name. */
export const readTemplateData = (parameters: Parameters, source: TemplateData = []): TemplateData => {
  const given = [...parameters]
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]): [string, string] => [name.slice(prefix.length), value]);
  for (const [name, value] of given) checkLaunchParameter(name, value);
  return overridden(source, given);
};

/** `base` with the parameters of `over`; each replaces everything that has the same first part of its name. */
export const overridden = (base: TemplateData, over: TemplateData): TemplateData => {
  const heads = new Set(over.map(([name]) => headOf(name)));
  return [...base.filter(([name]) => !heads.has(headOf(name))), ...over];
};

interface Tree {
  readonly [part: string]: Tree | string;
}

/** `A.1.B = x` as { A: { 1: { B: x } } }. */
const treeOf = (data: TemplateData): Tree => {
  const members = new Map<string, string | [name: string, value: string][]>();
  for (const [name, value] of data) {
    const dot = name.indexOf('.');
    const head = dot < 0 ? name : name.slice(0, dot);
    if (dot < 0) {
      members.set(head, value);
      continue;
    }
    const known = members.get(head);
    const inner: [string, string][] = typeof known === 'object' ? known : [];
    inner.push([name.slice(dot + 1), value]);
    members.set(head, inner);
  }
  return Object.fromEntries(
    [...members].map(([head, value]) => [head, typeof value === 'string' ? value : treeOf(value)]),
  );
};

/** Names of lists in answers, where they are not the request's with a small letter and `Set`. */
const listNames: Readonly<Record<string, string>> = { 'NetworkInterface.SecurityGroupId': 'groupSet' };
/** What holds a text in an answer's list, where it is not the item itself. */
const itemNames: Readonly<Record<string, string>> = { 'NetworkInterface.SecurityGroupId': 'groupId' };

const small = (name: string): string => name.slice(0, 1).toLowerCase() + name.slice(1);

const isList = (value: Tree): boolean => Object.keys(value).every((key) => /^\d+$/.test(key));

const rendered = (tree: Tree, within: string): XmlElement =>
  Object.fromEntries(
    Object.entries(tree).map(([name, value]): [string, Xml] => {
      if (typeof value === 'string') return [small(name), value];
      if (!isList(value)) return [small(name), rendered(value, name)];
      const full = `${within}.${name}`;
      const items = Object.entries(value)
        .sort(([a], [b]) => Number(a) - Number(b))
        .map(([, item]): Xml => {
          if (typeof item !== 'string') return rendered(item, name);
          const inner = itemNames[full];
          return inner === undefined ? item : { [inner]: item };
        });
      return [listNames[full] ?? `${small(name)}Set`, { item: items }];
    }),
  );

/** The data as DescribeLaunchTemplateVersions tells it: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResponseLaunchTemplateData.html */
export const templateDataXml = (data: TemplateData): XmlElement => rendered(treeOf(data), '');
