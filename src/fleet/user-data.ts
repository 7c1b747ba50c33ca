import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { settings } from '../config/settings.ts';
import { assetPath } from '../package.ts';

/** What an instance is for, as the second line of its user data says to machines. */
export const assignment = z.object({
  v: z.literal(1),
  /** `image`: install the software, try it, and start nothing, so that an image can be made of the machine. */
  role: z.enum(['worker', 'web', 'image']),
  cluster: settings.cluster.type,
  /** SHA-256 of the software's archive; absent where the machine's image has the software in it. */
  artifact: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
export type Assignment = z.infer<typeof assignment>;

/** What the boot script is made of: `assets/userdata/boot.sh`, which shellcheck reads as it is. */
export const readBootScript = (): string => readFileSync(assetPath('userdata', 'boot.sh'), 'utf8');

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html: 16 KB before base64. */
const maxBytes = 16_384;

/** Beyond the grace that a part gives itself, before systemd kills it. */
const stopMarginSeconds = 5;

/**
 * The user data of an instance: one shell script for every role. Its second line is all that the local cloud reads; everything
 * else of the cluster comes from its settings parameter. There is no secret in it, since whoever is on the machine can read it.
 * @throws ZodError when a value is not of a form that is safe in a shell script; Error when the script is too long
 */
export const renderUserData = (
  script: string,
  given: Assignment,
  limits: { readonly graceSeconds: number },
): string => {
  const { v, role, cluster, artifact } = assignment.parse(given);
  const graceSeconds = z.number().min(0).max(3_600).parse(limits.graceSeconds);
  const values: Readonly<Record<string, string>> = {
    ASSIGNMENT: JSON.stringify({ v, role, cluster, artifact }),
    ROLE: role,
    CLUSTER: cluster,
    ARTIFACT: artifact ?? '',
    STOP_SECONDS: String(Math.ceil(graceSeconds) + stopMarginSeconds),
  };
  const rendered = script.replace(/@([A-Z_]+)@/g, (placeholder, name: string) => values[name] ?? placeholder);
  const bytes = Buffer.byteLength(rendered);
  if (bytes > maxBytes) throw new Error(`user data of ${bytes} bytes; EC2 takes ${maxBytes}`);
  return rendered;
};

/** The parts that an instance of each role runs, each a unit of its own. */
export const partsOf = { worker: ['worker'], web: ['serve', 'scale'], image: ['image'] } as const;
export type Part = (typeof partsOf)[keyof typeof partsOf][number];

/** The systemd unit of a part, as `assets/userdata/imgrec@.service` makes it. */
export const unitOf = (part: Part): string => `imgrec@${part}.service`;

/**
 * What a drain document runs on a worker: SIGTERM to its unit, whose end powers the machine off. It does not wait, because the
 * agent that would report the end ends with the machine.
 */
export const drainCommand = `systemctl --no-block stop ${unitOf('worker')}`;
