import type { Ssm } from '../../aws/ssm.ts';
import type { Keeper } from './keeper.ts';

export const documentKeeper = (ssm: Ssm): Keeper<'document'> => ({
  find: async (name) => {
    const content = await ssm.document(name);
    return content === undefined
      ? undefined
      : { kind: 'document', name, id: name, tags: await ssm.tags('Document', name), aspects: { content } };
  },
  create: async ({ name, aspects, tags }) => {
    await ssm.createDocument(name, aspects.content, tags);
    return name;
  },
  update: async ({ name, aspects, tags }, _found, changes) => {
    if (changes.includes('content')) await ssm.updateDocument(name, aspects.content);
    if (changes.includes('tags')) await ssm.tag('Document', name, tags);
  },
  remove: ({ name }) => ssm.removeDocument(name),
});
