import type { Ec2Setup } from '../../aws/machines.ts';
import { isInUse } from '../../aws/machines.ts';
import { tagKeys } from '../../aws/names.ts';
import { retry } from '../../retry.ts';
import type { Circumstances, Keeper } from './keeper.ts';

/** The network interfaces of a terminated instance hold its groups for a while longer. */
const untilUnused = { attempts: 30, limits: { floorMs: 2_000, ceilingMs: 10_000 } };

export const securityGroupKeeper = (
  { groups, templates }: Ec2Setup,
  { clock, signal }: Circumstances,
): Keeper<'security-group'> => ({
  // Each VPC may have one of this name: ours carries our tags, and only in our VPC does another stand in the way.
  find: async (name, { cluster, vpcId }) => {
    const all = await groups.find(name);
    const group =
      all.find(({ tags }) => tags[tagKeys.cluster] === cluster) ?? all.find((each) => each.vpcId === vpcId);
    if (group === undefined) return undefined;
    const { id, tags, ingress, egress } = group;
    return { kind: 'security-group', name, id, tags, aspects: { ingress, egress } };
  },
  create: async ({ name, aspects, tags, made }) => {
    const id = await groups.create(name, made?.vpcId ?? '', tags);
    await groups.setRules(id, 'ingress', aspects.ingress, []);
    // EC2 lets everything out of a new group.
    await groups.setRules(id, 'egress', aspects.egress, ['all all 0.0.0.0/0']);
    return id;
  },
  update: async ({ aspects, tags }, { id, aspects: found }, changes) => {
    for (const direction of ['ingress', 'egress'] as const)
      if (changes.includes(direction))
        await groups.setRules(id, direction, aspects[direction], found[direction] as readonly string[]);
    if (changes.includes('tags')) await templates.tag(id, tags);
  },
  remove: ({ id }) => retry(() => groups.remove(id), { ...untilUnused, clock, signal, retryable: isInUse }),
});
