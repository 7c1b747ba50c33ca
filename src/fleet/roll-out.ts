import { CloudError } from '../aws/errors.ts';
import type { Clock } from '../clock.ts';
import { ImgrecError } from '../errors.ts';
import { nextStep, type Role, type RollingGoal, type RollingMember, type RollingStep } from './rolling.ts';

/** An instance as EC2 and its own report have it. */
export interface ObservedMember
  extends Pick<RollingMember, 'id' | 'role' | 'slot' | 'release' | 'hasAddress'> {
  /** Of EC2, which lists the dead for an hour. */
  readonly life: 'alive' | 'ending' | 'gone';
  /** Of its software, as it says itself. */
  readonly says: 'nothing' | 'ready' | 'draining' | 'stopped';
}

/** What a roll-out needs of the cloud. All throw CloudError. */
export interface RollingFleet {
  observe(): Promise<readonly ObservedMember[]>;
  /** Launches one from the wanted release. @returns its id */
  launch(role: Role, slot: string, release: string): Promise<string>;
  /** Tells a worker to finish and end itself. */
  drain(id: string): Promise<void>;
  /** Ends a machine; its software gets the time that its unit has. */
  end(id: string): Promise<void>;
  moveAddress(slot: string, to: string): Promise<void>;
}

export interface RollOutOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface RollOutReport {
  readonly outcome: 'done' | 'given-up';
  /** Of the step that ended it. */
  readonly why: string;
  /** Of the instance that did not come up. */
  readonly failed: string | undefined;
  readonly launched: readonly string[];
  readonly left: readonly string[];
}

const pollMs = 1_000;

/** What this roll-out did, which EC2's list and the instances' reports show only later. */
interface Memory {
  readonly launched: Map<
    string,
    { readonly role: Role; readonly slot: string; readonly release: string; readonly atMs: number }
  >;
  readonly seen: Set<string>;
  readonly toldAtMs: Map<string, number>;
  readonly firstSeenMs: Map<string, number>;
}

const standingOf = (
  { id, life, says }: ObservedMember,
  { toldAtMs, launched }: Memory,
): RollingMember['standing'] => {
  if (life !== 'alive') return launched.has(id) && !toldAtMs.has(id) ? 'failed' : 'leaving';
  if (toldAtMs.has(id) || says === 'draining') return 'leaving';
  if (says === 'stopped') return 'failed';
  return says === 'ready' ? 'ready' : 'booting';
};

/** The fleet, with what was launched and is not listed yet, and without what was listed once and is no more. */
const membersOf = (observed: readonly ObservedMember[], memory: Memory, nowMs: number): RollingMember[] => {
  const { launched, seen, toldAtMs, firstSeenMs } = memory;
  for (const { id } of observed) {
    seen.add(id);
    if (!firstSeenMs.has(id)) firstSeenMs.set(id, nowMs);
  }
  const secondsSince = (sinceMs: number) => (nowMs - sinceMs) / 1_000;
  const wasAsked = ({ id }: ObservedMember) => toldAtMs.has(id) || !launched.has(id);
  const present = observed.filter((member) => member.life !== 'gone' || !wasAsked(member));
  const listed = present.map((member): RollingMember => {
    const { id, role, slot, release, hasAddress } = member;
    const standing = standingOf(member, memory);
    const sinceMs =
      (standing === 'leaving' ? toldAtMs.get(id) : launched.get(id)?.atMs) ?? firstSeenMs.get(id);
    return { id, role, slot, release, hasAddress, standing, forSeconds: secondsSince(sinceMs ?? nowMs) };
  });
  const ids = new Set(observed.map(({ id }) => id));
  const unlisted = [...launched].flatMap(([id, { role, slot, release, atMs }]): RollingMember[] => {
    if (ids.has(id) || toldAtMs.has(id)) return [];
    // EC2's list lags behind a launch; one that it has listed and lists no more has ended by itself.
    const standing = seen.has(id) ? 'failed' : 'booting';
    return [{ id, role, slot, release, hasAddress: false, standing, forSeconds: secondsSince(atMs) }];
  });
  return [...listed, ...unlisted];
};

/**
 * Replaces a fleet, one step after the other, until every instance is of the wanted release or one of it did not come up. Killed at
 * any point, the next run goes on from what there is.
 * @throws ImgrecError when `signal` aborts; CloudError when a call fails for good
 */
export const rollOut = async (
  fleet: RollingFleet,
  wanted: Omit<RollingGoal, 'launchedWorkers'>,
  { clock, signal, say }: RollOutOptions,
): Promise<RollOutReport> => {
  const memory: Memory = {
    launched: new Map(),
    seen: new Set(),
    toldAtMs: new Map(),
    firstSeenMs: new Map(),
  };
  const left: string[] = [];
  let said = '';
  const tell = (line: string) => {
    if (line !== said) say(line);
    said = line;
  };

  const leave = async (id: string, how: () => Promise<void>): Promise<void> => {
    await how();
    memory.toldAtMs.set(id, clock.monotonicMs());
    if (!left.includes(id)) left.push(id);
  };

  const carryOut = async (step: RollingStep): Promise<void> => {
    switch (step.do) {
      case 'launch': {
        const { role, slot } = step;
        const release = wanted.release[role];
        const id = await fleet.launch(role, slot, release);
        memory.launched.set(id, { role, slot, release, atMs: clock.monotonicMs() });
        return tell(`launched ${role} ${id}: ${step.why}`);
      }
      case 'drain':
        tell(`worker ${step.id} leaves: ${step.why}`);
        return leave(step.id, async () => {
          try {
            await fleet.drain(step.id);
          } catch (error) {
            // Nobody there to be told: what it held is delivered again.
            if (!(error instanceof CloudError) || error.transient) throw error;
            await fleet.end(step.id);
          }
        });
      case 'end':
        tell(`ending ${step.id}: ${step.why}`);
        return leave(step.id, () => fleet.end(step.id));
      case 'move-address':
        tell(`the address of web instance ${step.slot} moves from ${step.from} to ${step.to}: ${step.why}`);
        return fleet.moveAddress(step.slot, step.to);
      case 'wait':
        tell(step.why);
        return clock.sleep(pollMs, signal);
      case 'give-up':
      case 'done':
        return;
    }
  };

  for (;;) {
    if (signal.aborted)
      throw new ImgrecError('the update was interrupted', {
        hint: 'nothing is lost: run "imgrec provision update" again to go on',
      });
    const members = membersOf(await fleet.observe(), memory, clock.monotonicMs());
    const launchedWorkers = [...memory.launched.values()].filter(({ role }) => role === 'worker').length;
    const step = nextStep(members, { ...wanted, launchedWorkers });
    await carryOut(step);
    if (step.do !== 'done' && step.do !== 'give-up') continue;
    return {
      outcome: step.do === 'done' ? 'done' : 'given-up',
      why: step.why,
      failed: step.do === 'give-up' ? step.id : undefined,
      launched: [...memory.launched.keys()],
      left,
    };
  }
};
