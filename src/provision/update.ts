import type { Connection } from '../aws/connection.ts';
import type { Clock } from '../clock.ts';
import { exitCodes, ImgrecError } from '../errors.ts';
import { type RollingFleet, type RollOutReport, rollOut } from '../fleet/roll-out.ts';
import type { Role, RollingGoal } from '../fleet/rolling.ts';
import { inImage, type Surroundings } from './machines.ts';
import { endOutdatedRest, type RollingCloud, rollingFleet } from './rolling-fleet.ts';
import { nameOf } from './site.ts';
import type { Wish } from './wanted.ts';

/** What is to be packed and stored: all of it, unless instances have it without. */
export const softwareToStore = ({ instancesHaveProgram }: Connection): Surroundings['software'] => {
  const software = instancesHaveProgram === true ? inImage : undefined;
  return { web: software, worker: software };
};

/** The wish with the software of this imgrec in place of what the templates have. */
export const withNewSoftware = (connection: Connection, wish: Wish): Wish => {
  const { machines } = wish;
  if (machines === undefined) return wish;
  const surroundings = { ...machines.surroundings, software: softwareToStore(connection) };
  return { ...wish, machines: { ...machines, surroundings } };
};

export interface UpdateOptions {
  readonly maxWorkers: number;
  readonly bootSeconds: number;
  readonly graceSeconds: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface UpdateReport extends Pick<RollOutReport, 'launched' | 'left'> {
  /** Versions of the launch templates that the fleet now runs. */
  readonly release: Readonly<Record<Role, string>>;
  readonly seconds: number;
}

/** For the command to arrive and the machine to power off, beyond what the software gets. */
const leaveMarginSeconds = 30;

const roles: readonly Role[] = ['worker', 'web'];

/** What most of those run that do not run the wanted release: where a roll-back goes. */
const releaseBefore = (versions: readonly string[], wanted: string): string | undefined => {
  const counts = new Map<string, number>();
  for (const version of versions)
    if (version !== wanted && version !== '') counts.set(version, (counts.get(version) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
};

/**
 * Brings every instance of a cluster to the default version of its launch template, with nothing lost, or back to the version before
 * when a new one does not come up. Interrupted or killed, the next run goes on.
 * @throws ImgrecError (exit 4) after a roll-back, (exit 1) when that was not possible; CloudError
 */
export const updateFleet = async (cloud: RollingCloud, options: UpdateOptions): Promise<UpdateReport> => {
  const { releases, names } = cloud;
  const { clock, say } = options;
  const startedMs = clock.monotonicMs();
  const fleet: RollingFleet = rollingFleet(cloud);
  const wanted = async (role: Role): Promise<string> => {
    const template = nameOf(names, role);
    const version = await releases.defaultVersion(template);
    if (version !== undefined) return version;
    throw new ImgrecError(`there is no launch template ${template}`, {
      hint: 'run "imgrec provision" first',
    });
  };
  const release: Record<Role, string> = { worker: await wanted('worker'), web: await wanted('web') };
  const present = (await fleet.observe()).filter(({ life }) => life === 'alive');
  const versionsOf = (role: Role) => present.filter((each) => each.role === role).map((each) => each.release);
  const before = Object.fromEntries(
    roles.map((role) => [role, releaseBefore(versionsOf(role), release[role])]),
  ) as Readonly<Record<Role, string | undefined>>;

  const workers = versionsOf('worker').length;
  const goal: Omit<RollingGoal, 'launchedWorkers'> = {
    release,
    workers,
    maxWorkers: Math.max(options.maxWorkers, workers),
    webSlots: [...new Set(present.filter(({ role }) => role === 'web').map(({ slot }) => slot))].sort(),
    bootSeconds: options.bootSeconds,
    leaveSeconds: options.graceSeconds + leaveMarginSeconds,
  };
  const forward = await rollOut(fleet, goal, options);
  if (forward.outcome === 'done')
    return {
      release,
      launched: forward.launched,
      left: [...forward.left, ...(await endOutdatedRest(cloud, release.worker))],
      seconds: (clock.monotonicMs() - startedMs) / 1_000,
    };

  const trouble = `${forward.failed} did not come up: ${forward.why}`;
  if (roles.every((role) => before[role] === undefined))
    throw new ImgrecError(`${trouble}, and there is no release before it to go back to`);
  say(`${trouble}; going back`);
  // Before anything else, so that nobody launches more of it.
  for (const role of roles) {
    const version = before[role];
    if (version !== undefined) await releases.setDefaultVersion(nameOf(names, role), version);
  }
  const back = { worker: before.worker ?? release.worker, web: before.web ?? release.web };
  const backward = await rollOut(fleet, { ...goal, release: back }, options);
  throw new ImgrecError(
    backward.outcome === 'done'
      ? `${trouble}; the release before runs again`
      : `${trouble}, and going back failed: ${backward.why}`,
    {
      hint: `see fleet/${forward.failed}.json in the ops bucket`,
      exitCode: backward.outcome === 'done' ? exitCodes.unmet : exitCodes.failed,
    },
  );
};
