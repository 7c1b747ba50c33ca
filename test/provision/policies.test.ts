import { describe, expect, test } from 'vitest';
import { policySubject } from '../../src/provision/machines.ts';
import { operatorPolicy } from '../../src/provision/operator-policy.ts';
import { scalerPolicy, webPolicy, workerPolicy } from '../../src/provision/policies.ts';
import type { Policy } from '../../src/provision/policy-parts.ts';
import { judges, without } from './judges.ts';
import { someMachines } from './machine-choices.ts';
import { openSimulator } from './simulate.ts';
import { someSite } from './wish.ts';

const { account } = someSite.place;
const subject = policySubject(someSite, { ...someMachines, apiKeys: true });
const boundary = `arn:aws:iam::${account}:policy/limits`;
const policies = {
  web: webPolicy(subject),
  'web without keys': webPolicy({ ...subject, apiKeys: false }),
  worker: workerPolicy(subject),
  scaler: scalerPolicy(subject),
  operator: operatorPolicy(subject),
  'bound operator': operatorPolicy({ ...subject, permissionsBoundary: boundary }),
} as const satisfies Record<string, Policy>;

const queue = (name: string) => `arn:aws:sqs:us-east-1:${account}:${name}`;
const [requests, letters, replies] = ['demo-requests', 'demo-requests-dlq', 'demo-responses-w1'].map(
  queue,
) as [string, string, string];
const key = (bucket: string, name: string) => `arn:aws:s3:::demo-${bucket}-${account}-us-east-1/${name}`;
const bucket = (name: string) => `arn:aws:s3:::demo-${name}-${account}-us-east-1`;
const ec2 = (what: string, of = account) => `arn:aws:ec2:us-east-1:${of}:${what}`;
const role = (name: string) => `arn:aws:iam::${account}:role${name}`;
const parameter = (name: string) => `arn:aws:ssm:us-east-1:${account}:parameter${name}`;
const documentArn = (name: string) => `arn:aws:ssm:us-east-1:${account}:document/${name}`;

const kmsKey = `arn:aws:kms:us-east-1:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
/** A call that SSM makes for whoever reads this parameter. */
const throughSsm = (name: string) => ({
  'kms:ViaService': 'ssm.us-east-1.amazonaws.com',
  'kms:EncryptionContext:PARAMETER_ARN': parameter(name),
});

type Context = Readonly<Record<string, string>>;
type Row = readonly [who: keyof typeof policies, action: string, resource: string, context?: Context];

const once = { 's3:if-none-match': '*' };
const worker = { 'aws:ResourceTag/imgrec:cluster': 'demo', 'aws:ResourceTag/imgrec:role': 'worker' };
const launch = {
  'aws:RequestTag/imgrec:cluster': 'demo',
  'aws:RequestTag/imgrec:role': 'worker',
  'ec2:MetadataHttpTokens': 'required',
  'ec2:InstanceType': 'c7a.medium',
};
const instance = ec2('instance/i-0123456789abcdef0');

/** What each part does; the end-to-end run records the same from what is really sent. */
const allowed: readonly Row[] = [
  ['worker', 'sqs:ReceiveMessage', requests],
  ['worker', 'sqs:ChangeMessageVisibility', requests],
  ['worker', 'sqs:SendMessage', letters],
  ['worker', 'sqs:SendMessage', replies],
  ['worker', 's3:GetObject', key('input', 'images/1')],
  ['worker', 's3:PutObject', key('output', 'results/1.json'), once],
  ['worker', 's3:PutObject', key('ops', 'fleet/i-1.json')],
  ['worker', 's3:GetObject', key('ops', 'artifacts/abc.tgz')],
  ['worker', 'ssm:GetParameter', parameter('/imgrec/demo/settings')],
  ['worker', 'ssmmessages:OpenControlChannel', '*'],
  ['web', 'sqs:SendMessage', requests],
  ['web', 'sqs:CreateQueue', replies],
  ['web', 'sqs:DeleteQueue', replies],
  ['web', 's3:PutObject', key('input', 'images/1')],
  ['web', 's3:GetObject', key('output', 'results/1.json')],
  ['web', 's3:PutObject', key('ops', 'web/w1.json')],
  ['web', 'ssm:GetParameter', parameter('/imgrec/demo/api-keys')],
  ['web', 'kms:Decrypt', kmsKey, throughSsm('/imgrec/demo/api-keys')],
  ['operator', 'iam:CreateRole', role('/imgrec/demo-web')],
  ['bound operator', 'iam:CreateRole', role('/imgrec/demo-web'), { 'iam:PermissionsBoundary': boundary }],
  ['bound operator', 'iam:PutRolePolicy', role('/imgrec/demo-web'), { 'iam:PermissionsBoundary': boundary }],
  ['scaler', 'sqs:GetQueueAttributes', requests],
  ['scaler', 's3:PutObject', key('ops', 'locks/scale'), { 's3:if-match': '"etag"' }],
  ['scaler', 'ec2:RunInstances', ec2('instance/*'), launch],
  ['scaler', 'ec2:RunInstances', ec2('volume/*'), { 'ec2:Encrypted': 'true' }],
  ['scaler', 'ec2:RunInstances', ec2('image/ami-1', ''), { 'ec2:Owner': 'amazon' }],
  ['scaler', 'ec2:RunInstances', ec2('launch-template/lt-1'), worker],
  ['scaler', 'ec2:CreateTags', instance, { 'ec2:CreateAction': 'RunInstances' }],
  ['scaler', 'ec2:TerminateInstances', instance, worker],
  ['scaler', 'iam:PassRole', role('/imgrec/demo-worker'), { 'iam:PassedToService': 'ec2.amazonaws.com' }],
  ['scaler', 'ssm:SendCommand', documentArn('demo-drain')],
  [
    'scaler',
    'ssm:SendCommand',
    instance,
    {
      'ssm:resourceTag/imgrec:cluster': 'demo',
      'ssm:resourceTag/imgrec:role': 'worker',
    },
  ],
];

const denied: readonly Row[] = [
  // Whoever provisions touches this cluster, and gives no role more than its boundary.
  ['bound operator', 'iam:CreateRole', role('/imgrec/demo-web')],
  [
    'bound operator',
    'iam:CreateRole',
    role('/imgrec/demo-web'),
    { 'iam:PermissionsBoundary': 'arn:aws:iam::aws:policy/AdministratorAccess' },
  ],
  ['bound operator', 'iam:PutRolePolicy', role('/imgrec/demo-web')],
  ['bound operator', 'iam:DeleteRolePermissionsBoundary', role('/imgrec/demo-web')],
  ['operator', 'iam:CreateRole', role('/imgrec/demo-admin')],
  ['operator', 'iam:AttachRolePolicy', role('/imgrec/demo-web')],
  ['operator', 'iam:PassRole', role('/imgrec/demo-web'), { 'iam:PassedToService': 'lambda.amazonaws.com' }],
  ['operator', 's3:DeleteBucket', 'arn:aws:s3:::somebody-elses'],
  ['operator', 'sqs:DeleteQueue', queue('other-requests')],
  ['operator', 'ssm:PutParameter', parameter('/imgrec/other/settings')],
  ['operator', 'kms:Decrypt', kmsKey],
  ['operator', 'ec2:TerminateInstances', instance, { 'aws:ResourceTag/imgrec:cluster': 'other' }],
  ['operator', 'ec2:RunInstances', ec2('instance/*')],
  ['operator', 'ec2:CreateTags', instance],
  // A worker takes work and gives results, and nothing else.
  ['worker', 'sqs:SendMessage', requests],
  ['worker', 'sqs:PurgeQueue', requests],
  ['worker', 'sqs:DeleteQueue', requests],
  ['worker', 'sqs:SetQueueAttributes', requests],
  ['worker', 'sqs:ReceiveMessage', letters],
  ['worker', 'sqs:ReceiveMessage', replies],
  ['worker', 'sqs:SendMessage', queue('other-responses-w1')],
  ['worker', 'sqs:SendMessage', `arn:aws:sqs:us-east-1:999999999999:demo-responses-w1`],
  ['worker', 's3:PutObject', key('output', 'results/1.json')],
  ['worker', 's3:DeleteObject', key('output', 'results/1.json')],
  ['worker', 's3:PutObject', key('input', 'images/1'), once],
  ['worker', 's3:DeleteObject', key('input', 'images/1')],
  ['worker', 's3:PutObject', key('ops', 'locks/scale')],
  ['worker', 's3:PutObject', key('ops', 'artifacts/abc.tgz')],
  ['worker', 's3:PutObject', key('ops', 'install.json')],
  ['worker', 's3:PutBucketPolicy', bucket('output')],
  ['worker', 'ec2:TerminateInstances', instance, worker],
  ['worker', 'ec2:RunInstances', ec2('instance/*'), launch],
  ['worker', 'ssm:PutParameter', parameter('/imgrec/demo/settings')],
  ['worker', 'ssm:GetParameter', parameter('/imgrec/other/settings')],
  ['worker', 'ssm:SendCommand', instance],
  ['worker', 'iam:PassRole', role('/imgrec/demo-worker'), { 'iam:PassedToService': 'ec2.amazonaws.com' }],
  // A web instance never reads requests, and never changes what is stored.
  ['web', 'sqs:ReceiveMessage', requests],
  ['web', 'sqs:DeleteQueue', requests],
  ['web', 's3:GetObject', key('input', 'images/1')],
  ['web', 's3:PutObject', key('output', 'results/1.json'), once],
  ['web', 's3:DeleteBucket', bucket('input')],
  ['web', 'ssm:PutParameter', parameter('/imgrec/demo/settings')],
  ['web', 'iam:CreateRole', role('/imgrec/demo-more')],
  // Only the web tier reads the keys that its clients need, only where there are any, and it cannot make more.
  ['web', 'ssm:PutParameter', parameter('/imgrec/demo/api-keys')],
  ['web', 'ssm:GetParameter', parameter('/imgrec/other/api-keys')],
  ['web', 'kms:Decrypt', kmsKey],
  ['web', 'kms:Decrypt', kmsKey, throughSsm('/imgrec/other/api-keys')],
  ['web without keys', 'ssm:GetParameter', parameter('/imgrec/demo/api-keys')],
  ['web without keys', 'kms:Decrypt', kmsKey, throughSsm('/imgrec/demo/api-keys')],
  ['worker', 'ssm:GetParameter', parameter('/imgrec/demo/api-keys')],
  ['scaler', 'ssm:GetParameter', parameter('/imgrec/demo/api-keys')],
  // The scaler launches our workers, of the chosen types, and ends only them.
  ['scaler', 'ec2:RunInstances', ec2('instance/*'), { ...launch, 'ec2:MetadataHttpTokens': 'optional' }],
  ['scaler', 'ec2:RunInstances', ec2('instance/*'), { ...launch, 'ec2:InstanceType': 'p5.48xlarge' }],
  ['scaler', 'ec2:RunInstances', ec2('instance/*'), { ...launch, 'aws:RequestTag/imgrec:role': 'web' }],
  ['scaler', 'ec2:RunInstances', ec2('volume/*'), { 'ec2:Encrypted': 'false' }],
  ['scaler', 'ec2:RunInstances', ec2('image/ami-1', ''), { 'ec2:Owner': '999999999999' }],
  ['scaler', 'ec2:RunInstances', ec2('security-group/sg-1'), {}],
  ['scaler', 'ec2:CreateTags', instance],
  ['scaler', 'ec2:TerminateInstances', instance],
  ['scaler', 'ec2:TerminateInstances', instance, { ...worker, 'aws:ResourceTag/imgrec:cluster': 'other' }],
  ['scaler', 'ec2:TerminateInstances', instance, { ...worker, 'aws:ResourceTag/imgrec:role': 'web' }],
  ['scaler', 'iam:PassRole', role('/imgrec/demo-web'), { 'iam:PassedToService': 'ec2.amazonaws.com' }],
  ['scaler', 'iam:PassRole', role('/Admin'), { 'iam:PassedToService': 'ec2.amazonaws.com' }],
  ['scaler', 'iam:PassRole', role('/imgrec/demo-worker'), { 'iam:PassedToService': 'lambda.amazonaws.com' }],
  ['scaler', 'ssm:SendCommand', documentArn('AWS-RunShellScript')],
  ['scaler', 'sqs:ReceiveMessage', requests],
];

describe('policies', () => {
  test('fit into a role: 10,240 characters of inline policies', () => {
    for (const policy of Object.values(policies)) expect(JSON.stringify(policy).length).toBeLessThan(10_240);
  });

  test('never allow everything, nor a service as a whole', () => {
    for (const { Statement } of Object.values(policies))
      for (const { Action, Sid } of Statement) expect(Action.join(), Sid).not.toMatch(/\*/);
  });

  const title = `before the IAM simulator${without.iamSimulate}`;
  describe.skipIf(without.iamSimulate !== '')(title, { timeout: 60_000 }, () => {
    const judge = async ([who, action, resource, context = {}]: Row): Promise<boolean> => {
      const { allows } = await openSimulator(judges.iamSimulate ?? '');
      const known = { 'aws:RequestedRegion': 'us-east-1', ...context };
      return allows(policies[who], { action, resource, context: known }, account);
    };

    test('there are at least 40 denials to check', () => {
      expect(denied.length).toBeGreaterThanOrEqual(40);
    });

    const named = (rows: readonly Row[]) => rows.map((row) => ({ name: row.slice(0, 3).join(' '), row }));

    test.each(named(allowed))('allowed: $name', async ({ row }) => {
      expect(await judge(row)).toBe(true);
    });

    test.each(named(denied))('denied: $name', async ({ row }) => {
      expect(await judge(row)).toBe(false);
    });
  });
});
