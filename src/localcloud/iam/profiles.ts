import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import type { Parameters } from '../query.ts';
import type { QueryOperations } from '../query-service.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import type { XmlElement } from '../xml.ts';
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
import type { Roles } from './roles.ts';
import { readTags, type Tags, tagOperations, tagsXml } from './tags.ts';

export interface InstanceProfile {
  readonly name: string;
  readonly path: string;
  readonly id: string;
  readonly arn: string;
  /** Wall clock, milliseconds. */
  readonly createdMs: number;
  /** '' where it holds none. */
  readonly roleName: string;
  readonly tags: Tags;
}

export interface Profiles {
  readonly operations: (roles: Roles) => QueryOperations;
  readonly isHolding: (roleName: string) => boolean;
  readonly byName: (name: string) => InstanceProfile | undefined;
  readonly byArn: (arn: string) => InstanceProfile | undefined;
}

/** Instance profiles, each with one role at most. */
export const createProfiles = (options: {
  readonly shelves: Shelves;
  readonly clock: Clock;
  readonly account: string;
}): Profiles => {
  const { clock, account } = options;
  const profiles: Shelf<InstanceProfile> = options.shelves.open('iam.profile');
  const all = (): readonly InstanceProfile[] => [...profiles.values()];

  const named = (parameters: Parameters): InstanceProfile => {
    const name = required(parameters, 'InstanceProfileName');
    const profile = profiles.get(name);
    if (!profile) throw noSuchEntity(`Instance Profile ${name}`);
    return profile;
  };
  const change = (profile: InstanceProfile, changes: Partial<InstanceProfile>): undefined => {
    profiles.put(profile.name, { ...profile, ...changes });
  };

  const operations = (roles: Roles): QueryOperations => {
    const shortXml = (profile: InstanceProfile): XmlElement => ({
      Path: profile.path,
      InstanceProfileName: profile.name,
      InstanceProfileId: profile.id,
      Arn: profile.arn,
      CreateDate: new Date(profile.createdMs).toISOString(),
      Roles: { member: profile.roleName === '' ? [] : [roles.xml(roles.find(profile.roleName))] },
    });
    const fullXml = (profile: InstanceProfile): XmlElement => ({
      ...shortXml(profile),
      Tags: tagsXml(profile.tags),
    });

    const create = (parameters: Parameters): XmlElement => {
      const name = nameOf(parameters, 'InstanceProfileName', 128);
      const path = pathOf(parameters);
      if (profiles.get(name)) throw alreadyExists(`Instance Profile ${name}`);
      const profile: InstanceProfile = {
        name,
        path,
        id: uniqueId('AIPA'),
        arn: `arn:aws:iam::${account}:instance-profile${path}${name}`,
        createdMs: clock.wallMs(),
        roleName: '',
        tags: readTags(parameters),
      };
      profiles.put(name, profile);
      return { InstanceProfile: fullXml(profile) };
    };

    const listed = (parameters: Parameters, wanted: readonly InstanceProfile[]): XmlElement => {
      const { page, truncation } = pageOf(parameters, wanted, ({ name }) => name);
      return { InstanceProfiles: { member: page.map(shortXml) }, ...truncation };
    };

    return {
      CreateInstanceProfile: create,
      GetInstanceProfile: (parameters) => ({ InstanceProfile: fullXml(named(parameters)) }),
      DeleteInstanceProfile: (parameters) => {
        const profile = named(parameters);
        if (profile.roleName !== '') throw deleteConflict('remove roles from instance profile');
        profiles.remove(profile.name);
        return undefined;
      },
      ListInstanceProfiles: (parameters) => listed(parameters, all().filter(isListed(parameters))),
      ListInstanceProfilesForRole: (parameters) => {
        const role = roles.find(required(parameters, 'RoleName'));
        return listed(
          parameters,
          all().filter(({ roleName }) => roleName === role.name),
        );
      },
      AddRoleToInstanceProfile: (parameters) => {
        const profile = named(parameters);
        const role = roles.find(required(parameters, 'RoleName'));
        if (profile.roleName !== '')
          throw new Refusal(
            'LimitExceeded',
            'Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1',
            409,
          );
        return change(profile, { roleName: role.name });
      },
      RemoveRoleFromInstanceProfile: (parameters) => {
        const profile = named(parameters);
        const name = required(parameters, 'RoleName');
        if (profile.roleName !== name) throw noSuchEntity(`Role ${name} in Instance Profile ${profile.name}`);
        return change(profile, { roleName: '' });
      },
      ...tagOperations('InstanceProfile', named, (profile, tags) => change(profile, { tags })),
    };
  };

  return {
    operations,
    isHolding: (roleName) => all().some((profile) => profile.roleName === roleName),
    byName: profiles.get,
    byArn: (arn) => all().find((profile) => profile.arn === arn),
  };
};
