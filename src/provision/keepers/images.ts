import type { FoundImage, Images } from '../../aws/images.ts';
import { tagKeys } from '../../aws/names.ts';
import type { Keeper } from './keeper.ts';

/** Machine images by their id. No plan makes them: `imgrec provision image` does. */
export const imageKeeper = (images: Images): Keeper<'image'> => {
  const byId = async (id: string, cluster: string): Promise<FoundImage | undefined> =>
    (await images.find({ [tagKeys.cluster]: cluster })).find((image) => image.id === id);
  return {
    find: async (name, { cluster }) => {
      const image = await byId(name, cluster);
      return image && { kind: 'image', name, id: name, tags: image.tags, aspects: {} };
    },
    others: async ({ cluster }) => (await images.find({ [tagKeys.cluster]: cluster })).map(({ id }) => id),
    create: async ({ name }) => name,
    update: async () => {},
    remove: async ({ id, tags }) => {
      const image = await byId(id, tags[tagKeys.cluster] ?? '');
      if (image !== undefined) await images.remove(image);
    },
  };
};
