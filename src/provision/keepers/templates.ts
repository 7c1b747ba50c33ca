import type { LaunchSettings } from '../../aws/launch-templates.ts';
import type { Ec2Setup } from '../../aws/machines.ts';
import type { Resource } from '../resources.ts';
import type { Keeper } from './keeper.ts';

/** The aspects, whose references are resolved by now, as EC2's adapter takes them. */
export const settingsOf = ({ aspects }: Resource<'launch-template'>): LaunchSettings => ({
  ...aspects,
  profile: String(aspects.profile),
  securityGroups: aspects.securityGroups.map(String),
});

export const templateKeeper = ({ templates }: Ec2Setup): Keeper<'launch-template'> => ({
  find: async (name) => {
    const template = await templates.find(name);
    return template === undefined
      ? undefined
      : {
          kind: 'launch-template',
          name,
          id: template.id,
          tags: template.tags,
          aspects: { ...template.settings },
        };
  },
  create: (resource) => templates.create(resource.name, settingsOf(resource), resource.tags),
  update: async (resource, { id }, changes) => {
    if (changes.some((change) => change !== 'tags')) await templates.update(id, settingsOf(resource));
    if (changes.includes('tags')) await templates.tag(id, resource.tags);
  },
  remove: ({ id }) => templates.remove(id),
});
