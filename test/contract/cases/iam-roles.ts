import {
  AttachRolePolicyCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  type CreateRoleCommandInput,
  DeletePolicyCommand,
  DeleteRoleCommand,
  DeleteRolePermissionsBoundaryCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
  ListRolesCommand,
  ListRoleTagsCommand,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  TagRoleCommand,
  UntagRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { expect } from 'vitest';
import { expectRefusal, expectSomeRefusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'iam', name, run });

const trust = (Service = 'ec2.amazonaws.com') =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service }, Action: 'sts:AssumeRole' }],
  });

const allow = (Action: string, Resource = '*') =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Sid: 'One', Effect: 'Allow', Action, Resource }] });

const decoded = (text: string | undefined): unknown => JSON.parse(decodeURIComponent(text ?? ''));

/** Makes a role that vanishes when the case is over, with what the case put into it. */
export const makeRole = async (stage: Stage, more: Partial<CreateRoleCommandInput> = {}) => {
  const RoleName = stage.name();
  const { Role } = await stage.iam.send(
    new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust(), ...more }),
  );
  stage.later(() => stage.iam.send(new DeleteRoleCommand({ RoleName })));
  return { RoleName, Role };
};

const roleOf = async ({ iam }: Stage, RoleName: string) =>
  (await iam.send(new GetRoleCommand({ RoleName }))).Role;

const managed = 'arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore';

export const iamRoleCases: readonly ContractCase[] = [
  test('a role is made with its path, its trust policy and its tags', async (stage) => {
    const { RoleName, Role } = await makeRole(stage, {
      Path: '/imgrec/contract/',
      Tags: [{ Key: 'cluster', Value: 'contract' }],
    });
    const { account } = stage.connection;
    expect(Role).toMatchObject({
      RoleName,
      Path: '/imgrec/contract/',
      Arn: `arn:aws:iam::${account}:role/imgrec/contract/${RoleName}`,
    });
    expect(Role?.RoleId).toMatch(/^AROA[A-Z0-9]{17}$/);
    const found = await stage.eventually(() => roleOf(stage, RoleName));
    expect(decoded(found?.AssumeRolePolicyDocument)).toEqual(JSON.parse(trust()));
    expect(found?.Tags).toEqual([{ Key: 'cluster', Value: 'contract' }]);
  }),

  test('a second role of the same name is refused as EntityAlreadyExists', async (stage) => {
    const { RoleName } = await makeRole(stage);
    await expectRefusal(makeRole(stage, { RoleName }), 'EntityAlreadyExistsException', 409);
  }),

  test('a role that does not exist is NoSuchEntity, to get, to delete and to write to', async (stage) => {
    const RoleName = stage.name();
    await expectRefusal(roleOf(stage, RoleName), 'NoSuchEntityException', 404);
    await expectRefusal(stage.iam.send(new DeleteRoleCommand({ RoleName })), 'NoSuchEntityException', 404);
    const putting = stage.iam.send(
      new PutRolePolicyCommand({ RoleName, PolicyName: 'p', PolicyDocument: allow('s3:GetObject') }),
    );
    await expectRefusal(putting, 'NoSuchEntityException', 404);
  }),

  test('a deleted role is gone', async (stage) => {
    const { RoleName } = await makeRole(stage);
    await stage.iam.send(new DeleteRoleCommand({ RoleName }));
    await expectRefusal(roleOf(stage, RoleName), 'NoSuchEntityException', 404);
  }),

  test('the trust policy can be replaced', async (stage) => {
    const { RoleName } = await makeRole(stage);
    const PolicyDocument = trust('lambda.amazonaws.com');
    await stage.iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument }));
    await stage.eventually(async () =>
      expect(decoded((await roleOf(stage, RoleName))?.AssumeRolePolicyDocument)).toEqual(
        JSON.parse(PolicyDocument),
      ),
    );
  }),

  test('an inline policy is put, replaced, listed, returned and deleted', async (stage) => {
    const { RoleName } = await makeRole(stage);
    const policy = { RoleName, PolicyName: 'worker' };
    const put = (PolicyDocument: string) =>
      stage.iam.send(new PutRolePolicyCommand({ ...policy, PolicyDocument }));
    stage.later(() => stage.iam.send(new DeleteRolePolicyCommand(policy)));
    await put(allow('s3:GetObject'));
    await put(allow('s3:PutObject', 'arn:aws:s3:::bucket/results/*'));
    const got = await stage.iam.send(new GetRolePolicyCommand(policy));
    expect(got).toMatchObject(policy);
    expect(decoded(got.PolicyDocument)).toEqual(
      JSON.parse(allow('s3:PutObject', 'arn:aws:s3:::bucket/results/*')),
    );
    const list = async () => (await stage.iam.send(new ListRolePoliciesCommand({ RoleName }))).PolicyNames;
    expect(await list()).toEqual(['worker']);
    await stage.iam.send(new DeleteRolePolicyCommand(policy));
    expect((await list()) ?? []).toEqual([]);
    await expectRefusal(stage.iam.send(new GetRolePolicyCommand(policy)), 'NoSuchEntityException', 404);
  }),

  test('what is no policy is refused as MalformedPolicyDocument', async (stage) => {
    const { RoleName } = await makeRole(stage);
    const put = (PolicyDocument: string) =>
      stage.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'p', PolicyDocument }));
    for (const text of [
      'no JSON',
      JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Maybe', Action: 's3:*', Resource: '*' }],
      }),
      JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:GetObject' }] }),
      JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: 'GetObject', Resource: '*' }],
      }),
    ])
      await expectRefusal(put(text), 'MalformedPolicyDocumentException', 400);
  }),

  test('inline policies of more than 10,240 characters in all are refused as LimitExceeded', async (stage) => {
    const { RoleName } = await makeRole(stage);
    const put = (PolicyName: string, characters: number) =>
      stage.iam.send(
        new PutRolePolicyCommand({
          RoleName,
          PolicyName,
          PolicyDocument: allow('s3:GetObject', `arn:aws:s3:::bucket/${'x'.repeat(characters)}`),
        }),
      );
    stage.later(() => stage.iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: 'a' })));
    await put('a', 6_000);
    await expectRefusal(put('b', 6_000), 'LimitExceededException', 409);
  }),

  test('a managed policy is attached, listed and detached', async (stage) => {
    const { RoleName } = await makeRole(stage);
    const attachment = { RoleName, PolicyArn: managed };
    stage.later(() => stage.iam.send(new DetachRolePolicyCommand(attachment)));
    await stage.iam.send(new AttachRolePolicyCommand(attachment));
    await stage.iam.send(new AttachRolePolicyCommand(attachment));
    const list = async () =>
      (await stage.iam.send(new ListAttachedRolePoliciesCommand({ RoleName }))).AttachedPolicies ?? [];
    expect(await list()).toEqual([{ PolicyName: 'AmazonSSMManagedInstanceCore', PolicyArn: managed }]);
    await stage.iam.send(new DetachRolePolicyCommand(attachment));
    expect(await list()).toEqual([]);
    await expectRefusal(
      stage.iam.send(new DetachRolePolicyCommand(attachment)),
      'NoSuchEntityException',
      404,
    );
  }),

  test('a managed policy that does not exist is not attached: NoSuchEntity', async (stage) => {
    const { RoleName } = await makeRole(stage);
    const attaching = stage.iam.send(
      new AttachRolePolicyCommand({ RoleName, PolicyArn: 'arn:aws:iam::aws:policy/ImgrecHasNone' }),
    );
    await expectRefusal(attaching, 'NoSuchEntityException', 404);
  }),

  test('a role with policies is not deleted: DeleteConflict', async (stage) => {
    const { RoleName } = await makeRole(stage);
    const policy = { RoleName, PolicyName: 'p' };
    const attachment = { RoleName, PolicyArn: managed };
    const deleting = () => stage.iam.send(new DeleteRoleCommand({ RoleName }));
    stage.later(() => stage.iam.send(new DetachRolePolicyCommand(attachment)));
    stage.later(() => stage.iam.send(new DeleteRolePolicyCommand(policy)));
    await stage.iam.send(new PutRolePolicyCommand({ ...policy, PolicyDocument: allow('s3:GetObject') }));
    await expectRefusal(deleting(), 'DeleteConflictException', 409);
    await stage.iam.send(new DeleteRolePolicyCommand(policy));
    await stage.iam.send(new AttachRolePolicyCommand(attachment));
    await expectRefusal(deleting(), 'DeleteConflictException', 409);
    await stage.iam.send(new DetachRolePolicyCommand(attachment));
    await deleting();
  }),

  test('the tags of a role are added, replaced, listed and taken off', async (stage) => {
    const { RoleName } = await makeRole(stage, { Tags: [{ Key: 'a', Value: '1' }] });
    await stage.iam.send(
      new TagRoleCommand({
        RoleName,
        Tags: [
          { Key: 'a', Value: '2' },
          { Key: 'b', Value: '' },
        ],
      }),
    );
    const listed = async () => {
      const { Tags = [] } = await stage.iam.send(new ListRoleTagsCommand({ RoleName }));
      return Object.fromEntries(Tags.map(({ Key = '', Value }) => [Key, Value]));
    };
    expect(await listed()).toEqual({ a: '2', b: '' });
    await stage.iam.send(new UntagRoleCommand({ RoleName, TagKeys: ['a', 'absent'] }));
    expect(await listed()).toEqual({ b: '' });
  }),

  test('a role, and a policy, has 50 tags at most', async (stage) => {
    const Tags = Array.from({ length: 51 }, (_, index) => ({ Key: `key-${index}`, Value: '' }));
    await expectSomeRefusal(makeRole(stage, { Tags }));
    const policy = { PolicyName: stage.name(), PolicyDocument: allow('s3:*'), Tags };
    await expectSomeRefusal(stage.iam.send(new CreatePolicyCommand(policy)));
  }),

  test('a permissions boundary is set, told and removed', async (stage) => {
    const { Policy } = await stage.iam.send(
      new CreatePolicyCommand({ PolicyName: stage.name(), PolicyDocument: allow('s3:*') }),
    );
    const PermissionsBoundary = Policy?.Arn ?? '';
    stage.later(() => stage.iam.send(new DeletePolicyCommand({ PolicyArn: PermissionsBoundary })));
    const { RoleName } = await makeRole(stage, { PermissionsBoundary });
    const told = async () => (await roleOf(stage, RoleName))?.PermissionsBoundary?.PermissionsBoundaryArn;
    expect(await told()).toBe(PermissionsBoundary);
    await stage.iam.send(new DeleteRolePermissionsBoundaryCommand({ RoleName }));
    expect(await told()).toBeUndefined();
    await stage.iam.send(new PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary }));
    expect(await told()).toBe(PermissionsBoundary);
    await stage.iam.send(new DeleteRolePermissionsBoundaryCommand({ RoleName }));
  }),

  test('roles are listed by the beginning of their path, in pages', async (stage) => {
    const PathPrefix = `/${stage.name()}/`;
    const names: string[] = [];
    for (const Path of [PathPrefix, PathPrefix, `${PathPrefix}deeper/`])
      names.push((await makeRole(stage, { Path })).RoleName);
    await makeRole(stage, { Path: '/elsewhere/' });
    const found: (string | undefined)[] = [];
    let marker: string | undefined;
    for (let page = 0; page < 4; page += 1) {
      const {
        Roles = [],
        IsTruncated,
        Marker,
      } = await stage.iam.send(
        new ListRolesCommand({
          PathPrefix,
          MaxItems: 2,
          ...(marker === undefined ? {} : { Marker: marker }),
        }),
      );
      expect(Roles.length).toBeLessThanOrEqual(2);
      found.push(...Roles.map(({ RoleName }) => RoleName));
      marker = Marker;
      if (!IsTruncated) break;
    }
    expect(found.toSorted()).toEqual(names.toSorted());
  }),
];
