import { queueArn, queueAttributes, tlsOnly } from '../aws/queue-attributes.ts';
import type { BucketConfiguration } from '../aws/s3-buckets.ts';
import type { Role } from '../fleet/rolling.ts';
import { type MachineChoices, type Surroundings, wantedMachines } from './machines.ts';
import { bucketArn, objects } from './policy-parts.ts';
import { type AnyResource, type Key, keyOf, type Resource } from './resources.ts';
import { type Site, tagsOf } from './site.ts';

export interface Choices {
  readonly retentionSeconds: number;
  readonly visibilitySeconds: number;
  /** What workers read at their start: the content of an imgrec.json. */
  readonly workerSettings: Readonly<Record<string, unknown>>;
  /** Whether the web tier asks for API keys. */
  readonly apiKeys?: boolean;
}

const day = 86_400;

/** How far back `imgrec scale explain` and `--trace-from journal` can look: two weeks, so that weekly patterns show. */
const journalDays = 14;

/** After this many deliveries SQS itself gives up on a request; the worker does so earlier, with a reason. */
const redriveBackstop = 10;

const bucket = (
  site: Site,
  name: string,
  role: string,
  expiries: BucketConfiguration['expiries'],
): Resource<'bucket'> => ({
  kind: 'bucket',
  name,
  tags: tagsOf(site, role),
  aspects: {
    publicAccessBlocked: true,
    ownership: 'BucketOwnerEnforced',
    encryption: 'AES256',
    expiries,
    policy: tlsOnly('s3:*', [bucketArn(site, name), ...objects(site, name, '*')]),
  },
});

const apiKeysOf = (site: Site): Resource<'secret'> => ({
  kind: 'secret',
  name: site.names.apiKeysParameter,
  aspects: { type: 'SecureString' },
  tags: tagsOf(site, 'api-keys'),
});

const storage = (site: Site, choices: Choices): readonly AnyResource[] => {
  const { names, place } = site;
  const { retentionSeconds, visibilitySeconds, apiKeys = false } = choices;
  // A dead letter keeps the age of its request, so the dead-letter queue must keep longer than the request queue.
  const requestRetention = Math.min(4 * day, retentionSeconds / 2);
  const days = Math.ceil(retentionSeconds / day);
  const VisibilityTimeout = String(visibilitySeconds);
  return [
    bucket(site, names.opsBucket, 'ops', [
      { prefix: 'web/', days: 1 },
      { prefix: 'fleet/', days: 1 },
      { prefix: 'journal/', days: journalDays },
    ]),
    bucket(site, names.inputBucket, 'input', [{ prefix: 'images/', days }]),
    bucket(site, names.outputBucket, 'output', [{ prefix: 'results/', days }]),
    {
      kind: 'queue',
      name: names.deadLetters,
      aspects: {
        ...queueAttributes(place, names.deadLetters, retentionSeconds),
        VisibilityTimeout,
        RedriveAllowPolicy: JSON.stringify({
          redrivePermission: 'byQueue',
          sourceQueueArns: [queueArn(place, names.requests)],
        }),
      },
      tags: tagsOf(site, 'dead-letters'),
    },
    {
      kind: 'queue',
      name: names.requests,
      aspects: {
        ...queueAttributes(place, names.requests, requestRetention),
        VisibilityTimeout,
        RedrivePolicy: JSON.stringify({
          deadLetterTargetArn: queueArn(place, names.deadLetters),
          maxReceiveCount: redriveBackstop,
        }),
      },
      tags: tagsOf(site, 'requests'),
      needs: [`queue/${names.deadLetters}`],
    },
    {
      kind: 'parameter',
      name: names.settingsParameter,
      aspects: {
        value: JSON.stringify({ ...choices.workerSettings, ...(apiKeys ? { 'api-keys': true } : {}) }),
      },
      tags: tagsOf(site, 'settings'),
    },
    ...(apiKeys ? [apiKeysOf(site)] : []),
  ];
};

/** What `imgrec provision` was told, with what had to be looked up for it. */
export interface Wish extends Choices {
  /** Absent: only what a cluster needs whose machines are somebody else's. */
  readonly machines?: {
    readonly choices: MachineChoices;
    readonly surroundings: Surroundings;
    /** Of an instance that fetches this software, or none. */
    readonly userData: (role: Role, artifact: string | undefined) => string;
    /** What stops a worker. */
    readonly drainCommand: string;
  };
}

/**
 * Everything that `imgrec provision` makes, in an order in which it can be made. The ops bucket comes first: install.json in
 * it decides whose all the others are. Pure.
 */
export const wantedResources = (site: Site, wish: Wish): readonly AnyResource[] => {
  const first: Key = `bucket/${site.names.opsBucket}`;
  const { machines } = wish;
  const all = [
    ...storage(site, wish),
    ...(machines === undefined
      ? []
      : wantedMachines(site, machines.choices, machines.surroundings, {
          ...machines,
          apiKeys: wish.apiKeys ?? false,
        })),
  ];
  return all.map((resource) =>
    keyOf(resource) === first ? resource : { ...resource, needs: [first, ...(resource.needs ?? [])] },
  );
};
