import { tagKeys } from '../../src/aws/names.ts';
import {
  documentArn,
  ec2Arn,
  ec2Service,
  type PolicySubject,
  parameterArn,
  profileArn,
  roleArn,
} from '../../src/provision/policy-parts.ts';
import { formOf, inputOf, type Sent } from './recorder.ts';
import { type IamRequest, kmsRequests, requestsOf } from './requests.ts';

const request = (
  action: string,
  resource: string,
  context: Readonly<Record<string, string>> = {},
): IamRequest => ({ action, resource, context: { 'aws:RequestedRegion': 'us-east-1', ...context } });

/** What the ids of EC2 begin with, and what ARNs call it. */
const kindOf: Readonly<Record<string, string>> = {
  lt: 'launch-template',
  sg: 'security-group',
  i: 'instance',
  eipalloc: 'elastic-ip',
  vpc: 'vpc',
  subnet: 'subnet',
  ami: 'image',
  snap: 'snapshot',
};

/** Whether something carries the cluster's tag when a call names it: a builder's image is Amazon's, and snapshots come untagged. */
const isTagged = (kind: string, call: string): boolean => {
  if (kind === 'image') return call !== 'RunInstances';
  if (kind === 'snapshot') return call !== 'CreateTags';
  return kind !== 'vpc' && kind !== 'subnet';
};

/** The ARNs of images and snapshots name no account. */
const unowned = new Set(['image', 'snapshot']);

const arnOf = (subject: PolicySubject, kind: string, id: string): string =>
  unowned.has(kind) ? ec2Arn(subject, `${kind}/${id}`, '') : ec2Arn(subject, `${kind}/${id}`);

/** What a call makes, besides what its parameters name. RunInstances as its template says: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html */
const made: Readonly<Record<string, readonly string[]>> = {
  CreateLaunchTemplate: ['launch-template'],
  CreateSecurityGroup: ['security-group'],
  AllocateAddress: ['elastic-ip'],
  RunInstances: ['instance', 'volume', 'network-interface'],
  CreateImage: ['image', 'snapshot'],
};

const ec2Requests = (call: Sent, subject: PolicySubject): readonly IamRequest[] => {
  const name = call.operation.slice('ec2:'.length);
  const form = formOf(call);
  const cluster = subject.names.cluster;
  const ours = { [`aws:ResourceTag/${tagKeys.cluster}`]: cluster };
  const given = [...form].some(
    ([key, value]) => /^(?:TagSpecification\.\d+\.)?Tag\.\d+\.Value$/.test(key) && value === cluster,
  );
  const asked: Readonly<Record<string, string>> = given
    ? { [`aws:RequestTag/${tagKeys.cluster}`]: cluster }
    : {};
  const named = [...form]
    .filter(([key]) =>
      /^(?:(?:LaunchTemplate\.)?LaunchTemplateId|GroupId|(?:InstanceId|ResourceId)(?:\.\d+)?|AllocationId|VpcId|SubnetId|ImageId|SnapshotId)$/.test(
        key,
      ),
    )
    .map(([, id]) => {
      const kind = kindOf[id.split('-')[0] ?? ''] ?? 'unknown';
      return request(call.operation, arnOf(subject, kind, id), {
        ...asked,
        ...(isTagged(kind, name) ? ours : {}),
      });
    });
  const making = (made[name] ?? []).flatMap((kind) => [
    request(call.operation, arnOf(subject, kind, '*'), asked),
    // An image's tags are its own, and not its snapshot's.
    ...(given && kind !== 'snapshot'
      ? [request('ec2:CreateTags', arnOf(subject, kind, '*'), { ...asked, 'ec2:CreateAction': name })]
      : []),
  ]);
  const fromTemplate =
    name === 'RunInstances'
      ? [
          request(call.operation, ec2Arn(subject, 'image/ami-1', '')),
          request(call.operation, ec2Arn(subject, 'subnet/subnet-1')),
          request(call.operation, ec2Arn(subject, 'security-group/sg-1'), ours),
          request(call.operation, ec2Arn(subject, 'launch-template/lt-1'), ours),
          request('iam:PassRole', roleArn(subject, subject.names.webName), {
            'iam:PassedToService': ec2Service(subject.place.partition),
          }),
        ]
      : [];
  const templateByName =
    name === 'ModifyLaunchTemplate' && form.has('LaunchTemplateName')
      ? [request(call.operation, ec2Arn(subject, 'launch-template/lt-1'), ours)]
      : [];
  return [...named, ...making, ...fromTemplate, ...templateByName];
};

const iamRequests = (call: Sent, subject: PolicySubject): readonly IamRequest[] => {
  const form = formOf(call);
  const profile = form.get('InstanceProfileName');
  const role = form.get('RoleName') ?? '';
  const resource = profile === undefined ? roleArn(subject, role) : profileArn(subject, profile);
  // Whoever puts a role into a profile passes it to whatever will have the profile.
  const passing =
    call.operation === 'iam:AddRoleToInstanceProfile'
      ? [
          request('iam:PassRole', roleArn(subject, role), {
            'iam:PassedToService': ec2Service(subject.place.partition),
          }),
        ]
      : [];
  // With tags from the start, a thing is tagged as well.
  const tagging = form.has('Tags.member.1.Key')
    ? [request(call.operation.endsWith('Role') ? 'iam:TagRole' : 'iam:TagInstanceProfile', resource)]
    : [];
  return [request(call.operation, resource), ...passing, ...tagging];
};

const ssmRequests = (call: Sent, subject: PolicySubject): readonly IamRequest[] => {
  const input = inputOf(call);
  const name = String(input['Name'] ?? input['DocumentName'] ?? input['ResourceId'] ?? '');
  if (call.operation === 'ssm:GetCommandInvocation') return [request(call.operation, '*')];
  const instances = ((input['InstanceIds'] ?? []) as readonly string[]).map((id) =>
    request(call.operation, ec2Arn(subject, `instance/${id}`), {
      [`ssm:resourceTag/${tagKeys.cluster}`]: subject.names.cluster,
    }),
  );
  // Amazon's own parameters and documents belong to no account, and the simulator takes no ARN without one.
  if (name.startsWith('/aws/') || name.startsWith('AWS-')) return instances;
  const resource = name.startsWith('/') ? parameterArn(subject, name) : documentArn(subject, name);
  const tagging = input['Tags'] !== undefined && !call.operation.endsWith('AddTagsToResource');
  return [
    request(call.operation, resource),
    ...(tagging ? [request('ssm:AddTagsToResource', resource)] : []),
    ...kmsRequests(input, resource, subject.place.account),
    ...instances,
  ];
};

/** The requests that IAM would judge for a call of whoever provisions. */
export const operatorRequestsOf = (call: Sent, subject: PolicySubject): readonly IamRequest[] => {
  const [service, name = ''] = call.operation.split(':');
  if (service === 'ec2' && !name.startsWith('Describe')) return ec2Requests(call, subject);
  if (service === 'iam') return iamRequests(call, subject);
  if (service === 'ssm') return ssmRequests(call, subject);
  return requestsOf(call, subject.place.account);
};
