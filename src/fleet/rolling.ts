/** What an instance of a cluster is for. */
export type Role = 'worker' | 'web';

/** An instance as a roll-out sees it; those that have ended are not among them. */
export interface RollingMember {
  readonly id: string;
  readonly role: Role;
  /** Of a web instance: the place that it and its address have. */
  readonly slot: string;
  /** The launch template's version that it was launched from. */
  readonly release: string;
  /** `failed`: its software has ended, or says why it cannot start. `leaving`: it was told to finish. */
  readonly standing: 'booting' | 'ready' | 'leaving' | 'failed';
  /** Whether a fixed address leads to it. */
  readonly hasAddress: boolean;
  /** How long it has been booting or leaving. */
  readonly forSeconds: number;
}

/** Where a roll-out is going. */
export interface RollingGoal {
  readonly release: Readonly<Record<Role, string>>;
  /** Workers to keep: as many as there were when it began. */
  readonly workers: number;
  /** Never more than these, those that are leaving included: they cost money too. */
  readonly maxWorkers: number;
  readonly webSlots: readonly string[];
  /** Workers that this roll-out has launched. It never launches more than `workers`: the rest is the scaler's. */
  readonly launchedWorkers: number;
  /** An instance that boots for longer has failed. */
  readonly bootSeconds: number;
  /** One that was told to leave is ended after this long, whatever it does. */
  readonly leaveSeconds: number;
}

export type RollingStep = (
  | { readonly do: 'launch'; readonly role: Role; readonly slot: string }
  | { readonly do: 'drain'; readonly id: string }
  | { readonly do: 'end'; readonly id: string }
  | { readonly do: 'move-address'; readonly slot: string; readonly from: string; readonly to: string }
  | { readonly do: 'wait' }
  | { readonly do: 'give-up'; readonly id: string }
  | { readonly do: 'done' }
) & { readonly why: string };

/** Launched side by side once one of them has shown that it comes up; the first always goes alone. */
const batchOf = (workers: number): number => Math.max(1, Math.ceil(workers / 4));

const isStaying = ({ standing }: RollingMember): boolean => standing !== 'leaving' && standing !== 'failed';

/** Those that are of no use first: what has failed, what still boots. */
const byUse = (a: RollingMember, b: RollingMember): number => {
  const order = { failed: 0, booting: 1, ready: 2, leaving: 3 } as const;
  return order[a.standing] - order[b.standing] || (a.id < b.id ? -1 : 1);
};

const workerStep = (workers: readonly RollingMember[], goal: RollingGoal): RollingStep | undefined => {
  const isCurrent = ({ release }: RollingMember) => release === goal.release.worker;
  const current = workers.filter((member) => isCurrent(member) && isStaying(member));
  const old = workers.filter((member) => !isCurrent(member) && member.standing !== 'leaving').sort(byUse);
  const ready = current.filter(({ standing }) => standing === 'ready').length;
  const booting = current.length - ready;
  const leaving = workers.filter(({ standing }) => standing === 'leaving').length;
  const [next] = old;

  if (next?.standing === 'failed') return { do: 'end', id: next.id, why: 'its software has ended already' };
  const canReplace = ready + old.length > goal.workers;
  if (next !== undefined && canReplace)
    return {
      // One that boots has nothing to finish, and may never hear that it should.
      do: next.standing === 'ready' ? 'drain' : 'end',
      id: next.id,
      why: `${ready} new workers are ready, ${old.length} old are left`,
    };
  const isWanted = current.length < goal.workers && goal.launchedWorkers < goal.workers;
  const isTried = ready > 0;
  if (isWanted && workers.length < goal.maxWorkers && booting < (isTried ? batchOf(goal.workers) : 1))
    return {
      do: 'launch',
      role: 'worker',
      slot: '',
      why: isTried
        ? `${current.length} of ${goal.workers} workers are new`
        : 'the first shows whether it comes up',
    };
  if (isWanted && next !== undefined && booting === 0 && leaving === 0)
    return {
      do: 'drain',
      id: next.id,
      why: `there are ${goal.maxWorkers} workers, which is the most: one makes room`,
    };
  if (booting > 0) return { do: 'wait', why: `${booting} new workers are booting` };
  if (leaving > 0) return { do: 'wait', why: `${leaving} workers finish what they have begun` };
  if (next !== undefined)
    return { do: 'drain', id: next.id, why: 'it is of the old release, and no more are launched' };
  return undefined;
};

const webStep = (web: readonly RollingMember[], goal: RollingGoal): RollingStep | undefined => {
  for (const slot of goal.webSlots) {
    const here = web.filter((member) => member.slot === slot);
    const isCurrent = ({ release }: RollingMember) => release === goal.release.web;
    const current = here.find((member) => isCurrent(member) && isStaying(member));
    const others = here.filter((member) => member !== current);
    const [next] = others.filter(({ standing }) => standing !== 'leaving').sort(byUse);
    const where = `web instance ${slot}`;
    if (current === undefined)
      return { do: 'launch', role: 'web', slot, why: `${where} is of the old release` };
    if (current.standing === 'booting') return { do: 'wait', why: `${where} is booting` };
    const holder = others.find(({ hasAddress }) => hasAddress);
    if (holder !== undefined)
      return { do: 'move-address', slot, from: holder.id, to: current.id, why: `${where} is ready` };
    if (next !== undefined) return { do: 'end', id: next.id, why: `${where} has taken its place` };
    if (others.length > 0) return { do: 'wait', why: `the old ${where} answers what it has taken` };
  }
  return undefined;
};

/**
 * What a roll-out does next: workers before web, since old workers hand back messages of a newer version; new ones before old ones
 * leave; the first new one alone. A roll-back is a roll-out of the release before. Pure, and without memory: whoever was killed goes on.
 */
export const nextStep = (fleet: readonly RollingMember[], goal: RollingGoal): RollingStep => {
  const failed = fleet.find(
    ({ release, role, standing, forSeconds }) =>
      release === goal.release[role] &&
      (standing === 'failed' || (standing === 'booting' && forSeconds > goal.bootSeconds)),
  );
  if (failed !== undefined) {
    const why =
      failed.standing === 'failed' ? 'its software ended' : `it is not ready after ${goal.bootSeconds} s`;
    return { do: 'give-up', id: failed.id, why };
  }
  const overdue = fleet.find(
    ({ standing, forSeconds }) => standing === 'leaving' && forSeconds > goal.leaveSeconds,
  );
  if (overdue !== undefined)
    return {
      do: 'end',
      id: overdue.id,
      why: `it is still there ${goal.leaveSeconds} s after it was told to leave`,
    };
  const of = (role: Role) => fleet.filter((member) => member.role === role);
  return (
    workerStep(of('worker'), goal) ??
    webStep(of('web'), goal) ?? { do: 'done', why: 'every instance is of the wanted release' }
  );
};
