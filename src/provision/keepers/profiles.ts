import type { Iam } from '../../aws/iam.ts';
import type { Keeper } from './keeper.ts';

/** A profile holds one role at most. */
export const profileKeeper = (iam: Iam): Keeper<'profile'> => ({
  find: async (name) => {
    const profile = await iam.profile(name);
    return profile === undefined
      ? undefined
      : { kind: 'profile', name, id: name, tags: profile.tags, aspects: { role: profile.roles[0] } };
  },
  create: async ({ name, aspects, tags, made }) => {
    await iam.createProfile(name, made?.path ?? '/', tags);
    await iam.addRole(name, String(aspects.role));
    return name;
  },
  update: async ({ name, aspects, tags }, found, changes) => {
    if (changes.includes('role')) {
      if (found.aspects['role'] !== undefined) await iam.takeRole(name, String(found.aspects['role']));
      await iam.addRole(name, String(aspects.role));
    }
    if (changes.includes('tags')) await iam.tagProfile(name, tags);
  },
  remove: async ({ name, aspects }) => {
    if (aspects['role'] !== undefined) await iam.takeRole(name, String(aspects['role']));
    await iam.removeProfile(name);
  },
});
