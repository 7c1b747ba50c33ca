import { tagKeys } from '../aws/names.ts';
import {
  allow,
  bucketArn,
  documentArn,
  ec2Arn,
  ec2Service,
  kmsKeys,
  objects,
  type Policy,
  type PolicySubject,
  parameterArn,
  policy,
  profileArn,
  queueArnOf,
  roleArn,
  type Statement,
  throughSsm,
} from './policy-parts.ts';

/** https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html */
const amazonImages = 'parameter/aws/service/ami-amazon-linux-latest/*';

const storage = (subject: PolicySubject): readonly Statement[] => {
  const { names } = subject;
  const buckets = [names.opsBucket, names.inputBucket, names.outputBucket];
  return [
    allow(
      'Buckets',
      [
        's3:CreateBucket',
        's3:DeleteBucket',
        's3:ListBucket',
        's3:GetBucketPublicAccessBlock',
        's3:PutBucketPublicAccessBlock',
        's3:GetBucketOwnershipControls',
        's3:PutBucketOwnershipControls',
        's3:GetEncryptionConfiguration',
        's3:PutEncryptionConfiguration',
        's3:GetLifecycleConfiguration',
        's3:PutLifecycleConfiguration',
        's3:GetBucketPolicy',
        's3:PutBucketPolicy',
        's3:DeleteBucketPolicy',
        's3:GetBucketTagging',
        's3:PutBucketTagging',
      ],
      buckets.map((name) => bucketArn(subject, name)),
    ),
    allow(
      'Objects',
      ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
      buckets.flatMap((name) => objects(subject, name, '*')),
    ),
    allow(
      'Queues',
      [
        'sqs:CreateQueue',
        'sqs:DeleteQueue',
        'sqs:GetQueueAttributes',
        'sqs:SetQueueAttributes',
        'sqs:ListQueueTags',
        'sqs:TagQueue',
      ],
      [
        queueArnOf(subject, names.requests),
        queueArnOf(subject, names.deadLetters),
        queueArnOf(subject, `${names.replyPrefix}*`),
      ],
    ),
    allow('ListQueues', ['sqs:ListQueues'], ['*']),
  ];
};

const settings = (subject: PolicySubject): readonly Statement[] => {
  const { names, place } = subject;
  const tags = ['ssm:AddTagsToResource', 'ssm:ListTagsForResource'];
  return [
    allow(
      'Parameters',
      ['ssm:GetParameter', 'ssm:PutParameter', 'ssm:DeleteParameter', ...tags],
      [names.settingsParameter, names.imageParameter, names.apiKeysParameter].map((name) =>
        parameterArn(subject, name),
      ),
    ),
    allow(
      'EncryptApiKeys',
      ['kms:Encrypt', 'kms:Decrypt'],
      [kmsKeys(subject)],
      throughSsm(subject, names.apiKeysParameter),
    ),
    allow(
      'NewestImage',
      ['ssm:GetParameter'],
      [`arn:${place.partition}:ssm:${place.region}::${amazonImages}`],
    ),
    allow(
      'DrainDocument',
      [
        'ssm:GetDocument',
        'ssm:CreateDocument',
        'ssm:UpdateDocument',
        'ssm:UpdateDocumentDefaultVersion',
        'ssm:DeleteDocument',
        'ssm:SendCommand',
        ...tags,
      ],
      [documentArn(subject, names.drainDocument)],
    ),
    allow('SeeWhetherDrained', ['ssm:GetCommandInvocation'], ['*']),
  ];
};

const identity = (subject: PolicySubject): readonly Statement[] => {
  const { names, permissionsBoundary } = subject;
  const roles = [roleArn(subject, names.webName), roleArn(subject, names.workerName)];
  const bounded =
    permissionsBoundary === undefined
      ? undefined
      : { StringEquals: { 'iam:PermissionsBoundary': permissionsBoundary } };
  return [
    // What gives a role its rights is tied to the boundary, where there is one: nobody makes himself a stronger one.
    allow(
      'GiveRights',
      ['iam:CreateRole', 'iam:PutRolePolicy', 'iam:PutRolePermissionsBoundary'],
      roles,
      bounded,
    ),
    allow(
      'Roles',
      [
        'iam:GetRole',
        'iam:DeleteRole',
        'iam:TagRole',
        'iam:UpdateAssumeRolePolicy',
        'iam:GetRolePolicy',
        'iam:DeleteRolePolicy',
        'iam:ListRolePolicies',
        'iam:ListAttachedRolePolicies',
        'iam:DetachRolePolicy',
        // Takes back a boundary that somebody set by hand; never one that is wanted.
        ...(permissionsBoundary === undefined ? ['iam:DeleteRolePermissionsBoundary'] : []),
      ],
      roles,
    ),
    allow(
      'Profiles',
      [
        'iam:GetInstanceProfile',
        'iam:CreateInstanceProfile',
        'iam:DeleteInstanceProfile',
        'iam:TagInstanceProfile',
        'iam:AddRoleToInstanceProfile',
        'iam:RemoveRoleFromInstanceProfile',
      ],
      [profileArn(subject, names.webName), profileArn(subject, names.workerName)],
    ),
    allow('PassRoles', ['iam:PassRole'], roles, {
      StringEquals: { 'iam:PassedToService': ec2Service(subject.place.partition) },
    }),
  ];
};

const machines = (subject: PolicySubject): readonly Statement[] => {
  const { names, place } = subject;
  const ours = { StringEquals: { [`aws:ResourceTag/${tagKeys.cluster}`]: names.cluster } };
  const asked = { StringEquals: { [`aws:RequestTag/${tagKeys.cluster}`]: names.cluster } };
  // The ARNs of images and snapshots name no account.
  const ownedByNobody = [ec2Arn(subject, 'image/*', ''), ec2Arn(subject, 'snapshot/*', '')];
  const of = (...kinds: readonly string[]) => kinds.map((kind) => ec2Arn(subject, `${kind}/*`));
  return [
    allow(
      'Describe',
      [
        'ec2:DescribeAddresses',
        'ec2:DescribeImages',
        'ec2:DescribeInstances',
        'ec2:DescribeLaunchTemplates',
        'ec2:DescribeLaunchTemplateVersions',
        'ec2:DescribeRouteTables',
        'ec2:DescribeSecurityGroups',
        'ec2:DescribeSubnets',
        'ec2:DescribeVpcEndpoints',
        'ec2:DescribeVpcs',
      ],
      ['*'],
      { StringEquals: { 'aws:RequestedRegion': place.region } },
    ),
    allow(
      'Make',
      ['ec2:CreateLaunchTemplate', 'ec2:CreateSecurityGroup', 'ec2:AllocateAddress', 'ec2:RunInstances'],
      of('launch-template', 'security-group', 'elastic-ip', 'instance', 'volume', 'network-interface'),
      asked,
    ),
    allow(
      'MakeIn',
      ['ec2:CreateSecurityGroup', 'ec2:RunInstances'],
      [...of('vpc', 'subnet'), ec2Arn(subject, 'image/*', '')],
    ),
    allow('MakeFrom', ['ec2:RunInstances'], of('launch-template', 'security-group'), ours),
    allow('TagWhatIsMade', ['ec2:CreateTags'], [...of('*'), ec2Arn(subject, 'image/*', '')], {
      StringEquals: {
        'ec2:CreateAction': [
          'CreateLaunchTemplate',
          'CreateSecurityGroup',
          'AllocateAddress',
          'RunInstances',
          'CreateImage',
        ],
      },
    }),
    allow(
      'Change',
      [
        'ec2:AssociateAddress',
        'ec2:AuthorizeSecurityGroupEgress',
        'ec2:AuthorizeSecurityGroupIngress',
        'ec2:CreateLaunchTemplateVersion',
        'ec2:CreateTags',
        'ec2:DeleteLaunchTemplate',
        'ec2:DeleteSecurityGroup',
        'ec2:ModifyLaunchTemplate',
        'ec2:ReleaseAddress',
        'ec2:RevokeSecurityGroupEgress',
        'ec2:RevokeSecurityGroupIngress',
        'ec2:StartInstances',
        'ec2:StopInstances',
        'ec2:TerminateInstances',
      ],
      of('launch-template', 'security-group', 'elastic-ip', 'instance', 'network-interface'),
      ours,
    ),
    allow('ImageOfOurs', ['ec2:CreateImage'], of('instance'), ours),
    allow('NewImage', ['ec2:CreateImage'], ownedByNobody),
    // A snapshot comes with its image, and without tags.
    allow('TagSnapshots', ['ec2:CreateTags'], [ec2Arn(subject, 'snapshot/*', '')], asked),
    allow('RemoveImages', ['ec2:DeregisterImage', 'ec2:DeleteSnapshot'], ownedByNobody, ours),
    allow(
      'LookAtBuilders',
      ['ssm:SendCommand'],
      [`arn:${place.partition}:ssm:${place.region}::document/AWS-RunShellScript`],
    ),
    allow('DrainWorkers', ['ssm:SendCommand'], of('instance'), {
      StringEquals: { [`ssm:resourceTag/${tagKeys.cluster}`]: names.cluster },
    }),
  ];
};

/**
 * What whoever runs `imgrec provision` needs: this one cluster's names, and of EC2 what carries its tag. Taking over what
 * somebody made by hand (--adopt) needs ec2:CreateTags on that besides. Pure.
 */
export const operatorPolicy = (subject: PolicySubject): Policy =>
  policy(...storage(subject), ...settings(subject), ...identity(subject), ...machines(subject));
