import { z } from 'zod';
import { choice, flag, integer, optional, seconds, setting } from '../setting.ts';

/** What `imgrec provision` makes, and how it goes about it. */
export const provisioningSettings = {
  retentionSeconds: setting({
    name: 'retention',
    type: seconds(86_400, 14 * 86_400),
    default: 7 * 86_400,
    placeholder: 'TIME',
    help: 'how long images, results and dead letters are kept',
  }),

  yes: setting({
    name: 'yes',
    type: flag,
    default: false,
    help: 'do it without asking',
  }),
  adopt: setting({
    name: 'adopt',
    type: flag,
    default: false,
    help: "take over resources that have this cluster's names but not its tags",
  }),
  deleteData: setting({
    name: 'delete-data',
    type: flag,
    default: false,
    help: 'delete images, results and whatever else is in the buckets, too',
  }),
  detailedExitcode: setting({
    name: 'detailed-exitcode',
    type: flag,
    default: false,
    help: 'exit 2 when there is something to change, 0 when there is nothing',
  }),
  format: setting({
    name: 'format',
    type: choice(['table', 'cloudformation']),
    default: 'table',
    placeholder: 'FORM',
    help: 'table, or cloudformation: the same as a template',
  }),
  untilHealthy: setting({
    name: 'until-healthy',
    type: flag,
    default: false,
    help: 'end only when the web tier answers',
  }),
  webInstances: setting({
    name: 'web-instances',
    type: integer(0, 5),
    default: 1,
    placeholder: 'N',
    help: 'web instances, each behind an address of its own; 0 where the web tier and the scaler run elsewhere',
  }),
  webInstanceType: setting({
    name: 'web-instance-type',
    type: z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)?$/, { error: 'must be an instance type' }),
    default: 't3.small',
    placeholder: 'TYPE',
    help: 'EC2 instance type of web instances',
  }),
  volumeGib: setting({
    name: 'volume',
    type: integer(8, 16_384),
    default: 8,
    placeholder: 'GIB',
    help: "size of an instance's encrypted disk",
  }),
  allowFrom: setting({
    name: 'allow-from',
    type: optional(z.union([z.cidrv4(), z.cidrv6()], { error: 'must be a network such as 203.0.113.0/24' })),
    default: undefined,
    placeholder: 'CIDR',
    help: 'network that may reach the web tier (default: your address at the first run, kept after that)',
  }),
  iam: setting({
    name: 'iam',
    type: choice(['create', 'existing']),
    default: 'create',
    placeholder: 'HOW',
    help: "create roles, or use existing instance profiles of the roles' names, made by the account's admins",
  }),
  rolePath: setting({
    name: 'role-path',
    type: z.string().regex(/^\/([\w.@-]+\/)*$/, { error: 'must start and end with "/"' }),
    default: '/imgrec/',
    placeholder: 'PATH',
    help: 'IAM path of roles and instance profiles',
  }),
  permissionsBoundary: setting({
    name: 'permissions-boundary',
    type: optional(
      z
        .string()
        .regex(/^arn:aws[\w-]*:iam::(\d{12}|aws):policy\/.+$/, { error: 'must be the ARN of a policy' }),
    ),
    default: undefined,
    placeholder: 'ARN',
    help: 'policy that no role of this cluster may go beyond',
  }),

  bootTimeoutSeconds: setting({
    name: 'boot-timeout',
    type: seconds(1, 7_200),
    default: 300,
    placeholder: 'TIME',
    help: 'time a new instance may take until its software is ready, before an update goes back',
  }),
  keepImages: setting({
    name: 'keep-images',
    type: integer(1, 100),
    default: 3,
    placeholder: 'N',
    help: 'machine images to keep, the new one included; older ones are removed with their snapshots',
  }),
} as const;
