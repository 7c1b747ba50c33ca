import {
  AddRoleToInstanceProfileCommand,
  CreateInstanceProfileCommand,
  CreateRoleCommand,
  DeleteInstanceProfileCommand,
  DeleteRoleCommand,
  DeleteRolePermissionsBoundaryCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetInstanceProfileCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  RemoveRoleFromInstanceProfileCommand,
  TagInstanceProfileCommand,
  TagRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { type Connection, clientConfig } from './connection.ts';
import { calling, cloudError, codeOf } from './errors.ts';
import { type Tags, tagList, tagsOf } from './tags.ts';

/** A role as far as imgrec sets it. */
export interface FoundRole {
  readonly path: string;
  readonly tags: Tags;
  /** Parsed JSON. */
  readonly trust: unknown;
  /** Inline policies by name, parsed. */
  readonly inline: Readonly<Record<string, unknown>>;
  /** ARNs of managed policies. */
  readonly attached: readonly string[];
  readonly boundary: string | undefined;
}

export interface FoundProfile {
  readonly path: string;
  readonly tags: Tags;
  readonly roles: readonly string[];
  /** IAM's clock. */
  readonly createdMs: number;
}

/** IAM gives documents back as RFC 3986 encodes them. */
const documentOf = (text: string | undefined): unknown =>
  text === undefined ? undefined : (JSON.parse(decodeURIComponent(text)) as unknown);

export type Iam = ReturnType<typeof createIam>;

/** Roles and instance profiles in our words; they are the account's, in every region the same. All throw CloudError. */
export const createIam = (connection: Connection) => {
  const client = new IAMClient(clientConfig(connection));

  /** @returns undefined where IAM knows no such thing */
  const ifThere = async <T>(operation: string, call: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await call();
    } catch (error) {
      if (codeOf(error).startsWith('NoSuchEntity')) return undefined;
      throw cloudError(operation, error);
    }
  };

  const inlineOf = async (RoleName: string): Promise<Readonly<Record<string, unknown>>> => {
    const { PolicyNames = [] } = await client.send(new ListRolePoliciesCommand({ RoleName }));
    const documents = await Promise.all(
      PolicyNames.map(async (PolicyName): Promise<[string, unknown]> => {
        const { PolicyDocument } = await client.send(new GetRolePolicyCommand({ RoleName, PolicyName }));
        return [PolicyName, documentOf(PolicyDocument)];
      }),
    );
    return Object.fromEntries(documents);
  };

  return {
    /** @returns undefined when there is no such role */
    role: (name: string): Promise<FoundRole | undefined> =>
      ifThere(`read role ${name}`, async () => {
        const [{ Role }, inline, { AttachedPolicies = [] }] = await Promise.all([
          client.send(new GetRoleCommand({ RoleName: name })),
          inlineOf(name),
          client.send(new ListAttachedRolePoliciesCommand({ RoleName: name })),
        ]);
        return {
          path: Role?.Path ?? '/',
          tags: tagsOf(Role?.Tags),
          trust: documentOf(Role?.AssumeRolePolicyDocument),
          inline,
          attached: AttachedPolicies.map(({ PolicyArn = '' }) => PolicyArn),
          boundary: Role?.PermissionsBoundary?.PermissionsBoundaryArn,
        };
      }),

    createRole: async (
      name: string,
      role: {
        readonly path: string;
        readonly trust: unknown;
        readonly boundary: string | undefined;
        readonly tags: Tags;
      },
    ): Promise<void> => {
      await calling(`create role ${name}`, () =>
        client.send(
          new CreateRoleCommand({
            RoleName: name,
            Path: role.path,
            AssumeRolePolicyDocument: JSON.stringify(role.trust),
            Tags: tagList(role.tags),
            ...(role.boundary === undefined ? {} : { PermissionsBoundary: role.boundary }),
          }),
        ),
      );
    },

    setTrust: async (name: string, trust: unknown): Promise<void> => {
      await calling(`set who may take role ${name}`, () =>
        client.send(
          new UpdateAssumeRolePolicyCommand({ RoleName: name, PolicyDocument: JSON.stringify(trust) }),
        ),
      );
    },

    /** @param boundary undefined removes it */
    setBoundary: async (name: string, boundary: string | undefined): Promise<void> => {
      await calling(`set the permissions boundary of role ${name}`, () =>
        boundary === undefined
          ? client.send(new DeleteRolePermissionsBoundaryCommand({ RoleName: name }))
          : client.send(
              new PutRolePermissionsBoundaryCommand({ RoleName: name, PermissionsBoundary: boundary }),
            ),
      );
    },

    putPolicy: async (role: string, name: string, policy: unknown): Promise<void> => {
      await calling(`write policy ${name} of role ${role}`, () =>
        client.send(
          new PutRolePolicyCommand({
            RoleName: role,
            PolicyName: name,
            PolicyDocument: JSON.stringify(policy),
          }),
        ),
      );
    },

    removePolicy: async (role: string, name: string): Promise<void> => {
      await ifThere(`delete policy ${name} of role ${role}`, () =>
        client.send(new DeleteRolePolicyCommand({ RoleName: role, PolicyName: name })),
      );
    },

    detach: async (role: string, arn: string): Promise<void> => {
      await ifThere(`detach ${arn} from role ${role}`, () =>
        client.send(new DetachRolePolicyCommand({ RoleName: role, PolicyArn: arn })),
      );
    },

    tagRole: async (name: string, tags: Tags): Promise<void> => {
      await calling(`tag role ${name}`, () =>
        client.send(new TagRoleCommand({ RoleName: name, Tags: tagList(tags) })),
      );
    },

    removeRole: async (name: string): Promise<void> => {
      await ifThere(`delete role ${name}`, () => client.send(new DeleteRoleCommand({ RoleName: name })));
    },

    /** @returns undefined when there is no such instance profile */
    profile: (name: string): Promise<FoundProfile | undefined> =>
      ifThere(`read instance profile ${name}`, async () => {
        const { InstanceProfile } = await client.send(
          new GetInstanceProfileCommand({ InstanceProfileName: name }),
        );
        return {
          path: InstanceProfile?.Path ?? '/',
          tags: tagsOf(InstanceProfile?.Tags),
          roles: (InstanceProfile?.Roles ?? []).map(({ RoleName = '' }) => RoleName),
          createdMs: InstanceProfile?.CreateDate?.getTime() ?? 0,
        };
      }),

    createProfile: async (name: string, path: string, tags: Tags): Promise<void> => {
      await calling(`create instance profile ${name}`, () =>
        client.send(
          new CreateInstanceProfileCommand({ InstanceProfileName: name, Path: path, Tags: tagList(tags) }),
        ),
      );
    },

    addRole: async (profile: string, role: string): Promise<void> => {
      await calling(`put role ${role} into instance profile ${profile}`, () =>
        client.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: profile, RoleName: role })),
      );
    },

    takeRole: async (profile: string, role: string): Promise<void> => {
      await ifThere(`take role ${role} out of instance profile ${profile}`, () =>
        client.send(
          new RemoveRoleFromInstanceProfileCommand({ InstanceProfileName: profile, RoleName: role }),
        ),
      );
    },

    tagProfile: async (name: string, tags: Tags): Promise<void> => {
      await calling(`tag instance profile ${name}`, () =>
        client.send(new TagInstanceProfileCommand({ InstanceProfileName: name, Tags: tagList(tags) })),
      );
    },

    removeProfile: async (name: string): Promise<void> => {
      await ifThere(`delete instance profile ${name}`, () =>
        client.send(new DeleteInstanceProfileCommand({ InstanceProfileName: name })),
      );
    },

    close: () => client.destroy(),
  };
};
