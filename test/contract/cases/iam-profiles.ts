import {
  AddRoleToInstanceProfileCommand,
  CreateInstanceProfileCommand,
  type CreateInstanceProfileCommandInput,
  DeleteInstanceProfileCommand,
  DeleteRoleCommand,
  GetInstanceProfileCommand,
  ListInstanceProfilesCommand,
  ListInstanceProfilesForRoleCommand,
  RemoveRoleFromInstanceProfileCommand,
  TagInstanceProfileCommand,
} from '@aws-sdk/client-iam';
import { expect } from 'vitest';
import { instanceOf } from '../instances.ts';
import { expectRefusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';
import { makeRole } from './iam-roles.ts';

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'iam', name, run });

const makeProfile = async (stage: Stage, more: Partial<CreateInstanceProfileCommandInput> = {}) => {
  const InstanceProfileName = stage.name();
  const { InstanceProfile } = await stage.iam.send(
    new CreateInstanceProfileCommand({ InstanceProfileName, ...more }),
  );
  stage.later(() => stage.iam.send(new DeleteInstanceProfileCommand({ InstanceProfileName })));
  return { InstanceProfileName, InstanceProfile };
};

const profileOf = async ({ iam }: Stage, InstanceProfileName: string) =>
  (await iam.send(new GetInstanceProfileCommand({ InstanceProfileName }))).InstanceProfile;

/** A profile that holds a role. */
const filled = async (stage: Stage) => {
  const { RoleName } = await makeRole(stage);
  const { InstanceProfileName, InstanceProfile } = await makeProfile(stage);
  const holding = { InstanceProfileName, RoleName };
  await stage.iam.send(new AddRoleToInstanceProfileCommand(holding));
  stage.later(() => stage.iam.send(new RemoveRoleFromInstanceProfileCommand(holding)));
  return { ...holding, arn: InstanceProfile?.Arn };
};

export const iamProfileCases: readonly ContractCase[] = [
  test('an instance profile is made with its path and tags, and is empty', async (stage) => {
    const { InstanceProfileName } = await makeProfile(stage, {
      Path: '/imgrec/',
      Tags: [{ Key: 'a', Value: '1' }],
    });
    await stage.iam.send(
      new TagInstanceProfileCommand({ InstanceProfileName, Tags: [{ Key: 'b', Value: '2' }] }),
    );
    const profile = await profileOf(stage, InstanceProfileName);
    expect(profile).toMatchObject({
      InstanceProfileName,
      Path: '/imgrec/',
      Arn: `arn:aws:iam::${stage.connection.account}:instance-profile/imgrec/${InstanceProfileName}`,
    });
    expect(profile?.Roles ?? []).toEqual([]);
    expect(profile?.Tags).toEqual([
      { Key: 'a', Value: '1' },
      { Key: 'b', Value: '2' },
    ]);
  }),

  test('a second profile of the same name is refused, and one that does not exist NoSuchEntity', async (stage) => {
    const { InstanceProfileName } = await makeProfile(stage);
    await expectRefusal(makeProfile(stage, { InstanceProfileName }), 'EntityAlreadyExistsException', 409);
    await expectRefusal(profileOf(stage, stage.name()), 'NoSuchEntityException', 404);
  }),

  test('a profile holds one role and tells it', async (stage) => {
    const { InstanceProfileName, RoleName } = await filled(stage);
    const profile = await profileOf(stage, InstanceProfileName);
    expect(profile?.Roles?.map((role) => role.RoleName)).toEqual([RoleName]);
    const other = await makeRole(stage);
    const adding = stage.iam.send(
      new AddRoleToInstanceProfileCommand({ InstanceProfileName, RoleName: other.RoleName }),
    );
    await expectRefusal(adding, 'LimitExceededException', 409);
    const { InstanceProfiles } = await stage.iam.send(new ListInstanceProfilesForRoleCommand({ RoleName }));
    expect(InstanceProfiles?.map((one) => one.InstanceProfileName)).toEqual([InstanceProfileName]);
  }),

  test('neither a profile that holds a role nor a role in a profile is deleted: DeleteConflict', async (stage) => {
    const { InstanceProfileName, RoleName } = await filled(stage);
    const deleteProfile = () => stage.iam.send(new DeleteInstanceProfileCommand({ InstanceProfileName }));
    const deleteRole = () => stage.iam.send(new DeleteRoleCommand({ RoleName }));
    await expectRefusal(deleteProfile(), 'DeleteConflictException', 409);
    await expectRefusal(deleteRole(), 'DeleteConflictException', 409);
    await stage.iam.send(new RemoveRoleFromInstanceProfileCommand({ InstanceProfileName, RoleName }));
    await deleteProfile();
    await deleteRole();
    await expectRefusal(profileOf(stage, InstanceProfileName), 'NoSuchEntityException', 404);
  }),

  test('profiles are listed by the beginning of their path', async (stage) => {
    const PathPrefix = `/${stage.name()}/`;
    const { InstanceProfileName } = await makeProfile(stage, { Path: PathPrefix });
    await makeProfile(stage);
    const { InstanceProfiles = [] } = await stage.iam.send(new ListInstanceProfilesCommand({ PathPrefix }));
    expect(InstanceProfiles.map((one) => one.InstanceProfileName)).toEqual([InstanceProfileName]);
  }),

  test('an instance is launched with a profile, and tells it', async (stage) => {
    const { InstanceProfileName, arn } = await filled(stage);
    const launched = await stage.eventually(() =>
      stage.launch({ IamInstanceProfile: { Name: InstanceProfileName } }),
    );
    const instance = await instanceOf(stage, launched[0]?.InstanceId ?? '');
    expect(instance?.IamInstanceProfile?.Arn).toBe(arn);
  }),

  test('an instance with a profile that does not exist is refused as InvalidParameterValue', async (stage) => {
    const launching = stage.launch({ IamInstanceProfile: { Name: stage.name() } });
    await expectRefusal(launching, 'InvalidParameterValue', 400);
  }),
];
