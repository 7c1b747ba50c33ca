import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import { integerOf, type Parameters } from '../query.ts';
import type { QueryOperations } from '../query-service.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import type { XmlElement } from '../xml.ts';
import { checkIdentityPolicy, checkTrustPolicy, encodedDocument, policySize } from './documents.ts';
import {
  alreadyExists,
  deleteConflict,
  isListed,
  nameOf,
  noSuchEntity,
  pageOf,
  pathOf,
  required,
  uniqueId,
} from './names.ts';
import type { Policies } from './policies.ts';
import { readTags, type Tags, tagOperations, tagsXml } from './tags.ts';

export interface Role {
  readonly name: string;
  readonly path: string;
  readonly id: string;
  readonly arn: string;
  readonly createdMs: number;
  readonly trust: string;
  readonly description: string;
  readonly maxSessionSeconds: number;
  /** ARN of a policy; '' where there is none. */
  readonly boundary: string;
  readonly tags: Tags;
  /** Inline policies by their name. */
  readonly policies: Readonly<Record<string, string>>;
  /** ARNs of attached policies. */
  readonly attached: readonly string[];
}

export interface Roles {
  readonly operations: QueryOperations;
  /** Throws NoSuchEntity. */
  readonly find: (name: string) => Role;
  readonly xml: (role: Role) => XmlElement;
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, characters without white space. */
const maxInlineCharacters = 10_240;
const maxTrustCharacters = 2_048;
const maxAttached = 10;

/** What a list tells: IAM leaves tags and boundary to GetRole. */
const shortXml = (role: Role): XmlElement => ({
  Path: role.path,
  RoleName: role.name,
  RoleId: role.id,
  Arn: role.arn,
  CreateDate: new Date(role.createdMs).toISOString(),
  AssumeRolePolicyDocument: encodedDocument(role.trust),
  ...(role.description !== '' && { Description: role.description }),
  MaxSessionDuration: role.maxSessionSeconds,
});

const fullXml = (role: Role): XmlElement => ({
  ...shortXml(role),
  ...(role.boundary !== '' && {
    PermissionsBoundary: {
      PermissionsBoundaryType: 'Policy',
      PermissionsBoundaryArn: role.boundary,
    },
  }),
  ...(Object.keys(role.tags).length > 0 && { Tags: tagsXml(role.tags) }),
});

/** Roles and what is written into them. Nobody assumes them here: credentials are not checked against policies. */
export const createRoles = (options: {
  readonly shelves: Shelves;
  readonly clock: Clock;
  readonly account: string;
  readonly policies: Policies;
  /** Whether an instance profile holds the role. */
  readonly isInProfile: (name: string) => boolean;
}): Roles => {
  const { clock, account, policies } = options;
  const roles: Shelf<Role> = options.shelves.open('iam.role');

  const find = (name: string): Role => {
    const role = roles.get(name);
    if (!role) throw noSuchEntity(`The role with name ${name}`);
    return role;
  };
  const named = (parameters: Parameters): Role => find(required(parameters, 'RoleName'));
  const change = (role: Role, changes: Partial<Role>): undefined => {
    roles.put(role.name, { ...role, ...changes });
  };

  const readTrust = (parameters: Parameters, parameter: string): string => {
    const text = required(parameters, parameter);
    checkTrustPolicy(text);
    if (policySize(text) > maxTrustCharacters)
      throw new Refusal(
        'LimitExceeded',
        `Cannot exceed quota for ACLSizePerRole: ${maxTrustCharacters}`,
        409,
      );
    return text;
  };

  const boundaryOf = (parameters: Parameters): string => {
    const arn = parameters.get('PermissionsBoundary') ?? '';
    if (arn !== '') policies.check(arn);
    return arn;
  };

  const create = (parameters: Parameters): XmlElement => {
    const name = nameOf(parameters, 'RoleName', 64);
    const path = pathOf(parameters);
    const trust = readTrust(parameters, 'AssumeRolePolicyDocument');
    const boundary = boundaryOf(parameters);
    if (roles.get(name)) throw alreadyExists(`Role with name ${name}`);
    const role: Role = {
      name,
      path,
      id: uniqueId('AROA'),
      arn: `arn:aws:iam::${account}:role${path}${name}`,
      createdMs: clock.wallMs(),
      trust,
      description: parameters.get('Description') ?? '',
      maxSessionSeconds: integerOf(parameters, 'MaxSessionDuration') ?? 3_600,
      boundary,
      tags: readTags(parameters),
      policies: {},
      attached: [],
    };
    roles.put(name, role);
    return { Role: fullXml(role) };
  };

  const remove = (parameters: Parameters): undefined => {
    const role = named(parameters);
    if (options.isInProfile(role.name)) throw deleteConflict('remove roles from instance profile');
    if (Object.keys(role.policies).length > 0) throw deleteConflict('delete policies');
    if (role.attached.length > 0) throw deleteConflict('detach all policies');
    roles.remove(role.name);
  };

  const putPolicy = (parameters: Parameters): undefined => {
    const role = named(parameters);
    const policyName = nameOf(parameters, 'PolicyName', 128);
    const text = required(parameters, 'PolicyDocument');
    checkIdentityPolicy(text);
    const all = { ...role.policies, [policyName]: text };
    if (Object.values(all).reduce((sum, one) => sum + policySize(one), 0) > maxInlineCharacters)
      throw new Refusal(
        'LimitExceeded',
        `Maximum policy size of ${maxInlineCharacters} bytes exceeded for role ${role.name}`,
        409,
      );
    change(role, { policies: all });
  };

  /** The text of an inline policy. */
  const inlinePolicy = (
    role: Role,
    parameters: Parameters,
  ): { readonly name: string; readonly text: string } => {
    const name = required(parameters, 'PolicyName');
    const text = Object.hasOwn(role.policies, name) ? role.policies[name] : undefined;
    if (text === undefined) throw noSuchEntity(`The role policy with name ${name}`);
    return { name, text };
  };

  const listed = (parameters: Parameters): XmlElement => {
    const wanted = [...roles.values()].filter(isListed(parameters));
    const { page, truncation } = pageOf(parameters, wanted, ({ name }) => name);
    return { Roles: { member: page.map(shortXml) }, ...truncation };
  };

  return {
    find,
    xml: shortXml,
    operations: {
      CreateRole: create,
      GetRole: (parameters) => ({ Role: fullXml(named(parameters)) }),
      DeleteRole: remove,
      ListRoles: listed,
      UpdateAssumeRolePolicy: (parameters) => {
        const role = named(parameters);
        return change(role, { trust: readTrust(parameters, 'PolicyDocument') });
      },
      PutRolePolicy: putPolicy,
      GetRolePolicy: (parameters) => {
        const role = named(parameters);
        const { name, text } = inlinePolicy(role, parameters);
        return { RoleName: role.name, PolicyName: name, PolicyDocument: encodedDocument(text) };
      },
      DeleteRolePolicy: (parameters) => {
        const role = named(parameters);
        const { name } = inlinePolicy(role, parameters);
        const { [name]: _, ...others } = role.policies;
        return change(role, { policies: others });
      },
      ListRolePolicies: (parameters) => {
        const { page, truncation } = pageOf(
          parameters,
          Object.keys(named(parameters).policies),
          (name) => name,
        );
        return { PolicyNames: { member: page }, ...truncation };
      },
      AttachRolePolicy: (parameters) => {
        const role = named(parameters);
        const arn = required(parameters, 'PolicyArn');
        policies.check(arn);
        if (role.attached.includes(arn)) return;
        if (role.attached.length >= maxAttached)
          throw new Refusal('LimitExceeded', `Cannot exceed quota for PoliciesPerRole: ${maxAttached}`, 409);
        return change(role, { attached: [...role.attached, arn] });
      },
      DetachRolePolicy: (parameters) => {
        const role = named(parameters);
        const arn = required(parameters, 'PolicyArn');
        if (!role.attached.includes(arn)) throw noSuchEntity(`Policy ${arn}`);
        return change(role, { attached: role.attached.filter((one) => one !== arn) });
      },
      ListAttachedRolePolicies: (parameters) => {
        const { page, truncation } = pageOf(parameters, named(parameters).attached, (arn) => arn);
        return {
          AttachedPolicies: {
            member: page.map((PolicyArn) => ({ PolicyName: PolicyArn.split('/').at(-1), PolicyArn })),
          },
          ...truncation,
        };
      },
      PutRolePermissionsBoundary: (parameters) => {
        required(parameters, 'PermissionsBoundary');
        return change(named(parameters), { boundary: boundaryOf(parameters) });
      },
      DeleteRolePermissionsBoundary: (parameters) => {
        const role = named(parameters);
        if (role.boundary === '') throw noSuchEntity(`The permissions boundary of ${role.name}`);
        return change(role, { boundary: '' });
      },
      ...tagOperations('Role', named, (role, tags) => change(role, { tags })),
    },
  };
};
