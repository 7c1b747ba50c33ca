import type { Iam } from '../../aws/iam.ts';
import type { Keeper } from './keeper.ts';

/** The one inline policy that a role of imgrec has. */
export const policyName = 'imgrec';

export const roleKeeper = (iam: Iam): Keeper<'role'> => ({
  find: async (name) => {
    const role = await iam.role(name);
    if (role === undefined) return undefined;
    const { [policyName]: policy, ...others } = role.inline;
    return {
      kind: 'role',
      name,
      id: name,
      tags: role.tags,
      aspects: {
        trust: role.trust,
        policy,
        boundary: role.boundary,
        otherPolicies: [...Object.keys(others), ...role.attached],
      },
    };
  },
  create: async ({ name, aspects, tags, made }) => {
    await iam.createRole(name, {
      path: made?.path ?? '/',
      trust: aspects.trust,
      boundary: aspects.boundary,
      tags,
    });
    await iam.putPolicy(name, policyName, aspects.policy);
    return name;
  },
  update: async ({ name, aspects, tags }, found, changes) => {
    if (changes.includes('trust')) await iam.setTrust(name, aspects.trust);
    if (changes.includes('boundary')) await iam.setBoundary(name, aspects.boundary);
    if (changes.includes('policy')) await iam.putPolicy(name, policyName, aspects.policy);
    if (changes.includes('otherPolicies')) await removeOthers(iam, name, found.aspects['otherPolicies']);
    if (changes.includes('tags')) await iam.tagRole(name, tags);
  },
  remove: async ({ name, aspects }) => {
    await removeOthers(iam, name, aspects['otherPolicies']);
    await iam.removePolicy(name, policyName);
    await iam.removeRole(name);
  },
});

/** What somebody added: ARNs of managed policies, names of inline ones. */
const removeOthers = async (iam: Iam, role: string, others: unknown): Promise<void> => {
  for (const other of Array.isArray(others) ? (others as readonly string[]) : [])
    await (other.startsWith('arn:') ? iam.detach(role, other) : iam.removePolicy(role, other));
};
