const accessLogs =
  'access logs are a bucket and a bill of their own; who wants them switches them on, and a plan leaves them alone';
const versions =
  'images and results are written once and expire; a version of what expired would keep what was promised to be gone';
const ownKey =
  'encrypted with keys that SQS manages (SqsManagedSseEnabled); a KMS key of our own costs a request a message';
const wildcard = 'what its policy says of "*" and of names made at run time, each with its reason below';

const agent = 'the SSM agent, Describe and ListQueues: these actions have no resource to name';
const keys = 'one key an image, a report or a release: names made at run time, below a prefix that is ours';
const replies = 'one reply queue a web process, its name made at its start';
const launched =
  'ids that EC2 gives at the launch; the conditions ask for our tags, IMDSv2, encryption and the types chosen';
const apiKeys =
  "the account's key aws/ssm, whose id nobody chooses; the conditions ask for SSM and for the one parameter";
const chosen =
  'any subnet, and any image of Amazon or of this account: the conditions on the instance say what it may be';

const arn = { ec2: 'arn:aws:ec2:us-east-1:111122223333:', s3: 'arn:aws:s3:::demo-' } as const;
const bucket = (name: string, prefix: string) => `${arn.s3}${name}-111122223333-us-east-1/${prefix}/*`;

/** Wildcards in policies: the resource, whose policies name it, and why. */
const wildcards: readonly (readonly [
  resource: string,
  roles: readonly ('WebRole' | 'WorkerRole')[],
  why: string,
])[] = [
  ['*', ['WebRole', 'WorkerRole'], agent],
  [bucket('input', 'images'), ['WebRole', 'WorkerRole'], keys],
  [bucket('output', 'results'), ['WebRole', 'WorkerRole'], keys],
  [bucket('ops', 'artifacts'), ['WebRole', 'WorkerRole'], keys],
  [bucket('ops', 'fleet'), ['WebRole', 'WorkerRole'], keys],
  ['arn:aws:kms:us-east-1:111122223333:key/*', ['WebRole'], apiKeys],
  [bucket('ops', 'web'), ['WebRole'], keys],
  [bucket('ops', 'journal/scale'), ['WebRole'], keys],
  ['arn:aws:sqs:us-east-1:111122223333:demo-responses-*', ['WebRole', 'WorkerRole'], replies],
  ...[
    'instance',
    'volume',
    'network-interface',
    'spot-instances-request',
    'security-group',
    'launch-template',
  ].map((what) => [`${arn.ec2}${what}/*`, ['WebRole'], launched] as const),
  [`${arn.ec2}subnet/*`, ['WebRole'], chosen],
  ['arn:aws:ec2:us-east-1::image/*', ['WebRole'], chosen],
];

/**
 * What checkov and cdk-nag say about the template that is as it should be, each with the reason. The sets are exact: a finding
 * that is not here fails the test, and so does one here that is no longer found.
 */
export const accepted = {
  checkov: {
    'CKV_AWS_18 OpsBucket': accessLogs,
    'CKV_AWS_18 InputBucket': accessLogs,
    'CKV_AWS_18 OutputBucket': accessLogs,
    'CKV_AWS_21 OpsBucket': versions,
    'CKV_AWS_21 InputBucket': versions,
    'CKV_AWS_21 OutputBucket': versions,
    'CKV_AWS_27 DeadLettersQueue': ownKey,
    'CKV_AWS_27 RequestsQueue': ownKey,
    'CKV_AWS_111 WebRole': wildcard,
    'CKV_AWS_111 WorkerRole': wildcard,
  },
  cdkNag: {
    'AwsSolutions-S1 OpsBucket': accessLogs,
    'AwsSolutions-S1 InputBucket': accessLogs,
    'AwsSolutions-S1 OutputBucket': accessLogs,
    ...Object.fromEntries(
      wildcards.flatMap(([resource, roles, why]) =>
        roles.map((role) => [`AwsSolutions-IAM5[Resource::${resource}] ${role}`, why]),
      ),
    ),
    'AwsSolutions-EC26 Web1Instance':
      'its volume is encrypted by the launch template, which the rule does not read',
    'AwsSolutions-EC28 Web1Instance':
      'detailed monitoring costs 2 dollars a month and nothing here reads CloudWatch',
    'AwsSolutions-EC29 Web1Instance':
      'it holds nothing that is not in S3, and "imgrec provision update" replaces it: protection would only be in the way',
  },
} satisfies Record<string, Readonly<Record<string, string>>>;
