import type { ClusterNames } from '../aws/names.ts';
import { tagKeys } from '../aws/names.ts';
import { type Place, queueArn, queueAttributes, tlsOnly } from '../aws/queue-attributes.ts';
import type { BucketConfiguration } from '../aws/s3-buckets.ts';
import type { Attributes } from '../aws/sqs-queues.ts';
import type { Keepers } from './keepers/keepers.ts';
import { type AnyResource, type Key, type Kind, keyOf, kinds, type Resource } from './resources.ts';

export interface Choices {
  readonly retentionSeconds: number;
  readonly visibilitySeconds: number;
  /** What workers read at their start: the content of an imgrec.json. */
  readonly workerSettings: Readonly<Record<string, unknown>>;
}

/** A cluster, where it is, and whose. */
export interface Site {
  readonly names: ClusterNames;
  readonly place: Place;
  /** Content of install.json: marks what this installation made. */
  readonly installId: string;
}

const day = 86_400;

/** After this many deliveries SQS itself gives up on a request; the worker does so earlier, with a reason. */
const redriveBackstop = 10;

const tagsOf = ({ names, installId }: Site, role: string): Attributes => ({
  [tagKeys.cluster]: names.cluster,
  [tagKeys.install]: installId,
  [tagKeys.role]: role,
});

const bucket = (
  site: Site,
  name: string,
  role: string,
  expiries: BucketConfiguration['expiries'],
): Resource<'bucket'> => {
  const arn = `arn:${site.place.partition}:s3:::${name}`;
  return {
    kind: 'bucket',
    name,
    tags: tagsOf(site, role),
    aspects: {
      publicAccessBlocked: true,
      ownership: 'BucketOwnerEnforced',
      encryption: 'AES256',
      expiries,
      policy: tlsOnly('s3:*', [arn, `${arn}/*`]),
    },
  };
};

const storage = (site: Site, choices: Choices): readonly AnyResource[] => {
  const { names, place } = site;
  const { retentionSeconds, visibilitySeconds } = choices;
  // A dead letter keeps the age of its request, so the dead-letter queue must keep longer than the request queue.
  const requestRetention = Math.min(4 * day, retentionSeconds / 2);
  const days = Math.ceil(retentionSeconds / day);
  const VisibilityTimeout = String(visibilitySeconds);
  return [
    bucket(site, names.opsBucket, 'ops', [
      { prefix: 'web/', days: 1 },
      { prefix: 'fleet/', days: 1 },
    ]),
    bucket(site, names.inputBucket, 'input', [{ prefix: 'images/', days }]),
    bucket(site, names.outputBucket, 'output', [{ prefix: 'results/', days }]),
    {
      kind: 'queue',
      name: names.deadLetters,
      aspects: { ...queueAttributes(place, names.deadLetters, retentionSeconds), VisibilityTimeout },
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
      aspects: { value: JSON.stringify(choices.workerSettings) },
      tags: tagsOf(site, 'settings'),
    },
  ];
};

/**
 * Everything that `imgrec provision` makes, in an order in which it can be made. The ops bucket comes first: install.json in
 * it decides whose all the others are. Pure.
 */
export const wantedResources = (site: Site, choices: Choices): readonly AnyResource[] => {
  const first: Key = `bucket/${site.names.opsBucket}`;
  return storage(site, choices).map((resource) =>
    keyOf(resource) === first ? resource : { ...resource, needs: [first, ...(resource.needs ?? [])] },
  );
};

/**
 * Everything of a cluster that may exist, whatever was chosen when it was made: what has a fixed name, and what is found by
 * its prefix, such as the web processes' reply queues.
 */
export const wantedNames = async (
  site: Site,
  keepers: Keepers,
): Promise<readonly { readonly kind: Kind; readonly name: string }[]> => {
  const fixed = wantedResources(site, { retentionSeconds: day, visibilitySeconds: 30, workerSettings: {} });
  const others = await Promise.all(
    kinds.map(async (kind) =>
      ((await keepers[kind].others?.(site.names)) ?? []).map((name) => ({ kind, name })),
    ),
  );
  return [...new Map([...fixed, ...others.flat()].map((each) => [keyOf(each), each])).values()];
};
