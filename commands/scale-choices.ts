import type { scaleSettings } from '../src/config/groups.ts';
import type { Settings } from '../src/config/settings.ts';
import { usageError } from '../src/errors.ts';
import { choosePolicies } from '../src/scaling/chosen.ts';
import type { ScaleChoices } from '../src/scaling/open.ts';

/** Beyond the workers' own grace: SSM's way to the instance, and the last report. */
const drainMarginSeconds = 15;

/** @throws ImgrecError (exit 64) for choices that contradict each other */
export const scaleChoicesOf = (settings: Pick<Settings, (typeof scaleSettings)[number]>): ScaleChoices => {
  const { minWorkers: min, maxWorkers: max } = settings;
  if (min > max)
    throw usageError(`--min-workers ${min} is more than --max-workers ${max}`, 'raise --max-workers');
  if (settings.scaleIn === 'stop' && settings.spot)
    throw usageError(
      '--scale-in stop cannot be had with --spot',
      'spot instances cannot be stopped: leave one out',
    );
  const [chosen, ...others] = choosePolicies(settings.policy);
  if (chosen === undefined || others.length > 0)
    throw usageError(
      `--policy ${settings.policy} are several`,
      'a fleet has one; "imgrec scale simulate" compares them',
    );
  return {
    policy: {
      policy: chosen.policy,
      ...(chosen.parameter === undefined ? {} : { parameter: chosen.parameter }),
      min,
      max,
      schedules: settings.schedule,
      intervalSeconds: settings.everySeconds,
      ...(settings.targetWaitSeconds === undefined ? {} : { targetWaitSeconds: settings.targetWaitSeconds }),
      priorRatePerSecond: settings.serviceRate,
      priorBootSeconds: settings.bootSeconds,
      minUptimeSeconds: settings.minUptimeSeconds,
    },
    pools: { instanceTypes: settings.instanceTypes, subnetIds: settings.subnets, spot: settings.spot },
    warm: settings.scaleIn === 'stop' ? settings.warm : 0,
    drainSeconds: settings.graceSeconds + drainMarginSeconds,
    hoursPerDay: settings.hoursPerDay,
  };
};
