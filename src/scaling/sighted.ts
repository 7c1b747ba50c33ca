import type { LaunchIntent } from '../fleet/intents.ts';
import type { Member } from '../fleet/members.ts';
import type { Counter } from './flow.ts';
import type { ObservedInstance } from './observation.ts';
import type { Sight } from './observe.ts';

/** An instance as the policy sees it; none for those that it does not count. */
export const observedInstance = (
  member: Member,
  rewarmed: readonly string[],
  nowMs: number,
): ObservedInstance[] => {
  const { instance, standing, dated } = member;
  if (standing !== 'booting' && standing !== 'ready' && standing !== 'interrupted') return [];
  const { id, instanceType: type, launchedAtMs } = instance;
  const seen = {
    id,
    type,
    launchedAtSeconds: launchedAtMs / 1_000,
    ...(rewarmed.includes(id) ? { warm: true } : {}),
    ...(standing === 'interrupted' ? { interruptAtSeconds: nowMs / 1_000 } : {}),
  };
  if (standing === 'ready' && dated === undefined) return [{ ...seen, state: 'ready' }];
  if (dated === undefined || standing === 'booting')
    return [{ ...seen, state: instance.state === 'running' ? 'running' : 'pending' }];
  const { readyForSeconds, imagesDone, busySeconds, classifiers } = dated.report;
  return [
    {
      ...seen,
      state: 'ready',
      // S3's dates are cut to their second, so that this was half a second later on average: as is a launch, where EC2 cuts those.
      readyAtSeconds: Math.max(
        dated.atMs / 1_000 + (launchedAtMs % 1_000 === 0 ? 0 : 0.5) - readyForSeconds,
        launchedAtMs / 1_000,
      ),
      imagesDone,
      busySeconds,
      ...(classifiers === undefined ? {} : { classifiers }),
    },
  ];
};

/** A launch that is not listed yet counts as an instance that boots, so that nobody launches another in its place. */
export const expectedInstance = ({ token, pool, atMs, instanceId }: LaunchIntent): ObservedInstance => ({
  id: instanceId ?? `launch-${token}`,
  type: pool.instanceType,
  state: 'pending',
  launchedAtSeconds: atMs / 1_000,
});

export const doneCounters = (members: readonly Member[]): Counter[] =>
  members.flatMap(({ instance, standing, dated }) =>
    dated === undefined
      ? []
      : [
          {
            name: instance.id,
            total: dated.report.imagesDone,
            atMs: dated.atMs,
            forSeconds: dated.report.readyForSeconds,
            final: standing !== 'ready' && standing !== 'booting',
          },
        ],
  );

export const acceptedCounters = ({ webs }: Sight): Counter[] =>
  webs.map(({ report, atMs }) => ({ name: report.webId, total: report.acceptedTotal, atMs }));

/** The oldest message that any worker has met lately had waited for this long. */
export const oldestWait = (members: readonly Member[]): number | undefined => {
  const waits = members.flatMap(({ standing, dated }) =>
    standing === 'ready' && dated?.report.oldestWaitSeconds !== undefined
      ? [dated.report.oldestWaitSeconds]
      : [],
  );
  return waits.length === 0 ? undefined : Math.max(...waits);
};
