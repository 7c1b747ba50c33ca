import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cloudFormation, logicalId, type Template } from '../../src/provision/cloudformation.ts';
import { openProvisioner } from '../../src/provision/provision.ts';
import { wishOf } from '../../src/provision/wish.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { someMachines } from './machine-choices.ts';
import { openRecorder, type Recorder } from './recorder.ts';
import { byBucket, byName, byParameter, elements, pairs, plain, sentBy, singular } from './sent.ts';
import { instanceLauncher } from './targets.ts';

type Properties = Readonly<Record<string, unknown>>;

const listOf = (value: unknown): readonly Properties[] => (value ?? []) as readonly Properties[];

/** The template is a document; this is the product: what each of the two says of a resource is compared. */
describe('the CloudFormation template and the calls that were sent', { timeout: 60_000 }, () => {
  let cloud: Awaited<ReturnType<typeof startTestCloud>>;
  let recorder: Recorder;
  let template: Template;

  /** All of a type, of which there must be one. */
  const resources = (type: string): readonly Properties[] => {
    const found = Object.values(template.Resources).filter(({ Type }) => Type === type);
    expect(found, type).not.toEqual([]);
    return found.map(({ Properties }) => Properties);
  };
  /** A reference of the template as the id that the calls name. */
  const ids = new Map<string, string>();
  const resolved = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolved);
    if (typeof value !== 'object' || value === null) return value;
    const { Ref, 'Fn::GetAtt': attribute } = value as { Ref?: string; 'Fn::GetAtt'?: readonly string[] };
    const id = Ref ?? attribute?.[0];
    if (id !== undefined) return ids.get(id) ?? `no ${id}`;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolved(inner)]));
  };

  beforeAll(async () => {
    cloud = await startTestCloud({ launcher: instanceLauncher });
    recorder = await openRecorder(cloud.connection.endpoint ?? '');
    const connection = { ...cloud.connection, endpoint: recorder.endpoint };
    const provisioner = await openProvisioner(connection);
    const wish = await wishOf(provisioner.clouds, {
      retentionSeconds: 7 * 86_400,
      visibilitySeconds: 30,
      workerSettings: { 'max-receives': 3 },
      graceSeconds: 30,
      apiKeys: true,
      machines: { ...someMachines, permissionsBoundary: 'arn:aws:iam::aws:policy/PowerUserAccess' },
    });
    const plan = await provisioner.plan(wish, { adopt: false });
    await provisioner.apply(plan);
    template = cloudFormation(connection.cluster, plan.wanted);
    for (const { wanted, found } of (await provisioner.plan(wish, { adopt: false })).steps)
      if (wanted !== undefined && found !== undefined) ids.set(logicalId(wanted), found.id);
    provisioner.close();
  });
  afterAll(async () => {
    await recorder.close();
    await cloud.close();
  });

  test('queues', () => {
    const created = sentBy(recorder.sent, 'sqs:CreateQueue', byName('QueueName'));
    const wanted = resources('AWS::SQS::Queue');
    expect(wanted).toHaveLength(created.size);
    const policies = resources('AWS::SQS::QueuePolicy').map(({ PolicyDocument }) => plain(PolicyDocument));
    for (const { QueueName, Tags, ...attributes } of wanted) {
      const call = created.get(String(QueueName));
      const { Policy, ...sent } = (call?.['Attributes'] ?? {}) as Record<string, string>;
      expect(plain(sent), String(QueueName)).toEqual(plain(attributes));
      expect(policies).toContainEqual(plain(Policy));
      expect(call?.['tags']).toEqual(pairs(Tags));
    }
  });

  test('buckets', () => {
    const wanted = resources('AWS::S3::Bucket');
    const bodies = (operation: string) => sentBy(recorder.sent, operation, byBucket);
    expect(wanted.map(({ BucketName }) => BucketName).toSorted()).toEqual(
      [...bodies('s3:CreateBucket').keys()].toSorted(),
    );
    for (const bucket of wanted) {
      const name = String(bucket['BucketName']);
      const of = (operation: string) => bodies(operation).get(name) ?? '';
      const text = (operation: string, element: string) => elements(of(operation), element);
      const block = bucket['PublicAccessBlockConfiguration'] as Record<string, boolean>;
      for (const [setting, value] of Object.entries(block))
        expect(text('s3:PutPublicAccessBlock', setting), setting).toEqual([String(value)]);
      const rules = (bucket['LifecycleConfiguration'] as { Rules: Properties[] }).Rules;
      const lifecycle = 's3:PutBucketLifecycleConfiguration';
      expect(text(lifecycle, 'Prefix')).toEqual(rules.map(({ Prefix }) => Prefix));
      expect(text(lifecycle, 'Days')).toEqual(rules.map(({ ExpirationInDays }) => String(ExpirationInDays)));
      expect(text(lifecycle, 'Status')).toEqual(rules.map(({ Status }) => Status));
      expect(JSON.stringify(bucket['BucketEncryption'])).toContain(
        `"SSEAlgorithm":"${text('s3:PutBucketEncryption', 'SSEAlgorithm')[0]}"`,
      );
      expect(JSON.stringify(bucket['OwnershipControls'])).toContain(
        `"ObjectOwnership":"${text('s3:PutBucketOwnershipControls', 'ObjectOwnership')[0]}"`,
      );
      const [keys, values] = [text('s3:PutBucketTagging', 'Key'), text('s3:PutBucketTagging', 'Value')];
      expect(Object.fromEntries(keys.map((key, index) => [key, values[index]]))).toEqual(
        pairs(bucket['Tags']),
      );
      const [logical = ''] =
        Object.entries(template.Resources).find(([, { Properties }]) => Properties === bucket) ?? [];
      const policy = JSON.stringify(template.Resources[`${logical}Policy`]?.Properties['PolicyDocument'])
        .replace(`{"Fn::GetAtt":["${logical}","Arn"]}`, `"arn:aws:s3:::${name}"`)
        .replace(`{"Fn::Sub":"\${${logical}.Arn}/*"}`, `"arn:aws:s3:::${name}/*"`);
      expect(JSON.parse(policy)).toEqual(JSON.parse(of('s3:PutBucketPolicy')));
    }
  });

  test('roles and profiles', () => {
    const roles = sentBy(recorder.sent, 'iam:CreateRole', byParameter('RoleName'));
    const policies = sentBy(recorder.sent, 'iam:PutRolePolicy', byParameter('RoleName'));
    const wanted = resources('AWS::IAM::Role');
    expect(wanted).toHaveLength(roles.size);
    for (const { RoleName, Path, AssumeRolePolicyDocument, Policies, PermissionsBoundary, Tags } of wanted) {
      const role = roles.get(String(RoleName));
      expect(role).toMatchObject({ Path, PermissionsBoundary });
      expect(plain(role?.['AssumeRolePolicyDocument'])).toEqual(plain(AssumeRolePolicyDocument));
      expect(pairs(role?.['Tags'])).toEqual(pairs(Tags));
      const { PolicyName, PolicyDocument } = policies.get(String(RoleName)) ?? {};
      expect([{ PolicyName, PolicyDocument: plain(PolicyDocument) }]).toEqual(
        (Policies as Properties[]).map((policy) => ({
          PolicyName: policy['PolicyName'],
          PolicyDocument: plain(policy['PolicyDocument']),
        })),
      );
    }
    const added = sentBy(recorder.sent, 'iam:AddRoleToInstanceProfile', byParameter('InstanceProfileName'));
    for (const { InstanceProfileName, Roles } of resources('AWS::IAM::InstanceProfile'))
      expect([added.get(String(InstanceProfileName))?.['RoleName']]).toEqual(resolved(Roles));
  });

  test('security groups', () => {
    const created = sentBy(recorder.sent, 'ec2:CreateSecurityGroup', byParameter('GroupName'));
    const rules = (operation: string, id: unknown): readonly unknown[] =>
      recorder.sent
        .filter((call) => call.operation === operation)
        .map((call) => byParameter('GroupId')(call))
        .filter(([group]) => group === id)
        .flatMap(([, form]) => form['IpPermissions'] as Properties[])
        .map(({ IpProtocol, FromPort, ToPort, IpRanges }) => ({
          IpProtocol,
          FromPort,
          ToPort,
          ...(IpRanges as Properties[])[0],
        }));
    const wanted = resources('AWS::EC2::SecurityGroup');
    expect(wanted).toHaveLength(created.size);
    for (const group of wanted) {
      const name = String(group['GroupName']);
      const call = created.get(name);
      expect(call).toMatchObject({ GroupDescription: group['GroupDescription'], VpcId: group['VpcId'] });
      const id = ids.get(name.endsWith('web') ? 'WebSecurityGroup' : 'WorkerSecurityGroup');
      expect(rules('ec2:AuthorizeSecurityGroupIngress', id)).toEqual(plain(group['SecurityGroupIngress']));
      expect(rules('ec2:AuthorizeSecurityGroupEgress', id)).toEqual(plain(group['SecurityGroupEgress']));
      const [specification] = listOf(call?.['TagSpecification']);
      expect(pairs(specification?.['Tag'])).toEqual(pairs(group['Tags']));
    }
  });

  test('launch templates', () => {
    const created = sentBy(recorder.sent, 'ec2:CreateLaunchTemplate', byParameter('LaunchTemplateName'));
    const wanted = resources('AWS::EC2::LaunchTemplate');
    expect(wanted).toHaveLength(created.size);
    for (const { LaunchTemplateName, LaunchTemplateData, TagSpecifications } of wanted) {
      const call = created.get(String(LaunchTemplateName));
      expect(plain(call?.['LaunchTemplateData'])).toEqual(plain(singular(resolved(LaunchTemplateData))));
      expect(plain(call?.['TagSpecification'])).toEqual(plain(singular(TagSpecifications)));
    }
  });

  test('the parameter and the document', () => {
    const parameters = sentBy(recorder.sent, 'ssm:PutParameter', byName('Name'));
    for (const { Name, Value, Type, Tags } of resources('AWS::SSM::Parameter')) {
      expect(parameters.get(String(Name))).toMatchObject({ Value, Type });
      expect(pairs(parameters.get(String(Name))?.['Tags'])).toEqual(Tags);
    }
    const documents = sentBy(recorder.sent, 'ssm:CreateDocument', byName('Name'));
    for (const { Name, Content, DocumentType, TargetType, Tags } of resources('AWS::SSM::Document')) {
      const call = documents.get(String(Name));
      expect(call).toMatchObject({ DocumentType, TargetType });
      expect(plain(call?.['Content'])).toEqual(plain(Content));
      expect(pairs(call?.['Tags'])).toEqual(pairs(Tags));
    }
  });

  test('instances and addresses', () => {
    const [launched] = [...sentBy(recorder.sent, 'ec2:RunInstances', byParameter('ClientToken')).values()];
    const [instance] = resources('AWS::EC2::Instance');
    const { LaunchTemplateId } = resolved(instance?.['LaunchTemplate']) as Properties;
    expect(launched?.['LaunchTemplate']).toMatchObject({ LaunchTemplateId });
    const [launchedWith] = listOf(launched?.['TagSpecification']);
    expect(pairs(launchedWith?.['Tag'])).toEqual(pairs(instance?.['Tags']));
    const [associated] = [
      ...sentBy(recorder.sent, 'ec2:AssociateAddress', byParameter('AllocationId')).values(),
    ];
    const [address] = resources('AWS::EC2::EIP');
    expect(associated?.['InstanceId']).toEqual(resolved(address?.['InstanceId']));
    const [allocated] = [...sentBy(recorder.sent, 'ec2:AllocateAddress', byParameter('Domain')).values()];
    const [allocatedWith] = listOf(allocated?.['TagSpecification']);
    expect(pairs(allocatedWith?.['Tag'])).toEqual(pairs(address?.['Tags']));
  });
});
