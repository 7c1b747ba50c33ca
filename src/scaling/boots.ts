import { isAlive, type Member } from '../fleet/members.ts';
import type { Memory } from './memory.ts';

/** Boots in a row that failed before it is said loudly: more of the same will hardly help. */
export const hopelessBoots = 3;

/** A boot that fails at once would be tried again at every run: each failure in a row doubles the pause. */
const leastPauseMs = 1_000;
const mostPauseMs = 60_000;

/**
 * What became of the instances that were launched and not ready at the last look: one that is ready shows that boots can succeed,
 * one that is gone without having been sent away has failed.
 */
export const noteBoots = (before: Memory, members: readonly Member[], nowMs: number): Memory => {
  const byId = new Map(members.map((member) => [member.instance.id, member]));
  const byToken = new Map(members.map((member) => [member.instance.clientToken, member]));
  const sentAway = new Set(before.leaving.map(({ id }) => id));
  const awaited = [
    ...before.booting.map((id) => byId.get(id)),
    ...before.intents.map(({ token }) => byToken.get(token)),
  ].filter((member) => member !== undefined && !sentAway.has(member.instance.id));
  const became = awaited.map((member) => member?.standing);
  const failures = became.filter((standing) => standing === 'gone' || standing === 'ended').length;
  const failedBoots = became.includes('ready') ? 0 : before.failedBoots + failures;
  const pauseMs = Math.min(mostPauseMs, leastPauseMs * 2 ** Math.min(failedBoots - 1, 20));
  return {
    ...before,
    failedBoots,
    launchAfterMs:
      failures > 0 && failedBoots > 0
        ? Math.max(before.launchAfterMs, nowMs + pauseMs)
        : before.launchAfterMs,
    booting: members.filter(({ standing }) => standing === 'booting').map(({ instance }) => instance.id),
    ready: members.filter(({ standing }) => standing === 'ready').map(({ instance }) => instance.id),
    rewarmed: before.rewarmed.filter((id) => {
      const member = byId.get(id);
      return member !== undefined && (isAlive(member) || member.standing === 'stopped');
    }),
  };
};

export interface LostWorker {
  readonly id: string;
  /** Whether it had ever worked. */
  readonly wasReady: boolean;
  /** In its own words, where it had any. */
  readonly reason?: string;
}

/** Workers that EC2 lists as gone although nobody here sent them away. */
export const lostWorkers = (before: Memory, members: readonly Member[]): LostWorker[] => {
  const sentAway = new Set(before.leaving.map(({ id }) => id));
  const gone = members.filter(({ instance, standing }) => standing === 'gone' && !sentAway.has(instance.id));
  const tokens = new Set(before.intents.map(({ token }) => token));
  return gone.flatMap(({ instance: { id, clientToken }, dated }) => {
    const wasReady = before.ready.includes(id);
    const reason = dated?.report.reason;
    const isOurs = wasReady || before.booting.includes(id) || tokens.has(clientToken);
    return isOurs ? [{ id, wasReady, ...(reason === undefined ? {} : { reason }) }] : [];
  });
};
