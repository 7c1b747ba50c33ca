import { newApiKey, renderApiKeys } from '../../api-keys.ts';
import type { Ssm } from '../../aws/ssm.ts';
import type { Keeper } from './keeper.ts';

/** The API keys. What they are is made here and nowhere seen: a plan compares that they are kept as a secret, never which they are. */
export const secretKeeper = (ssm: Ssm): Keeper<'secret'> => ({
  find: async (name) => {
    const type = await ssm.typeOf(name);
    return type === undefined
      ? undefined
      : { kind: 'secret', name, id: name, tags: await ssm.tags('Parameter', name), aspects: { type } };
  },
  create: async ({ name, tags }) => {
    await ssm.createSecret(name, renderApiKeys([newApiKey()]), tags);
    return name;
  },
  update: async ({ name, tags }, _found, changes) => {
    if (changes.includes('type')) {
      // SSM does not change a type, and what could be read by anybody is no secret any more.
      await ssm.remove(name);
      await ssm.createSecret(name, renderApiKeys([newApiKey()]), tags);
    } else if (changes.includes('tags')) await ssm.tag('Parameter', name, tags);
  },
  remove: ({ name }) => ssm.remove(name),
});
