import { templateData } from '../aws/launch-templates.ts';
import { tagKeys } from '../aws/names.ts';
import { permissionOf, type Rule } from '../aws/security-groups.ts';
import { tagList } from '../aws/tags.ts';
import { policyName } from './keepers/roles.ts';
import { settingsOf } from './keepers/templates.ts';
import { type AnyResource, type Key, keyOf, neededBy, type Resource, withReferences } from './resources.ts';

/** CloudFormation cannot make a SecureString: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ssm-parameter.html */
type Templated = Exclude<AnyResource, Resource<'secret'>>;

const isTemplated = (resource: AnyResource): resource is Templated => resource.kind !== 'secret';

type Properties = Readonly<Record<string, unknown>>;

interface CfnResource {
  readonly Type: string;
  readonly Properties: Properties;
  readonly DependsOn?: readonly string[];
  readonly DeletionPolicy?: 'Retain';
  readonly UpdateReplacePolicy?: 'Retain';
}

export interface Template {
  readonly AWSTemplateFormatVersion: '2010-09-09';
  readonly Description: string;
  readonly Metadata?: Readonly<Record<string, unknown>>;
  readonly Resources: Readonly<Record<string, CfnResource>>;
  readonly Outputs: Readonly<Record<string, unknown>>;
}

const pascal = (text: string): string =>
  text
    .split(/[^A-Za-z0-9]+/)
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join('');

/** `RequestsQueue`, `WebLaunchTemplate`, `Web1Instance`: by role, slot and kind, not by the cluster's name. */
export const logicalId = ({ kind, tags }: AnyResource): string =>
  pascal(`${tags[tagKeys.role]} ${tags[tagKeys.slot] ?? ''} ${kind}`);

/** A reference, or an attribute of what is referred to, as text until the ids of the template are known. */
const mark = (key: Key, attribute = ''): string => `\u0000${key}\u0000${attribute}`;

const attributes: Readonly<Partial<Record<Templated['kind'], string>>> = {
  // Ref of a security group is its id only outside the default VPC.
  'security-group': 'GroupId',
};

/** Replaces the marks by what CloudFormation calls the resource. */
const unmark = (value: unknown, ids: ReadonlyMap<Key, string>): unknown => {
  if (typeof value === 'string') {
    if (!value.startsWith('\u0000')) return value;
    const [, key = '', named] = value.split('\u0000');
    const id = ids.get(key as Key) ?? key;
    const attribute = named || attributes[key.split('/', 1)[0] as Templated['kind']];
    return attribute === undefined ? { Ref: id } : { 'Fn::GetAtt': [id, attribute] };
  }
  if (Array.isArray(value)) return value.map((item) => unmark(item, ids));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, unmark(inner, ids)]));
};

const bucket = ({ name, tags, aspects }: Resource<'bucket'>): Properties => ({
  BucketName: name,
  PublicAccessBlockConfiguration: {
    BlockPublicAcls: aspects.publicAccessBlocked,
    IgnorePublicAcls: aspects.publicAccessBlocked,
    BlockPublicPolicy: aspects.publicAccessBlocked,
    RestrictPublicBuckets: aspects.publicAccessBlocked,
  },
  OwnershipControls: { Rules: [{ ObjectOwnership: aspects.ownership }] },
  BucketEncryption: {
    ServerSideEncryptionConfiguration: [
      { ServerSideEncryptionByDefault: { SSEAlgorithm: aspects.encryption } },
    ],
  },
  LifecycleConfiguration: {
    Rules: aspects.expiries.map(({ prefix, days }) => ({
      Status: 'Enabled',
      Prefix: prefix,
      ExpirationInDays: days,
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
    })),
  },
  Tags: tagList(tags),
});

/** SQS takes text for everything; CloudFormation wants numbers, booleans and objects. */
const queueValue = (text: string): unknown => {
  if (/^\d+$/.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  return text.startsWith('{') ? (JSON.parse(text) as unknown) : text;
};

const queue = ({ name, tags, aspects: { Policy: _, ...aspects } }: Resource<'queue'>): Properties => ({
  QueueName: name,
  ...Object.fromEntries(Object.entries(aspects).map(([key, text]) => [key, queueValue(text)])),
  Tags: tagList(tags),
});

const rule = (text: Rule): Properties => {
  const { IpProtocol, FromPort, ToPort, IpRanges, Ipv6Ranges } = permissionOf(text);
  return { IpProtocol, FromPort, ToPort, ...IpRanges?.[0], ...Ipv6Ranges?.[0] };
};

const properties = (resource: Templated): Properties => {
  const { name, tags } = resource;
  const Tags: readonly { Key: string; Value: string }[] = tagList(tags);
  switch (resource.kind) {
    case 'bucket':
      return bucket(resource);
    case 'queue':
      return queue(resource);
    case 'parameter':
      return { Name: name, Type: 'String', Value: resource.aspects.value, Tags: tags };
    case 'document':
      return {
        Name: name,
        DocumentType: 'Command',
        DocumentFormat: 'JSON',
        TargetType: '/AWS::EC2::Instance',
        UpdateMethod: 'NewVersion',
        Content: resource.aspects.content,
        Tags,
      };
    case 'role':
      return {
        RoleName: name,
        Path: resource.made?.path,
        AssumeRolePolicyDocument: resource.aspects.trust,
        Policies: [{ PolicyName: policyName, PolicyDocument: resource.aspects.policy }],
        PermissionsBoundary: resource.aspects.boundary,
        Tags,
      };
    case 'profile':
      return { InstanceProfileName: name, Path: resource.made?.path, Roles: [resource.aspects.role] };
    case 'security-group':
      return {
        GroupName: name,
        GroupDescription: `imgrec: ${name}`,
        VpcId: resource.made?.vpcId,
        SecurityGroupIngress: resource.aspects.ingress.map(rule),
        SecurityGroupEgress: resource.aspects.egress.map(rule),
        Tags,
      };
    case 'launch-template':
      return {
        LaunchTemplateName: name,
        LaunchTemplateData: templateData(settingsOf(resource)),
        TagSpecifications: [{ ResourceType: 'launch-template', Tags }],
      };
    case 'instance':
      return {
        LaunchTemplate: {
          LaunchTemplateId: resource.made?.template,
          Version: mark(`launch-template/${name.replace(/-\d+$/, '')}`, 'LatestVersionNumber'),
        },
        SubnetId: resource.made?.subnetId,
        Tags,
      };
    case 'address':
      return { Domain: 'vpc', InstanceId: resource.aspects.instance, Tags };
  }
};

const types: Readonly<Record<Templated['kind'], string>> = {
  bucket: 'AWS::S3::Bucket',
  queue: 'AWS::SQS::Queue',
  parameter: 'AWS::SSM::Parameter',
  document: 'AWS::SSM::Document',
  role: 'AWS::IAM::Role',
  profile: 'AWS::IAM::InstanceProfile',
  'security-group': 'AWS::EC2::SecurityGroup',
  'launch-template': 'AWS::EC2::LaunchTemplate',
  instance: 'AWS::EC2::Instance',
  address: 'AWS::EC2::EIP',
};

/** The bucket's policy with the bucket as the template knows it, so that whoever reads it sees that they belong together. */
const naming = (resource: Resource<'bucket'>, id: string): unknown =>
  JSON.parse(
    JSON.stringify(resource.aspects.policy)
      .replace(/"arn:[^"]*:::[^"/]*"/g, JSON.stringify({ 'Fn::GetAtt': [id, 'Arn'] }))
      .replace(/"arn:[^"]*:::[^"/]*\/\*"/g, JSON.stringify({ 'Fn::Sub': `\${${id}.Arn}/*` })),
  );

/** What is an attribute to the API and a resource of its own to CloudFormation. */
const policies = (resource: AnyResource, id: string): Readonly<Record<string, CfnResource>> => {
  if (resource.kind === 'bucket')
    return {
      [`${id}Policy`]: {
        Type: 'AWS::S3::BucketPolicy',
        Properties: { Bucket: { Ref: id }, PolicyDocument: naming(resource, id) },
      },
    };
  if (resource.kind === 'queue')
    return {
      [`${id}Policy`]: {
        Type: 'AWS::SQS::QueuePolicy',
        Properties: {
          Queues: [{ Ref: id }],
          PolicyDocument: JSON.parse(resource.aspects['Policy'] ?? '{}') as unknown,
        },
      },
    };
  return {};
};

/** What CloudFormation sees by itself need not be said again. */
const impliedBy = (value: unknown): readonly string[] =>
  [...JSON.stringify(value).matchAll(/"(?:Ref":|Fn::GetAtt":\[)"([A-Za-z0-9]+)"/g)].map(([, id = '']) => id);

/**
 * The wanted resources as a CloudFormation template. What it cannot make is install.json, and API keys: a cluster made from it is
 * taken over by the first "imgrec provision --adopt", which makes both. Pure.
 */
export const cloudFormation = (cluster: string, wanted: readonly AnyResource[]): Template => {
  const templated = wanted.filter(isTemplated);
  const secrets = wanted.filter(({ kind }) => kind === 'secret');
  const ids = new Map<Key, string>(templated.map((resource) => [keyOf(resource), logicalId(resource)]));
  const resources = templated.flatMap((resource): readonly [string, CfnResource][] => {
    const id = logicalId(resource);
    const marked = withReferences(resource, (key) => mark(key));
    // JSON drops what is undefined.
    const Properties = unmark(JSON.parse(JSON.stringify(properties(marked))), ids) as Properties;
    const implied = impliedBy(Properties);
    const needs = neededBy(resource)
      .map((key) => ids.get(key) ?? '')
      .filter((need) => need !== '' && !implied.includes(need));
    return [
      [
        id,
        {
          Type: types[resource.kind],
          Properties,
          ...(needs.length > 0 ? { DependsOn: needs } : {}),
          ...(resource.kind === 'bucket'
            ? { DeletionPolicy: 'Retain' as const, UpdateReplacePolicy: 'Retain' as const }
            : {}),
        },
      ],
      ...Object.entries(policies(resource, id)),
    ];
  });
  const addresses = templated.filter(({ kind }) => kind === 'address');
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: `imgrec cluster ${cluster}`,
    ...(secrets.length === 0
      ? {}
      : {
          Metadata: {
            NotInThisTemplate: secrets.map(
              ({ name }) =>
                `CloudFormation cannot make the SecureString ${name}: "imgrec provision --cluster ${cluster} --adopt --api-keys" makes it, with a key, and the web tier answers nobody until then`,
            ),
          },
        }),
    Resources: Object.fromEntries(resources),
    Outputs: Object.fromEntries(
      addresses.map((address) => {
        const id = logicalId(address);
        return [id, { Description: 'Where the web tier answers', Value: { Ref: id } }];
      }),
    ),
  };
};
