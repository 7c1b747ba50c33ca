import { z } from 'zod';
import { choice, flag, integer, names, optional, positive, schedules, seconds, setting } from '../setting.ts';

/** How many workers there are, and of what kind. */
export const scalingSettings = {
  minWorkers: setting({
    name: 'min-workers',
    type: integer(0, 10_000),
    default: 1,
    placeholder: 'N',
    help: 'least workers, also when there is nothing to do',
  }),
  maxWorkers: setting({
    name: 'max-workers',
    type: integer(0, 10_000),
    default: 19,
    placeholder: 'N',
    help: 'most workers, whatever waits: the hard limit of what is spent',
  }),
  hoursPerDay: setting({
    name: 'hours-per-day',
    type: optional(integer(1, 240_000)),
    default: undefined,
    placeholder: 'HOURS',
    help: 'instance-hours a day (UTC) after which there are no more workers than --min-workers',
  }),
  policy: setting({
    name: 'policy',
    type: z.string().regex(/^[a-z-]+(:\d+)?(\s*,\s*[a-z-]+(:\d+)?)*$/, {
      error: 'must be a policy such as balanced, or for a simulation several between commas, or all',
    }),
    default: 'balanced',
    placeholder: 'NAME',
    help: 'economy, balanced or latency; for comparison seed, target-tracking, keda[:N], kpa or fixed[:N]',
  }),
  targetWaitSeconds: setting({
    name: 'target-wait',
    type: optional(seconds(0, 86_400)),
    default: undefined,
    placeholder: 'TIME',
    help: 'how long an image may wait for a worker, instead of the dials of economy, balanced and latency',
  }),
  schedule: setting({
    name: 'schedule',
    type: schedules,
    default: [],
    placeholder: 'CRON=N',
    help: 'least workers from a minute on, such as "0 8 * * 1-5 = 3; 0 18 * * * = 0"',
  }),
  everySeconds: setting({
    name: 'every',
    type: seconds(0.2, 3_600),
    default: 10,
    placeholder: 'TIME',
    help: 'time between two decisions',
  }),
  forSeconds: setting({
    name: 'for',
    type: optional(seconds(1, 86_400)),
    default: undefined,
    placeholder: 'TIME',
    help: 'end after this time, as a shift of cron does',
  }),
  once: setting({ name: 'once', type: flag, default: false, help: 'take one decision, then end' }),
  dryRun: setting({
    name: 'dry-run',
    type: flag,
    default: false,
    help: 'say what would be done, and do nothing',
  }),
  scaleIn: setting({
    name: 'scale-in',
    type: choice(['terminate', 'stop']),
    default: 'terminate',
    placeholder: 'HOW',
    help: 'what becomes of a worker that is not needed: terminate, or stop (a warm pool; not with --spot)',
  }),
  warm: setting({
    name: 'warm',
    type: integer(0, 10_000),
    default: 1,
    placeholder: 'N',
    help: 'with --scale-in stop: stopped instances to keep, started before any is launched',
  }),
  instanceTypes: setting({
    name: 'instance-types',
    type: names(/^[a-z0-9-]+(\.[a-z0-9-]+)?$/, 'instance types', 1),
    default: ['c7a.medium', 'm7a.medium', 'c7i-flex.large'],
    placeholder: 'TYPES',
    help: 'EC2 instance types of workers, most wanted first: the next is tried where one is not to be had',
  }),
  subnets: setting({
    name: 'subnets',
    type: names(/^subnet-[0-9a-f]+$/, 'subnet ids'),
    default: [],
    placeholder: 'IDS',
    help: "subnets of workers, in turn (default: the launch template's)",
  }),
  spot: setting({
    name: 'spot',
    type: flag,
    default: false,
    help: 'launch spot instances, and on-demand ones where there is no spot capacity',
  }),
  serviceRate: setting({
    name: 'service-rate',
    type: positive,
    default: 10,
    placeholder: 'RATE',
    help: 'images a second that a worker does, until that has been measured',
  }),
  bootSeconds: setting({
    name: 'boot-time',
    type: seconds(0.1, 3_600),
    default: 60,
    placeholder: 'TIME',
    help: 'time from launch to the first image, until that has been measured',
  }),
} as const;
