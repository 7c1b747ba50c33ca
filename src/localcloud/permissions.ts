import type { Call } from './answer.ts';
import { type Input, optionalText, parseInput, texts } from './input.ts';
import { type Parameters, readParameters } from './query.ts';

/** What an IAM policy has to allow for a call: https://docs.aws.amazon.com/service-authorization/latest/reference/ */
export interface Permission {
  /** As policies name it: a HeadObject needs `s3:GetObject`. */
  readonly action: string;
  /** An ARN; `*` where the action knows no resources, or the request names none. */
  readonly resource: string;
}

export interface Place {
  readonly region: string;
  readonly account: string;
}

/** S3's operations whose actions have other names. */
const s3Actions: Readonly<Record<string, string>> = {
  CopyObject: 'PutObject',
  DeleteBucketCors: 'PutBucketCORS',
  DeleteBucketEncryption: 'PutEncryptionConfiguration',
  DeleteBucketLifecycleConfiguration: 'PutLifecycleConfiguration',
  DeleteBucketTagging: 'PutBucketTagging',
  DeleteObjects: 'DeleteObject',
  GetBucketCors: 'GetBucketCORS',
  GetBucketEncryption: 'GetEncryptionConfiguration',
  GetBucketLifecycleConfiguration: 'GetLifecycleConfiguration',
  GetPublicAccessBlock: 'GetBucketPublicAccessBlock',
  HeadBucket: 'ListBucket',
  HeadObject: 'GetObject',
  ListBuckets: 'ListAllMyBuckets',
  ListObjects: 'ListBucket',
  ListObjectsV2: 'ListBucket',
  PutBucketCors: 'PutBucketCORS',
  PutBucketEncryption: 'PutEncryptionConfiguration',
  PutBucketLifecycleConfiguration: 'PutLifecycleConfiguration',
  PutPublicAccessBlock: 'PutBucketPublicAccessBlock',
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const s3Permissions = (
  operation: string,
  { path, headers }: Pick<Call, 'path' | 'headers'>,
): Permission[] => {
  const target = decoded(path.slice(1));
  const action = `s3:${s3Actions[operation] ?? operation}`;
  // A slash behind the bucket's name names no object; in a key it counts.
  const isBucket = !target.slice(0, -1).includes('/');
  const resource = target === '' ? '*' : `arn:aws:s3:::${isBucket ? target.replace(/\/$/, '') : target}`;
  // Which keys a DeleteObjects names stands in its body; a policy allows them by the bucket's prefix anyway.
  const whole = operation === 'DeleteObjects' ? `${resource}/*` : resource;
  const source = headers['x-amz-copy-source'];
  return [
    { action, resource: whole },
    ...(typeof source === 'string'
      ? [{ action: 's3:GetObject', resource: `arn:aws:s3:::${decoded(source).replace(/^\//, '')}` }]
      : []),
  ];
};

/** Batches need the action of their members. */
const sqsPermissions = (operation: string, input: Input, { region, account }: Place): Permission[] => {
  const name = optionalText(input, 'QueueUrl')?.split('/').at(-1) ?? optionalText(input, 'QueueName');
  const arns = [optionalText(input, 'SourceArn'), optionalText(input, 'DestinationArn')].filter(
    (arn) => arn !== undefined,
  );
  const action = `sqs:${operation.replace(/Batch$/, '')}`;
  if (arns.length > 0) return arns.map((resource) => ({ action, resource }));
  return [{ action, resource: name === undefined ? '*' : `arn:aws:sqs:${region}:${account}:${name}` }];
};

const ssmPermissions = (operation: string, input: Input, { region, account }: Place): Permission[] => {
  const action = `ssm:${operation}`;
  const arn = (kind: string, name: string): string =>
    `arn:aws:ssm:${region}:${account}:${kind}/${name.replace(/^\//, '')}`;
  const only = (resource: string): Permission[] => [{ action, resource }];
  if (operation === 'SendCommand')
    return [
      { action, resource: arn('document', optionalText(input, 'DocumentName') ?? '') },
      ...texts(input, 'InstanceIds').map((id) => ({
        action,
        resource: `arn:aws:ec2:${region}:${account}:instance/${id}`,
      })),
    ];
  if (operation.includes('Document')) return only(arn('document', optionalText(input, 'Name') ?? '*'));
  if (operation.includes('Tags'))
    return only(
      arn(
        (optionalText(input, 'ResourceType') ?? '').toLowerCase(),
        optionalText(input, 'ResourceId') ?? '*',
      ),
    );
  const names = [optionalText(input, 'Name'), optionalText(input, 'Path'), ...texts(input, 'Names')];
  const named = names.filter((name) => name !== undefined);
  if (named.length === 0) return only('*');
  return named.map((name) => ({ action, resource: arn('parameter', name) }));
};

/** What the prefixes of EC2's ids stand for in ARNs. */
const ec2Kinds: Readonly<Record<string, string>> = {
  ami: 'image',
  eipalloc: 'elastic-ip',
  i: 'instance',
  lt: 'launch-template',
  sg: 'security-group',
  snap: 'snapshot',
  subnet: 'subnet',
};

const ec2Permissions = (operation: string, parameters: Parameters, place: Place): Permission[] => {
  const action = `ec2:${operation}`;
  if (operation.startsWith('Describe')) return [{ action, resource: '*' }];
  const arn = (kind: string, id: string): string => {
    // Images and snapshots have no account in their ARNs.
    const account = kind === 'image' || kind === 'snapshot' ? '' : place.account;
    return `arn:aws:ec2:${place.region}:${account}:${kind}/${id}`;
  };
  const ids = new Set([...parameters.values()].filter((value) => /^[a-z]+-[0-9a-f]{8,17}$/.test(value)));
  const named = [...ids].flatMap((id) => {
    const kind = ec2Kinds[id.slice(0, id.lastIndexOf('-'))];
    return kind === undefined ? [] : [arn(kind, id)];
  });
  const made: Readonly<Record<string, readonly string[]>> = {
    RunInstances: ['instance', 'volume', 'network-interface'],
    CreateLaunchTemplate: ['launch-template'],
    CreateSecurityGroup: ['security-group'],
    AllocateAddress: ['elastic-ip'],
    CreateImage: ['image', 'snapshot'],
  };
  const resources = [...named, ...(made[operation] ?? []).map((kind) => arn(kind, '*'))];
  const tags = parameters.has('TagSpecification.1.Tag.1.Key');
  return [
    ...(resources.length > 0 ? resources : ['*']).map((resource) => ({ action, resource })),
    // Tags given to what is made need an action of their own.
    ...(tags
      ? (made[operation] ?? []).map((kind) => ({ action: 'ec2:CreateTags', resource: arn(kind, '*') }))
      : []),
  ];
};

const iamPermissions = (operation: string, parameters: Parameters, { account }: Place): Permission[] => {
  const action = `iam:${operation}`;
  const path = parameters.get('Path') ?? '/';
  const role = parameters.get('RoleName');
  const profile = parameters.get('InstanceProfileName');
  // A path is known only to the call that makes something.
  const arn = (kind: string, name: string): string => `arn:aws:iam::${account}:${kind}${path}${name}`;
  const isOfProfile = operation.includes('InstanceProfile') && profile !== undefined;
  const main = isOfProfile
    ? arn('instance-profile', profile)
    : role !== undefined
      ? arn('role', role)
      : (parameters.get('PolicyArn') ?? '*');
  return [
    { action, resource: main },
    ...(operation === 'AddRoleToInstanceProfile' && role !== undefined
      ? [{ action: 'iam:PassRole', resource: arn('role', role) }]
      : []),
  ];
};

/** The permissions that a call needs, as far as its request tells. `operation` is `sqs:SendMessage`. */
export const permissionsOf = (
  operation: string,
  call: Pick<Call, 'path' | 'headers' | 'body'>,
  place: Place,
): readonly Permission[] => {
  const [service = '', name = ''] = operation.split(':', 2);
  switch (service) {
    case 's3':
      return s3Permissions(name, call);
    case 'sqs':
      return sqsPermissions(name, parseInput(call.body()), place);
    case 'ssm':
      return ssmPermissions(name, parseInput(call.body()), place);
    case 'ec2':
      return ec2Permissions(name, readParameters(call.body()), place);
    case 'iam':
      return iamPermissions(name, readParameters(call.body()), place);
    default:
      return [{ action: operation, resource: '*' }];
  }
};
