import { tagKeys } from '../aws/names.ts';
import {
  allow,
  bucketArn,
  type Condition,
  documentArn,
  ec2Arn,
  ec2Service,
  kmsKeys,
  objects,
  type Policy,
  type PolicySubject,
  parameterArn,
  policy,
  queueArnOf,
  roleArn,
  type Statement,
  throughSsm,
} from './policy-parts.ts';

/** A write that S3 refuses where the key is taken. */
const onlyOnce: Condition = { Null: { 's3:if-none-match': 'false' } };

/** What every machine of a cluster does at its start, and what the SSM agent does so that a worker can be told to drain. */
const machine = (subject: PolicySubject): readonly Statement[] => [
  allow('ReadSettings', ['ssm:GetParameter'], [parameterArn(subject, subject.names.settingsParameter)]),
  allow(
    'ReadSoftware',
    ['s3:GetObject'],
    objects(subject, subject.names.opsBucket, 'artifacts/*', 'install.json'),
  ),
  allow('Report', ['s3:PutObject'], objects(subject, subject.names.opsBucket, 'fleet/*')),
  // None of these has a resource to name: https://docs.aws.amazon.com/service-authorization/latest/reference/
  allow(
    'BeReachedBySsm',
    [
      'ssm:UpdateInstanceInformation',
      'ssm:ListInstanceAssociations',
      'ssmmessages:CreateControlChannel',
      'ssmmessages:CreateDataChannel',
      'ssmmessages:OpenControlChannel',
      'ssmmessages:OpenDataChannel',
      'ec2messages:AcknowledgeMessage',
      'ec2messages:DeleteMessage',
      'ec2messages:FailMessage',
      'ec2messages:GetEndpoint',
      'ec2messages:GetMessages',
      'ec2messages:SendReply',
    ],
    ['*'],
  ),
];

/** What `imgrec worker` on an instance may do. Pure. */
export const workerPolicy = (subject: PolicySubject): Policy => {
  const { names } = subject;
  return policy(
    allow(
      'ConsumeRequests',
      ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes'],
      [queueArnOf(subject, names.requests)],
    ),
    allow('BuryRequests', ['sqs:SendMessage'], [queueArnOf(subject, names.deadLetters)]),
    allow('Reply', ['sqs:SendMessage'], [queueArnOf(subject, `${names.replyPrefix}*`)]),
    allow('ReadImages', ['s3:GetObject'], objects(subject, names.inputBucket, 'images/*')),
    allow('LookForResults', ['s3:GetObject'], objects(subject, names.outputBucket, 'results/*')),
    // Without it S3 answers 403 for a key that is not there.
    allow(
      'TellMissingFromForbidden',
      ['s3:ListBucket'],
      [bucketArn(subject, names.inputBucket), bucketArn(subject, names.outputBucket)],
    ),
    allow('WriteResultsOnce', ['s3:PutObject'], objects(subject, names.outputBucket, 'results/*'), onlyOnce),
    ...machine(subject),
  );
};

const scalerStatements = (subject: PolicySubject): readonly Statement[] => {
  const { names, place } = subject;
  const region: Condition = { StringEquals: { 'aws:RequestedRegion': place.region } };
  const ours = { [`aws:ResourceTag/${tagKeys.cluster}`]: names.cluster };
  const ourWorkers = { ...ours, [`aws:ResourceTag/${tagKeys.role}`]: 'worker' };
  const asked = { [`aws:RequestTag/${tagKeys.cluster}`]: names.cluster };
  return [
    allow(
      'ReadBacklog',
      ['sqs:GetQueueAttributes'],
      [queueArnOf(subject, names.requests), queueArnOf(subject, names.deadLetters)],
    ),
    allow(
      'HoldTheLock',
      ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
      objects(subject, names.opsBucket, 'locks/scale'),
    ),
    allow(
      'KeepTheJournal',
      ['s3:GetObject', 's3:PutObject'],
      objects(subject, names.opsBucket, 'journal/scale/*'),
    ),
    allow(
      'ReadReports',
      ['s3:GetObject'],
      objects(subject, names.opsBucket, 'fleet/*', 'web/*', 'install.json'),
    ),
    allow('ForgetTheDead', ['s3:DeleteObject'], objects(subject, names.opsBucket, 'fleet/*', 'web/*')),
    allow('ListReports', ['s3:ListBucket'], [bucketArn(subject, names.opsBucket)], {
      StringLike: { 's3:prefix': ['fleet/*', 'web/*', 'journal/scale/*', 'locks/*'] },
    }),
    allow('SweepReplyQueues', ['sqs:DeleteQueue'], [queueArnOf(subject, `${names.replyPrefix}*`)]),
    allow('ListQueues', ['sqs:ListQueues'], ['*'], region),
    allow('Describe', ['ec2:DescribeInstances'], ['*'], region),
    allow('LaunchWorkers', ['ec2:RunInstances'], [ec2Arn(subject, 'instance/*')], {
      StringEquals: {
        ...asked,
        [`aws:RequestTag/${tagKeys.role}`]: 'worker',
        'ec2:MetadataHttpTokens': 'required',
      },
      StringLike: { 'ec2:InstanceType': subject.instanceTypes },
    }),
    allow('LaunchVolumes', ['ec2:RunInstances'], [ec2Arn(subject, 'volume/*')], {
      Bool: { 'ec2:Encrypted': 'true' },
    }),
    allow(
      'LaunchInto',
      ['ec2:RunInstances'],
      [
        ec2Arn(subject, 'subnet/*'),
        ec2Arn(subject, 'network-interface/*'),
        ec2Arn(subject, 'spot-instances-request/*'),
      ],
    ),
    allow('LaunchFrom', ['ec2:RunInstances'], [ec2Arn(subject, 'image/*', '')], {
      StringEquals: { 'ec2:Owner': ['amazon', place.account] },
    }),
    allow(
      'LaunchWithOurs',
      ['ec2:RunInstances'],
      [ec2Arn(subject, 'security-group/*'), ec2Arn(subject, 'launch-template/*')],
      { StringEquals: ourWorkers },
    ),
    allow(
      'TagAtLaunch',
      ['ec2:CreateTags'],
      ['instance/*', 'volume/*', 'network-interface/*', 'spot-instances-request/*'].map((what) =>
        ec2Arn(subject, what),
      ),
      { StringEquals: { 'ec2:CreateAction': 'RunInstances' } },
    ),
    allow(
      'EndWorkers',
      ['ec2:TerminateInstances', 'ec2:StopInstances', 'ec2:StartInstances'],
      [ec2Arn(subject, 'instance/*')],
      { StringEquals: ourWorkers },
    ),
    allow('PassWorkerRole', ['iam:PassRole'], [roleArn(subject, names.workerName)], {
      StringEquals: {
        'iam:PassedToService': ec2Service(place.partition),
      },
    }),
    allow('DrainDocument', ['ssm:SendCommand'], [documentArn(subject, names.drainDocument)]),
    allow('DrainWorkers', ['ssm:SendCommand'], [ec2Arn(subject, 'instance/*')], {
      StringEquals: Object.fromEntries(
        Object.entries(ourWorkers).map(([key, value]) => [
          key.replace('aws:ResourceTag', 'ssm:resourceTag'),
          value,
        ]),
      ),
    }),
    allow('SeeWhetherDrained', ['ssm:GetCommandInvocation'], ['*'], region),
  ];
};

/** What `imgrec scale` may do. Pure. */
export const scalerPolicy = (subject: PolicySubject): Policy => policy(...scalerStatements(subject));

/** The keys that clients of the web tier have to send. */
const apiKeys = (subject: PolicySubject): readonly Statement[] => {
  const { apiKeysParameter } = subject.names;
  return [
    allow('ReadApiKeys', ['ssm:GetParameter'], [parameterArn(subject, apiKeysParameter)]),
    allow('DecryptApiKeys', ['kms:Decrypt'], [kmsKeys(subject)], throughSsm(subject, apiKeysParameter)),
  ];
};

/** What a web instance may do: `imgrec serve` and `imgrec scale`. Pure. */
export const webPolicy = (subject: PolicySubject): Policy => {
  const { names } = subject;
  const replies = queueArnOf(subject, `${names.replyPrefix}*`);
  return policy(
    allow(
      'SendRequests',
      ['sqs:SendMessage', 'sqs:GetQueueAttributes'],
      [queueArnOf(subject, names.requests)],
    ),
    allow(
      'KeepReplyQueue',
      [
        'sqs:CreateQueue',
        'sqs:TagQueue',
        'sqs:GetQueueAttributes',
        'sqs:ReceiveMessage',
        'sqs:DeleteMessage',
        'sqs:ChangeMessageVisibility',
      ],
      [replies],
    ),
    allow('WriteImages', ['s3:PutObject'], objects(subject, names.inputBucket, 'images/*')),
    allow('ReadResults', ['s3:GetObject'], objects(subject, names.outputBucket, 'results/*')),
    allow('TellMissingFromForbidden', ['s3:ListBucket'], [bucketArn(subject, names.outputBucket)]),
    allow('ReportWeb', ['s3:PutObject'], objects(subject, names.opsBucket, 'web/*')),
    ...(subject.apiKeys === true ? apiKeys(subject) : []),
    ...machine(subject),
    ...scalerStatements(subject),
  );
};
