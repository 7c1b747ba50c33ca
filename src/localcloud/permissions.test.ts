import { expect, test } from 'vitest';
import { permissionsOf } from './permissions.ts';

const place = { region: 'us-east-1', account: '000000000000' };

const needed = (operation: string, { path = '/', headers = {}, body = '' } = {}) =>
  permissionsOf(operation, { path, headers, body: () => Buffer.from(body) }, place).map(
    ({ action, resource }) => `${action} ${resource}`,
  );

const json = (value: object) => ({ body: JSON.stringify(value) });
const url = 'http://127.0.0.1:1/000000000000/jobs';

// Actions and the resources they take: https://docs.aws.amazon.com/service-authorization/latest/reference/
test.each([
  ['s3:PutObject', { path: '/input/images/a%20b' }, ['s3:PutObject arn:aws:s3:::input/images/a b']],
  ['s3:HeadObject', { path: '/input/a/' }, ['s3:GetObject arn:aws:s3:::input/a/']],
  ['s3:ListObjectsV2', { path: '/input' }, ['s3:ListBucket arn:aws:s3:::input']],
  ['s3:HeadBucket', { path: '/input/' }, ['s3:ListBucket arn:aws:s3:::input']],
  ['s3:DeleteObjects', { path: '/input' }, ['s3:DeleteObject arn:aws:s3:::input/*']],
  [
    's3:CopyObject',
    { path: '/output/b', headers: { 'x-amz-copy-source': '/input/a' } },
    ['s3:PutObject arn:aws:s3:::output/b', 's3:GetObject arn:aws:s3:::input/a'],
  ],
  ['s3:ListBuckets', { path: '/' }, ['s3:ListAllMyBuckets *']],
  [
    's3:PutBucketLifecycleConfiguration',
    { path: '/input' },
    ['s3:PutLifecycleConfiguration arn:aws:s3:::input'],
  ],
  [
    'sqs:SendMessageBatch',
    json({ QueueUrl: url }),
    ['sqs:SendMessage arn:aws:sqs:us-east-1:000000000000:jobs'],
  ],
  [
    'sqs:CreateQueue',
    json({ QueueName: 'jobs' }),
    ['sqs:CreateQueue arn:aws:sqs:us-east-1:000000000000:jobs'],
  ],
  ['sqs:ListQueues', json({}), ['sqs:ListQueues *']],
  [
    'ssm:GetParameter',
    json({ Name: '/imgrec/demo/settings' }),
    ['ssm:GetParameter arn:aws:ssm:us-east-1:000000000000:parameter/imgrec/demo/settings'],
  ],
  [
    'ssm:SendCommand',
    json({ DocumentName: 'demo-drain', InstanceIds: ['i-1'] }),
    [
      'ssm:SendCommand arn:aws:ssm:us-east-1:000000000000:document/demo-drain',
      'ssm:SendCommand arn:aws:ec2:us-east-1:000000000000:instance/i-1',
    ],
  ],
  ['ssm:GetCommandInvocation', json({ CommandId: 'x', InstanceId: 'i-1' }), ['ssm:GetCommandInvocation *']],
  ['ec2:DescribeInstances', { body: 'InstanceId.1=i-00000000000000001' }, ['ec2:DescribeInstances *']],
  [
    'ec2:TerminateInstances',
    { body: 'InstanceId.1=i-00000000000000001' },
    ['ec2:TerminateInstances arn:aws:ec2:us-east-1:000000000000:instance/i-00000000000000001'],
  ],
  [
    'ec2:RunInstances',
    { body: 'LaunchTemplate.LaunchTemplateId=lt-00000000000000001&TagSpecification.1.Tag.1.Key=a' },
    [
      'ec2:RunInstances arn:aws:ec2:us-east-1:000000000000:launch-template/lt-00000000000000001',
      'ec2:RunInstances arn:aws:ec2:us-east-1:000000000000:instance/*',
      'ec2:RunInstances arn:aws:ec2:us-east-1:000000000000:volume/*',
      'ec2:RunInstances arn:aws:ec2:us-east-1:000000000000:network-interface/*',
      'ec2:CreateTags arn:aws:ec2:us-east-1:000000000000:instance/*',
      'ec2:CreateTags arn:aws:ec2:us-east-1:000000000000:volume/*',
      'ec2:CreateTags arn:aws:ec2:us-east-1:000000000000:network-interface/*',
    ],
  ],
  [
    'ec2:DeregisterImage',
    { body: 'ImageId=ami-00000000000000001' },
    ['ec2:DeregisterImage arn:aws:ec2:us-east-1::image/ami-00000000000000001'],
  ],
  [
    'iam:CreateRole',
    { body: 'RoleName=demo-worker&Path=%2Fimgrec%2F' },
    ['iam:CreateRole arn:aws:iam::000000000000:role/imgrec/demo-worker'],
  ],
  [
    'iam:AddRoleToInstanceProfile',
    { body: 'RoleName=demo-worker&InstanceProfileName=demo-worker' },
    [
      'iam:AddRoleToInstanceProfile arn:aws:iam::000000000000:instance-profile/demo-worker',
      'iam:PassRole arn:aws:iam::000000000000:role/demo-worker',
    ],
  ],
  ['sts:GetCallerIdentity', {}, ['sts:GetCallerIdentity *']],
])('%s %j needs %j', (operation, call, permissions) => {
  expect(needed(operation, call)).toEqual(permissions);
});
