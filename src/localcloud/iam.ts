import type { Clock } from '../clock.ts';
import type { Service } from './answer.ts';
import { createPolicies } from './iam/policies.ts';
import { createProfiles, type Profiles } from './iam/profiles.ts';
import { createRoles } from './iam/roles.ts';
import { createQueryService } from './query-service.ts';
import type { Shelves } from './shelf.ts';

/** The protocol front of IAM: roles, their policies, and instance profiles. They are kept and returned, not enforced. */
export const createIam = (options: {
  readonly shelves: Shelves;
  readonly clock: Clock;
  readonly account: string;
}): { readonly service: Service; readonly profiles: Profiles } => {
  const policies = createPolicies(options);
  const profiles = createProfiles(options);
  const roles = createRoles({ ...options, policies, isInProfile: profiles.isHolding });
  const service = createQueryService({
    namespace: 'https://iam.amazonaws.com/doc/2010-05-08/',
    operations: { ...policies.operations, ...roles.operations, ...profiles.operations(roles) },
    maxBodyBytes: 1024 * 1024,
  });
  return { service, profiles };
};
