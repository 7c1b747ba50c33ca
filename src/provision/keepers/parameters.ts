import type { Ssm } from '../../aws/ssm.ts';
import type { Keeper } from './keeper.ts';

export const parameterKeeper = (ssm: Ssm): Keeper<'parameter'> => ({
  find: async (name) => {
    const value = await ssm.get(name);
    return value === undefined
      ? undefined
      : { kind: 'parameter', name, id: name, tags: await ssm.tags('Parameter', name), aspects: { value } };
  },
  create: async ({ name, aspects, tags }) => {
    await ssm.create(name, aspects.value, tags);
    return name;
  },
  update: async ({ name, aspects, tags }, _found, changes) => {
    if (changes.includes('value')) await ssm.put(name, aspects.value);
    if (changes.includes('tags')) await ssm.tag('Parameter', name, tags);
  },
  remove: ({ name }) => ssm.remove(name),
});
