import { type Ec2, isPoolProblem } from '../aws/ec2.ts';
import { CloudError } from '../aws/errors.ts';
import { messageOf } from '../errors.ts';
import { poolKey } from '../fleet/pools.ts';
import type { Log } from '../log.ts';
import type { Act } from './changes.ts';
import type { Held } from './lease.ts';

/** What came of an act, where the next run must know. A launch without outcome may have happened: its intent stays. */
export type Outcome =
  | { readonly kind: 'launched'; readonly token: string; readonly id: string }
  /** EC2 has none of this kind now. */
  | { readonly kind: 'pool-refused'; readonly token: string }
  /** The call was never made, since its pool had just refused. */
  | { readonly kind: 'unsent'; readonly token: string }
  /** Refused for what is wrong with the call itself. */
  | { readonly kind: 'rejected'; readonly token: string; readonly message: string }
  /** EC2 asked to be spared. */
  | { readonly kind: 'throttled' }
  /** Asked to drain. */
  | { readonly kind: 'told'; readonly id: string };

export interface Hands {
  readonly ec2: Pick<Ec2, 'launch' | 'start' | 'stop' | 'terminate'>;
  /** Asks the worker of an instance that is to be terminated to drain. */
  readonly drain: (id: string, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
}

/** Launch calls under way at once: EC2's bucket for them holds 1,000 and gains two a second. */
const launchers = 4;

const isAnswered = (error: unknown): error is CloudError =>
  error instanceof CloudError && error.status !== undefined;

type Launch = Extract<Act, { readonly kind: 'launch' }>;

const launchAll = async (
  launches: readonly Launch[],
  { ec2, log }: Hands,
  held: Held,
): Promise<Outcome[]> => {
  const outcomes: Outcome[] = [];
  const refused = new Set<string>();
  const queue = [...launches];
  let spared = false;

  const launch = async ({ intent: { token, pool, request } }: Launch): Promise<Outcome | undefined> => {
    try {
      const { id } = await ec2.launch(request, held.signal);
      return { kind: 'launched', token, id };
    } catch (error) {
      if (isPoolProblem(error)) {
        log.warn({ pool, error: messageOf(error) }, 'a launch was refused; the next pool will be tried');
        refused.add(poolKey(pool));
        return { kind: 'pool-refused', token };
      }
      log.warn({ error: messageOf(error) }, 'a launch failed');
      if (!isAnswered(error)) return undefined;
      if (!error.transient) return { kind: 'rejected', token, message: error.message };
      // Several calls that were under way are one warning.
      const first = !spared;
      spared = true;
      return first ? { kind: 'throttled' } : undefined;
    }
  };

  const launcher = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (!held.mayAct() || spared) return;
      const { fresh, intent } = next;
      const outcome: Outcome | undefined =
        fresh && refused.has(poolKey(intent.pool))
          ? { kind: 'unsent', token: intent.token }
          : await launch(next);
      if (outcome !== undefined) outcomes.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: launchers }, launcher));
  return outcomes;
};

/** An instance that EC2 has no room for could be started in vain for days, and none is launched as long as it is there. */
const startOrEnd = async (id: string, { ec2, log }: Hands, { mayAct, signal }: Held): Promise<void> => {
  try {
    await ec2.start(id, signal);
  } catch (error) {
    const isFull = error instanceof CloudError && error.code === 'InsufficientInstanceCapacity';
    if (!isFull || !mayAct()) throw error;
    log.warn(
      { id, error: error.message },
      'EC2 has no room for a stopped instance: it is ended, to launch another',
    );
    await ec2.terminate(id, signal);
  }
};

/**
 * Does what was planned, as long as the lease holds. What fails is logged and will be planned again.
 * Never throws: a call that fails must not keep the others from being made.
 */
export const carryOut = async (acts: readonly Act[], hands: Hands, held: Held): Promise<Outcome[]> => {
  const { ec2, log } = hands;
  const outcomes: Outcome[] = [];
  const attempt = async (what: string, id: string, call: () => Promise<void>): Promise<boolean> => {
    if (!held.mayAct()) return false;
    try {
      await call();
      return true;
    } catch (error) {
      log.warn({ id, error: messageOf(error) }, `${what} failed; it will be tried again`);
      return false;
    }
  };

  for (const act of acts) {
    switch (act.kind) {
      case 'terminate':
      case 'stop':
        log.info(
          { id: act.id, why: act.why },
          act.kind === 'stop' ? 'stopping an instance' : 'ending an instance',
        );
        await attempt(act.kind, act.id, () => ec2[act.kind](act.id, held.signal));
        break;
      case 'start':
        await attempt('start', act.id, () => startOrEnd(act.id, hands, held));
        break;
      case 'drain':
        // Stopping shuts the machine down, which is a SIGTERM to its worker: no other way leaves an instance that can be started again.
        if (
          await attempt('drain', act.id, () =>
            act.into === 'stop' ? ec2.stop(act.id, held.signal) : hands.drain(act.id, held.signal),
          )
        )
          outcomes.push({ kind: 'told', id: act.id });
        break;
      case 'launch':
        break;
    }
  }
  const launches = acts.filter((act) => act.kind === 'launch');
  return [...outcomes, ...(await launchAll(launches, hands, held))];
};
