import { availableParallelism } from 'node:os';
import { z } from 'zod';
import {
  bytes,
  choice,
  flag,
  fraction,
  integer,
  names,
  positive,
  type Setting,
  schedules,
  seconds,
  secondsSpan,
  setting,
  text,
  triple,
} from './setting.ts';

const optional = <T>(type: z.ZodType<T>): z.ZodType<T | undefined> => type.optional();

/** A queue's name, never its URL: a URL would decide where signed requests go. */
const queueName = z.string().regex(/^[A-Za-z0-9_-]{1,80}$/, {
  error: 'must be the name of a standard queue: the last part of its URL',
});

/** Every setting of imgrec. Units are in the property's name where the unit is not obvious; users see `name`. */
export const settings = {
  // Where a command connects
  cluster: setting({
    name: 'cluster',
    type: z.string().regex(/^[a-z][a-z0-9-]{0,19}$/, {
      error: 'must be 1 to 20 of a-z, 0-9 and "-", starting with a letter',
    }),
    default: 'imgrec',
    placeholder: 'NAME',
    help: 'name of the cluster; prefixes every queue, bucket and instance',
  }),
  local: setting({
    name: 'local',
    type: flag,
    default: false,
    help: 'use the local cloud of the state folder instead of AWS',
  }),
  state: setting({
    name: 'state',
    type: text,
    default: '.imgrec',
    placeholder: 'DIR',
    help: 'state folder of the local cloud',
  }),
  region: setting({
    name: 'region',
    type: optional(text),
    default: undefined,
    placeholder: 'REGION',
    help: "AWS region; the AWS SDK's own chain decides when absent",
  }),

  // Output
  json: setting({ name: 'json', type: flag, default: false, help: 'print one JSON object on stdout' }),
  quiet: setting({ name: 'quiet', type: flag, default: false, help: 'print results and errors only' }),
  verbose: setting({ name: 'verbose', type: flag, default: false, help: 'print details and stack traces' }),

  // Model
  model: setting({
    name: 'model',
    type: optional(text),
    default: undefined,
    placeholder: 'DIR|FILE',
    help: 'model folder (model.onnx, manifest.json) or .onnx file; the built-in EfficientNet-Lite0 when absent',
  }),
  modelSize: setting({
    name: 'model-size',
    type: optional(integer(1, 4_096)),
    default: undefined,
    placeholder: 'PIXELS',
    help: 'with an .onnx file: side of its input and of the centre crop (224 when absent)',
  }),
  modelResize: setting({
    name: 'model-resize',
    type: optional(text),
    default: undefined,
    placeholder: 'HOW',
    help: 'with an .onnx file: "shorter-side N", "stretch" or "none" ("shorter-side 256" when absent)',
  }),
  modelLayout: setting({
    name: 'model-layout',
    type: optional(choice(['nchw-f32', 'nhwc-u8'])),
    default: undefined,
    placeholder: 'LAYOUT',
    help: 'with an .onnx file: nchw-f32 (when absent) or nhwc-u8',
  }),
  modelMean: setting({
    name: 'model-mean',
    type: optional(triple),
    default: undefined,
    placeholder: 'R,G,B',
    help: "with an .onnx file: mean of the normalisation (ImageNet's when absent)",
  }),
  modelStd: setting({
    name: 'model-std',
    type: optional(triple),
    default: undefined,
    placeholder: 'R,G,B',
    help: "with an .onnx file: standard deviation of the normalisation (ImageNet's when absent)",
  }),
  modelOutput: setting({
    name: 'model-output',
    type: optional(choice(['logits', 'probabilities'])),
    default: undefined,
    placeholder: 'KIND',
    help: 'with an .onnx file: logits (when absent) or probabilities',
  }),
  modelLabels: setting({
    name: 'model-labels',
    type: optional(text),
    default: undefined,
    placeholder: 'FILE',
    help: 'with an .onnx file: its labels, a JSON array or one a line (the 1,000 of ImageNet when absent)',
  }),
  top: setting({
    name: 'top',
    type: integer(1, 100),
    default: 5,
    placeholder: 'N',
    help: 'labels to return for each image, most probable first',
  }),
  classifiers: setting({
    name: 'classifiers',
    type: integer(1, 256),
    default: () => availableParallelism(),
    placeholder: 'N',
    help: 'classifier processes, one thread each (default: one per core)',
  }),
  jobTimeoutSeconds: setting({
    name: 'job-timeout',
    type: seconds(0.1, 3_600),
    default: 10,
    placeholder: 'TIME',
    help: 'time one image may take in a classifier before that process is replaced',
  }),
  maxImageBytes: setting({
    name: 'max-image-bytes',
    type: bytes(1, 100 * 2 ** 20),
    default: 10 * 2 ** 20,
    placeholder: 'SIZE',
    help: 'largest image file accepted',
  }),
  maxPixels: setting({
    name: 'max-pixels',
    type: integer(1, 268_402_689),
    default: 50_000_000,
    placeholder: 'N',
    help: 'largest width x height accepted, read from the header before anything is decoded',
  }),

  // serve
  port: setting({
    name: 'port',
    type: integer(0, 65_535),
    default: 8081,
    placeholder: 'PORT',
    help: 'port of the web tier (0 = any free one)',
  }),
  host: setting({
    name: 'host',
    type: text,
    default: '127.0.0.1',
    placeholder: 'ADDRESS',
    help: 'address to listen on; anything but loopback needs --public',
  }),
  public: setting({
    name: 'public',
    type: flag,
    default: false,
    help: 'allow --host to be reachable from other machines, without authentication',
  }),
  waitSeconds: setting({
    name: 'wait',
    type: seconds(0.1, 3_600),
    default: 300,
    placeholder: 'TIME',
    help: 'longest wait for an answer before 504 (the result stays available at /v1/results)',
  }),
  reply: setting({
    name: 'reply',
    type: choice(['label', 'stem:label', 'tuple', 'json']),
    default: 'label',
    placeholder: 'FORM',
    help: 'form of the answer: label, stem:label, tuple or json',
  }),

  transport: setting({
    name: 'transport',
    type: choice(['key', 'inline', 'seed']),
    default: 'key',
    placeholder: 'WAY',
    help: "how images reach the workers: key (through the input bucket), inline (up to 128 KiB in the message) or seed (the course project's messages)",
  }),
  requestQueue: setting({
    name: 'request-queue',
    type: optional(queueName),
    default: undefined,
    placeholder: 'NAME',
    help: 'with --transport seed: the queue of images, which must exist',
  }),
  responseQueue: setting({
    name: 'response-queue',
    type: optional(queueName),
    default: undefined,
    placeholder: 'NAME',
    help: 'with --transport seed: the queue of labels, which must exist',
  }),
  inputBucket: setting({
    name: 'input-bucket',
    type: optional(text),
    default: undefined,
    placeholder: 'NAME',
    help: 'with --transport seed: the bucket where images are stored, which must exist',
  }),
  outputBucket: setting({
    name: 'output-bucket',
    type: optional(text),
    default: undefined,
    placeholder: 'NAME',
    help: 'with --transport seed: the bucket where labels are stored, which must exist',
  }),
  seedForm: setting({
    name: 'seed-form',
    type: choice(['plain', 'tuple', 'json']),
    default: 'plain',
    placeholder: 'FORM',
    help: 'with --transport seed: how messages are written (all forms are read): plain ("name,base64" and "(name, label)"), tuple (with Python\'s quotes) or json',
  }),

  // worker
  visibilitySeconds: setting({
    name: 'visibility',
    type: integer(3, 43_200),
    default: 30,
    placeholder: 'SECONDS',
    help: 'visibility timeout of requests, renewed every third of it while a worker holds them',
  }),
  maxReceives: setting({
    name: 'max-receives',
    type: integer(1, 1_000),
    default: 3,
    placeholder: 'N',
    help: 'deliveries after which a request that kills or hangs its classifier becomes a dead letter',
  }),
  pollWaitSeconds: setting({
    name: 'poll-wait',
    type: integer(1, 20),
    default: 5,
    placeholder: 'SECONDS',
    help: 'length of a long poll for requests; a draining worker waits for the one under way',
  }),
  idleExitSeconds: setting({
    name: 'idle-exit',
    type: optional(seconds(1, 7 * 86_400)),
    default: undefined,
    placeholder: 'TIME',
    help: 'end after this time without work if no scaler was seen either (default: never)',
  }),
  graceSeconds: setting({
    name: 'grace',
    type: seconds(1, 3_600),
    default: 30,
    placeholder: 'TIME',
    help: 'time to finish what runs after the first SIGTERM or SIGINT',
  }),

  // provision
  retentionSeconds: setting({
    name: 'retention',
    type: seconds(86_400, 14 * 86_400),
    default: 7 * 86_400,
    placeholder: 'TIME',
    help: 'how long images, results and dead letters are kept',
  }),

  // provision
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

  // scale
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

  // scale simulate and scale forecast
  boot: setting({
    name: 'boot',
    type: secondsSpan(0, 3_600),
    default: () => [60, 120] as const,
    placeholder: 'MIN..MAX',
    help: 'boot times of simulated instances, evenly spread (default: 60s..120s)',
  }),
  traceScale: setting({
    name: 'scale',
    type: positive,
    default: 1,
    placeholder: 'F',
    help: 'multiply the arrivals of all traces; FILE@F multiplies those of one',
  }),
  seed: setting({
    name: 'seed',
    type: integer(0, 2 ** 31),
    default: 7,
    placeholder: 'S',
    help: 'another seed, another course of chance; the same one gives the same result',
  }),
  price: setting({
    name: 'price',
    type: optional(positive),
    default: undefined,
    placeholder: 'DOLLARS',
    help: 'what an instance costs an hour (default: that of the first of --instance-types)',
  }),
  prices: setting({
    name: 'prices',
    type: optional(text),
    default: undefined,
    placeholder: 'FILE',
    help: 'prices to reckon with instead of the built-in ones (assets/prices.json shows the form)',
  }),
  html: setting({
    name: 'html',
    type: optional(text),
    default: undefined,
    placeholder: 'FILE',
    help: 'write arrivals, backlog, fleet and waits as a page with plots; FILE.svg: only the plot, of one trace',
  }),
  traceFrom: setting({
    name: 'trace-from',
    type: optional(choice(['journal'])),
    default: undefined,
    placeholder: 'SOURCE',
    help: 'journal: simulate what this cluster has lived through',
  }),
  readingAgeSeconds: setting({
    name: 'reading-age',
    type: integer(0, 600),
    default: 20,
    placeholder: 'SECONDS',
    help: 'counts of the simulated queue are up to this old',
  }),
  readingNoise: setting({
    name: 'reading-noise',
    type: fraction,
    default: 0.02,
    placeholder: 'FRACTION',
    help: 'and off by this relative standard deviation',
  }),
  slowBoots: setting({
    name: 'slow-boots',
    type: fraction,
    default: 0,
    placeholder: 'FRACTION',
    help: 'simulated boots that take five times as long',
  }),
  hungBoots: setting({
    name: 'hung-boots',
    type: fraction,
    default: 0,
    placeholder: 'FRACTION',
    help: 'simulated boots that never end',
  }),
  refusedLaunches: setting({
    name: 'refused-launches',
    type: fraction,
    default: 0,
    placeholder: 'FRACTION',
    help: 'simulated launch calls that are refused',
  }),
  interruptions: setting({
    name: 'interruptions',
    type: fraction,
    default: 0,
    placeholder: 'RATE',
    help: 'spot interruptions of a simulated instance, an hour',
  }),
  at: setting({
    name: 'at',
    type: optional(text),
    default: undefined,
    placeholder: 'TIME',
    help: 'explain the decision that held at this time, such as 2026-01-31T10:20:30Z',
  }),
  last: setting({
    name: 'last',
    type: integer(1, 10_000),
    default: 10,
    placeholder: 'N',
    help: 'explain this many of the last decisions',
  }),
  metricsPort: setting({
    name: 'metrics-port',
    type: optional(integer(0, 65_535)),
    default: undefined,
    placeholder: 'PORT',
    help: 'serve metrics for Prometheus at http://127.0.0.1:PORT/metrics (0 = any free port)',
  }),

  // dev
  workers: setting({
    name: 'workers',
    type: optional(integer(0, 64)),
    default: undefined,
    placeholder: 'N',
    help: 'run this many worker instances on this machine, neither more nor fewer (default: 1)',
  }),
  only: setting({
    name: 'only',
    type: optional(choice(['cloud'])),
    default: undefined,
    placeholder: 'PART',
    help: 'start only this part: cloud',
  }),
  faults: setting({
    name: 'faults',
    type: optional(text),
    default: undefined,
    placeholder: 'FILE|SEED',
    help: 'make the local cloud misbehave: a JSON file of rules, or a number for a mix of faults with that seed',
  }),

  // bench
  dev: setting({
    name: 'dev',
    type: flag,
    default: false,
    help: 'start a cluster on this machine for the measurement, on free ports, and stop it afterwards',
  }),
  url: setting({
    name: 'url',
    type: optional(z.url({ protocol: /^https?$/, error: 'must be an http or https URL' })),
    default: undefined,
    placeholder: 'URL',
    help: 'web tier to send images to',
  }),
  images: setting({
    name: 'images',
    type: optional(text),
    default: undefined,
    placeholder: 'DIR',
    help: 'folder of images to send (default: 100 variations of the sample photos)',
  }),
  truth: setting({
    name: 'truth',
    type: optional(text),
    default: undefined,
    placeholder: 'FILE',
    help: 'ground truth, "name,label" a line; "a|b" where several labels are right',
  }),
  requests: setting({
    name: 'requests',
    type: integer(1, 10_000_000),
    default: 100,
    placeholder: 'N',
    help: 'requests to send, each image file in turn',
  }),
  concurrency: setting({
    name: 'concurrency',
    type: integer(1, 10_000),
    default: 20,
    placeholder: 'N',
    help: 'requests in flight at once',
  }),
  requestTimeoutSeconds: setting({
    name: 'request-timeout',
    type: seconds(0.1, 86_400),
    default: 330,
    placeholder: 'TIME',
    help: "longest silence of the server before a request counts as failed; keep it above the server's --wait",
  }),
  lostAfterSeconds: setting({
    name: 'lost-after',
    type: seconds(0, 3_600),
    default: 60,
    placeholder: 'TIME',
    help: 'how long after the run an accepted image may be without a result before it counts as lost',
  }),
  minAccuracy: setting({
    name: 'min-accuracy',
    type: optional(fraction),
    default: undefined,
    placeholder: 'FRACTION',
    help: 'exit 4 when fewer answers than this agree with the truth',
  }),
} as const satisfies Record<string, Setting<never> | Setting<unknown>>;

export type SettingKey = keyof typeof settings;

export type Settings = {
  readonly [K in SettingKey]: (typeof settings)[K] extends Setting<infer T> ? T : never;
};

export const settingKeys = Object.keys(settings) as SettingKey[];

/** `max-pixels` -> `IMGREC_MAX_PIXELS`. */
export const environmentName = (name: string): string => `IMGREC_${name.toUpperCase().replaceAll('-', '_')}`;
