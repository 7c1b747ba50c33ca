import { randomUUID } from 'node:crypto';
import { type ClusterNames, tagKeys } from '../aws/names.ts';
import type { ReleasedAddress, ReleasedInstance, Releases } from '../aws/releases.ts';
import type { RunCommand } from '../aws/run-command.ts';
import type { S3 } from '../aws/s3.ts';
import { ImgrecError } from '../errors.ts';
import { readOwnReport } from '../fleet/own-report.ts';
import type { ObservedMember, RollingFleet } from '../fleet/roll-out.ts';
import type { Role } from '../fleet/rolling.ts';
import { nameOf } from './site.ts';

/** What an update reads and changes. */
export interface RollingCloud {
  readonly releases: Releases;
  readonly commands: RunCommand;
  readonly s3: S3;
  readonly names: ClusterNames;
  readonly installId: string;
}

const isRole = (role: string | undefined): role is Role => role === 'worker' || role === 'web';

/** Of the scaler's warm pool: it works for nobody. */
const resting = new Set(['stopping', 'stopped']);

const lifeOf = (state: string): ObservedMember['life'] =>
  state === 'terminated' ? 'gone' : state === 'shutting-down' ? 'ending' : 'alive';

const saidBy = (report: Awaited<ReturnType<typeof readOwnReport>>): ObservedMember['says'] =>
  report === undefined || report.state === 'starting' ? 'nothing' : report.state;

const tagsOfAll = ({ names, installId }: Pick<RollingCloud, 'names' | 'installId'>) => ({
  [tagKeys.cluster]: names.cluster,
  [tagKeys.install]: installId,
});

/** Ends the resting workers of other releases, which would come back as what they were. @returns their ids. Throws CloudError. */
export const endOutdatedRest = async (cloud: RollingCloud, release: string): Promise<readonly string[]> => {
  const workers = await cloud.releases.instances({ ...tagsOfAll(cloud), [tagKeys.role]: 'worker' });
  const outdated = workers.filter(({ state, version }) => resting.has(state) && version !== release);
  for (const { id } of outdated) await cloud.releases.terminate(id);
  return outdated.map(({ id }) => id);
};

/** One cluster's instances for a roll-out. All throw CloudError. */
export const rollingFleet = (cloud: RollingCloud): RollingFleet => {
  const { releases, commands, names } = cloud;
  const ours = tagsOfAll(cloud);
  /** Where each of a role and slot was seen last: one that takes its place goes into the same subnet. */
  const subnets = new Map<string, string | undefined>();

  const observe = async (
    { id, state, tags, version, subnetId }: ReleasedInstance,
    addresses: readonly ReleasedAddress[],
  ): Promise<readonly ObservedMember[]> => {
    const role = tags[tagKeys.role];
    if (!isRole(role) || resting.has(state)) return [];
    const slot = role === 'web' ? (tags[tagKeys.slot] ?? '') : '';
    subnets.set(`${role} ${slot}`, subnetId);
    return [
      {
        id,
        role,
        slot,
        release: version,
        hasAddress: addresses.some(({ instanceId }) => instanceId === id),
        life: lifeOf(state),
        says: state === 'terminated' ? 'stopped' : saidBy(await readOwnReport(cloud, id)),
      },
    ];
  };

  return {
    observe: async () => {
      const [instances, addresses] = await Promise.all([releases.instances(ours), releases.addresses(ours)]);
      return (await Promise.all(instances.map((instance) => observe(instance, addresses)))).flat();
    },
    launch: (role, slot, version) =>
      releases.launch({
        template: nameOf(names, role),
        version,
        subnetId: subnets.get(`${role} ${slot}`),
        clientToken: randomUUID(),
        tags: {
          ...ours,
          Name: nameOf(names, role),
          [tagKeys.role]: role,
          ...(slot === '' ? {} : { [tagKeys.slot]: slot }),
        },
      }),
    drain: async (id) => {
      if ((await commands.run(id, names.drainDocument)) === undefined) await releases.terminate(id);
    },
    end: (id) => releases.terminate(id),
    moveAddress: async (slot, to) => {
      const addresses = await releases.addresses({ ...ours, [tagKeys.slot]: slot });
      if (addresses.length === 0) throw new ImgrecError(`web instance ${slot} has no address to move`);
      for (const { id } of addresses) await releases.associate(id, to);
    },
  };
};
