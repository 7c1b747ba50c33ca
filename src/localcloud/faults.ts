import { z } from 'zod';
import { ImgrecError } from '../errors.ts';

/**
 * The faults that the local cloud, or a proxy before another endpoint, can be told to have. Everything here is pure: which
 * request is hit is a function of the plan, its seed and how many requests of each rule came before.
 */

const probability = z.number().min(0).max(1).default(1);
const seconds = z.number().min(0).max(1_000_000);
const milliseconds = z.number().min(0).max(600_000);

const common = {
  /** `sqs:SendMessage`, `s3:*` or `*`. */
  operation: z.string().regex(/^(\*|(sqs|s3|ec2|ssm|sts|iam):(\*|[A-Za-z0-9]+))$/, {
    error: 'must be "*", "<service>:*" or "<service>:<Operation>", as in "sqs:SendMessage"',
  }),
  probability,
  /** Since the plan was set. */
  fromSeconds: seconds.default(0),
  forSeconds: seconds.optional(),
  /** Injections after which the rule is over. */
  limit: z.number().int().min(1).optional(),
};

/** Instances of one of these types, in one of these subnets, of this market; any where it is absent. */
const pool = {
  instanceTypes: z.array(z.string()).min(1).optional(),
  subnets: z.array(z.string()).min(1).optional(),
  market: z.enum(['on-demand', 'spot']).optional(),
};

const plain = <const Name extends string>(fault: Name) =>
  z.strictObject({ ...common, fault: z.literal(fault) });

const rule = z.discriminatedUnion('fault', [
  /** Later by `ms`, and by up to `jitterMs` more. Comes on top of another fault. */
  z.strictObject({
    ...common,
    fault: z.literal('latency'),
    ms: milliseconds.default(0),
    jitterMs: milliseconds.default(0),
  }),
  /** The connection is closed before anything happens. */
  plain('down'),
  /** Taken, and never answered. */
  plain('black-hole'),
  /** The connection is reset (TCP RST) before anything happens. */
  plain('reset'),
  /** Answered without a length; the connection, whose end is the answer's, closes `ms` later. */
  z.strictObject({ ...common, fault: z.literal('slow-close'), ms: milliseconds.default(1_000) }),
  /** A part of the answer's body, and then the end of the connection. */
  plain('truncate'),
  /** 500. */
  plain('internal-error'),
  /** 503 SlowDown, ServiceUnavailable elsewhere. */
  plain('slow-down'),
  /** RequestThrottled, or what the service calls it. */
  plain('throttle'),
  /** 403 RequestTimeTooSkewed. */
  plain('skewed'),
  /** 409 ConditionalRequestConflict of a put. */
  plain('conflict'),
  /** The body of the answer with one bit changed. */
  plain('corrupt'),
  /** ETag and checksum headers, or the MD5s of an SQS answer, that do not fit. */
  plain('wrong-checksum'),
  /** Done, and the connection closed instead of answering. */
  plain('drop-response'),
  /** A deletion is answered as done and is not: the message comes again when its visibility ends, up to `copies` times more. */
  z.strictObject({
    ...common,
    fault: z.literal('duplicate'),
    copies: z.number().int().min(1).max(100).default(1),
  }),
  /** The answer that the same request got before, if that is at most `ms` ago. */
  z.strictObject({ ...common, fault: z.literal('stale'), ms: milliseconds.default(60_000) }),
  /** Instances as they were `ms` ago; those that are younger are not there yet. */
  z.strictObject({ ...common, fault: z.literal('lag'), ms: milliseconds.default(30_000) }),
  /** InsufficientInstanceCapacity. */
  z.strictObject({ ...common, ...pool, fault: z.literal('no-capacity') }),
  /** The instance runs, and its program starts `ms`, and up to `jitterMs` more, later. */
  z.strictObject({
    ...common,
    ...pool,
    fault: z.literal('boot-delay'),
    ms: milliseconds.default(40_000),
    jitterMs: milliseconds.default(0),
  }),
  /** The instance runs, and its program never starts. */
  z.strictObject({ ...common, ...pool, fault: z.literal('boot-hang') }),
  /** A Spot instance gets notice `afterMs` after its launch, and is terminated `noticeMs` later. */
  z.strictObject({
    ...common,
    ...pool,
    fault: z.literal('spot-interruption'),
    afterMs: milliseconds.default(60_000),
    noticeMs: milliseconds.default(120_000),
  }),
]);

export type FaultRule = z.output<typeof rule>;
export type FaultName = FaultRule['fault'];

const launching = ['ec2:RunInstances', 'ec2:StartInstances'];

/** The operations that a fault is about; all where it has no entry. */
const onlyFor: Partial<Record<FaultName, readonly string[]>> = {
  conflict: ['s3:PutObject', 's3:CopyObject'],
  duplicate: ['sqs:DeleteMessage', 'sqs:DeleteMessageBatch'],
  stale: ['sqs:GetQueueAttributes'],
  lag: ['ec2:DescribeInstances'],
  'no-capacity': launching,
  'boot-delay': launching,
  'boot-hang': launching,
  'spot-interruption': ['ec2:RunInstances'],
  'wrong-checksum': [
    's3:PutObject',
    's3:GetObject',
    's3:HeadObject',
    'sqs:SendMessage',
    'sqs:SendMessageBatch',
    'sqs:ReceiveMessage',
  ],
};

const namesOperation = (pattern: string, operation: string): boolean =>
  pattern === '*' ||
  pattern === operation ||
  (pattern.endsWith(':*') && operation.startsWith(pattern.slice(0, -1)));

const plan = z.strictObject({
  seed: z.number().int().min(0).max(0xffffffff).default(1),
  rules: z
    .array(
      rule.check((context) => {
        const { fault, operation } = context.value;
        const possible = onlyFor[fault];
        if (possible && !possible.some((each) => namesOperation(operation, each)))
          context.issues.push({
            code: 'custom',
            message: `"${fault}" is for ${possible.join(', ')}, not for ${operation}`,
            path: ['operation'],
            input: operation,
          });
      }),
    )
    .max(1_000),
});

export interface FaultPlan {
  readonly seed: number;
  readonly rules: readonly FaultRule[];
}

/** A plan as its JSON says. Throws an ImgrecError that names the member, as `rules[0].probability`. */
export const readFaultPlan = (value: unknown): FaultPlan => {
  const { data, error } = plan.safeParse(value);
  if (data) return data;
  const lines = error.issues.map(({ path, message }) => {
    const place = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
    return `${place.replace(/^\./, '') || 'the plan'}: ${message}`;
  });
  throw new ImgrecError(`the faults are not valid: ${lines.join('; ')}`, {
    hint: '{"seed": 1, "rules": [{"operation": "s3:GetObject", "fault": "truncate", "probability": 0.1}]}',
  });
};

/**
 * What `--faults SEED` does: a little of everything, as an unlucky day on AWS has it, after the first 15 seconds, in which a
 * cluster starts. About one call in eight is hit.
 */
export const defaultMix = (seed: number): FaultPlan =>
  readFaultPlan({
    seed,
    rules: [
      { operation: 'sqs:*', fault: 'latency', ms: 50, jitterMs: 150, probability: 0.05 },
      { operation: 's3:*', fault: 'latency', ms: 100, jitterMs: 400, probability: 0.05 },
      { operation: 'sqs:*', fault: 'internal-error', probability: 0.01 },
      { operation: 's3:*', fault: 'internal-error', probability: 0.01 },
      { operation: 'sqs:*', fault: 'throttle', probability: 0.02 },
      { operation: 's3:*', fault: 'slow-down', probability: 0.02 },
      { operation: 'sqs:*', fault: 'reset', probability: 0.01 },
      { operation: 's3:*', fault: 'reset', probability: 0.01 },
      { operation: 'sqs:*', fault: 'drop-response', probability: 0.01 },
      { operation: 's3:*', fault: 'drop-response', probability: 0.01 },
      { operation: 's3:GetObject', fault: 'truncate', probability: 0.01 },
      { operation: 's3:GetObject', fault: 'corrupt', probability: 0.005 },
      { operation: 's3:PutObject', fault: 'conflict', probability: 0.01 },
      { operation: 'sqs:*', fault: 'duplicate', probability: 0.02 },
      { operation: 'sqs:GetQueueAttributes', fault: 'stale', probability: 0.2 },
      { operation: 's3:*', fault: 'black-hole', probability: 0.0005 },
      { operation: 'sqs:*', fault: 'down', probability: 0.002 },
    ].map((each) => ({ ...each, fromSeconds: 15 })),
  });

/** How often each rule matched and hit, in the order of the plan. */
export interface FaultCounts {
  readonly matched: readonly number[];
  readonly hit: readonly number[];
}

export const noFaultsYet = ({ rules }: FaultPlan): FaultCounts => ({
  matched: rules.map(() => 0),
  hit: rules.map(() => 0),
});

/** What happens to one request. */
export interface Injection {
  /** Of all latency rules that hit, milliseconds. */
  readonly delayMs: number;
  /** The first other rule that hit. */
  readonly rule: FaultRule | undefined;
  /** Uniform in [0, 1), for whatever the fault has to choose. */
  readonly draw: number;
  /** Positions of the rules in the plan. */
  readonly rules: readonly number[];
}

/** Murmur3's finaliser: every bit of the result depends on every bit of the input. */
const scramble = (value: number): number => {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

/** Uniform in [0, 1): the `nth` number of a stream of its own for each seed, rule and purpose. */
export const draw = (seed: number, ruleIndex: number, nth: number, purpose: number): number =>
  scramble(scramble(scramble(seed ^ 0x9e3779b9) + ruleIndex * 4 + purpose) + nth) / 0x1_0000_0000;

/** What happens to instances rather than to requests: `decideLaunch` of `faults/launches.ts` decides it. */
const launchFaults = ['no-capacity', 'boot-delay', 'boot-hang', 'spot-interruption'] as const;

export type LaunchRule = Extract<FaultRule, { fault: (typeof launchFaults)[number] }>;

export const isLaunchRule = (each: FaultRule): each is LaunchRule =>
  launchFaults.some((fault) => fault === each.fault);

/** Whether a rule is about the operation, at this time, and not used up. */
export const isDue = (each: FaultRule, timesHit: number, operation: string, atSeconds: number): boolean =>
  namesOperation(each.operation, operation) &&
  onlyFor[each.fault]?.includes(operation) !== false &&
  atSeconds >= each.fromSeconds &&
  (each.forSeconds === undefined || atSeconds < each.fromSeconds + each.forSeconds) &&
  (each.limit === undefined || timesHit < each.limit);

export const bump = (counts: readonly number[], index: number): readonly number[] =>
  counts.with(index, (counts[index] ?? 0) + 1);

/**
 * Decides what happens to one request.
 * A rule's numbers depend on the seed and on how many requests matched it before, not on other rules or on time.
 * @param atSeconds since the plan was set
 */
export const decide = (
  { seed, rules }: FaultPlan,
  counts: FaultCounts,
  operation: string,
  atSeconds: number,
): { readonly counts: FaultCounts; readonly injection: Injection | undefined } => {
  let { matched, hit } = counts;
  let delayMs = 0;
  let chosen: FaultRule | undefined;
  let chosenDraw = 0;
  const hits: number[] = [];
  rules.forEach((each, index) => {
    if (isLaunchRule(each) || !isDue(each, hit[index] ?? 0, operation, atSeconds)) return;
    if (each.fault !== 'latency' && chosen) return;
    const nth = matched[index] ?? 0;
    matched = bump(matched, index);
    if (draw(seed, index, nth, 0) >= each.probability) return;
    hit = bump(hit, index);
    hits.push(index);
    if (each.fault === 'latency') delayMs += each.ms + each.jitterMs * draw(seed, index, nth, 1);
    else {
      chosen = each;
      chosenDraw = draw(seed, index, nth, 2);
    }
  });
  const injection = hits.length === 0 ? undefined : { delayMs, rule: chosen, draw: chosenDraw, rules: hits };
  return { counts: { matched, hit }, injection };
};
