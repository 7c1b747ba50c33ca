import { createHash } from 'node:crypto';
import type { Iam } from '../../aws/iam.ts';
import { type Ec2Setup, isDead, isUnknownParameter, type Machine } from '../../aws/machines.ts';
import { type ClusterNames, tagKeys } from '../../aws/names.ts';
import { ImgrecError } from '../../errors.ts';
import { retry } from '../../retry.ts';
import type { Found, Resource } from '../resources.ts';
import type { Circumstances, Keeper } from './keeper.ts';

/** IAM tells EC2 of a new instance profile within about 10 s. */
const untilProfileIsKnown = { attempts: 20, limits: { floorMs: 3_000, ceilingMs: 3_000 } };
/** A profile older than this is known; then the parameter is wrong for another reason. */
const youngMs = 120_000;

const pollMs = 2_000;
const startWithinMs = 5 * 60_000;
const endWithinMs = 10 * 60_000;

const foundOf = (name: string, { id, tags, state }: Machine): Found => ({
  kind: 'instance',
  name,
  id,
  tags,
  aspects: { state: state === 'pending' ? 'running' : state },
});

/** Web instances by slot (`imgrec-web-1`), all others by id. */
export const instanceKeeper = (
  { machines, templates }: Ec2Setup,
  iam: Iam,
  names: ClusterNames,
  { clock, signal, say }: Circumstances,
): Keeper<'instance'> => {
  const ofCluster = async (): Promise<readonly Machine[]> =>
    machines.find({ [tagKeys.cluster]: names.cluster });
  const inSlot = (name: string, all: readonly Machine[]): readonly Machine[] =>
    all.filter(
      ({ tags }) => `${names.webName}-${tags[tagKeys.slot]}` === name && tags[tagKeys.role] === 'web',
    );

  const until = async (
    id: string,
    what: string,
    withinMs: number,
    isSo: (machine: Machine | undefined) => boolean,
  ) => {
    const deadline = clock.monotonicMs() + withinMs;
    for (;;) {
      const machine = await machines.get(id);
      if (isSo(machine)) return;
      if (signal.aborted)
        throw new ImgrecError(`interrupted while instance ${id} was ${machine?.state ?? 'unknown'}`);
      if (clock.monotonicMs() > deadline)
        throw new ImgrecError(
          `instance ${id} is ${machine?.state ?? 'gone'} and not ${what} after ${withinMs / 1_000} s`,
        );
      await clock.sleep(pollMs, signal);
    }
  };

  /**
   * The same token for the same slot after the same dead: a repeated call launches nothing twice, and one for an instance that
   * ended launches another.
   */
  const tokenFor = (resource: Resource<'instance'>, dead: readonly Machine[], turn: number): string =>
    createHash('sha256')
      .update(
        JSON.stringify([
          resource.tags[tagKeys.install],
          resource.name,
          dead.map(({ id }) => id).sort(),
          turn,
        ]),
      )
      .digest('hex');

  const launch = async (resource: Resource<'instance'>): Promise<string> => {
    const dead = inSlot(resource.name, await ofCluster()).filter(isDead);
    // EC2 remembers tokens longer than it lists the dead.
    for (let turn = 0; turn < 10; turn++) {
      const machine = await machines.launch({
        templateId: String(resource.made?.template),
        subnetId: resource.made?.subnetId,
        tags: resource.tags,
        clientToken: tokenFor(resource, dead, turn),
      });
      if (machine !== undefined) return machine.id;
    }
    throw new ImgrecError(`EC2 remembers ten ended instances for ${resource.name}`, {
      hint: 'try again in an hour',
    });
  };

  const isYoung = async (profile: string): Promise<boolean> => {
    const found = await iam.profile(profile);
    return found !== undefined && clock.wallMs() - found.createdMs < youngMs;
  };

  return {
    find: async (name) => {
      const machine = name.startsWith('i-')
        ? await machines.get(name)
        : inSlot(name, await ofCluster()).find((each) => !isDead(each));
      return machine === undefined || isDead(machine) ? undefined : foundOf(name, machine);
    },
    others: async () => (await ofCluster()).filter((each) => !isDead(each)).map(({ id }) => id),
    create: async (resource) => {
      let id: string;
      try {
        id = await launch(resource);
      } catch (error) {
        const profile = resource.made?.profile ?? '';
        if (!isUnknownParameter(error) || !(await isYoung(profile))) throw error;
        say(`instance profile ${profile} is new, and EC2 hears of it within some 10 s: waiting`);
        await clock.sleep(untilProfileIsKnown.limits.floorMs, signal);
        id = await retry(() => launch(resource), {
          ...untilProfileIsKnown,
          clock,
          signal,
          retryable: isUnknownParameter,
        });
      }
      // What comes next, an address, needs it running.
      await until(id, 'running', startWithinMs, (machine) => machine?.state === 'running');
      return id;
    },
    update: async ({ tags }, { id }, changes) => {
      if (changes.includes('tags')) await templates.tag(id, tags);
      if (!changes.includes('state')) return;
      await until(id, 'stopped', startWithinMs, (machine) => machine?.state === 'stopped');
      await machines.start(id);
      await until(id, 'running', startWithinMs, (machine) => machine?.state === 'running');
    },
    remove: async ({ id }) => {
      await machines.terminate(id);
      await until(
        id,
        'terminated',
        endWithinMs,
        (machine) => machine === undefined || machine.state === 'terminated',
      );
    },
  };
};
