import type { Ec2Setup } from '../../aws/machines.ts';
import { type ClusterNames, tagKeys } from '../../aws/names.ts';
import type { Keeper } from './keeper.ts';

/** Addresses by the slot of their web instance (`imgrec-web-1`), others of the cluster by id. */
export const addressKeeper = ({ addresses, templates }: Ec2Setup, names: ClusterNames): Keeper<'address'> => {
  const ofCluster = () => addresses.find({ [tagKeys.cluster]: names.cluster });
  return {
    find: async (name) => {
      const all = await ofCluster();
      // Of two in one slot, which only two runs at once can make, the one in use.
      const candidates = all
        .filter(({ id, tags }) => id === name || `${names.webName}-${tags[tagKeys.slot]}` === name)
        .sort((a, b) => Number(b.instanceId !== undefined) - Number(a.instanceId !== undefined));
      const [address] = candidates;
      return address === undefined
        ? undefined
        : {
            kind: 'address',
            name,
            id: address.id,
            tags: address.tags,
            aspects: { instance: address.instanceId },
          };
    },
    others: async () => (await ofCluster()).map(({ id }) => id),
    create: async ({ aspects, tags }) => {
      const id = await addresses.allocate(tags);
      await addresses.associate(id, String(aspects.instance));
      return id;
    },
    update: async ({ aspects, tags }, { id }, changes) => {
      if (changes.includes('tags')) await templates.tag(id, tags);
      if (changes.includes('instance')) await addresses.associate(id, String(aspects.instance));
    },
    remove: ({ id }) => addresses.release(id),
  };
};
