import type { ClusterNames } from '../aws/names.ts';
import { tagKeys } from '../aws/names.ts';
import { type Place, queueArn, queueAttributes, tlsOnly } from '../aws/queue-attributes.ts';
import type { BucketConfiguration } from '../aws/s3-buckets.ts';
import type { Attributes } from '../aws/sqs-queues.ts';

/** A queue or bucket as it should be. */
export type Resource =
  | {
      readonly kind: 'queue';
      readonly name: string;
      readonly attributes: Attributes;
      readonly tags: Attributes;
    }
  | { readonly kind: 'bucket'; readonly name: string; readonly configuration: BucketConfiguration };

export interface Choices {
  readonly retentionSeconds: number;
  readonly visibilitySeconds: number;
  /** Content of install.json: marks what this installation made. */
  readonly installId: string;
}

const day = 86_400;

/** After this many deliveries SQS itself gives up on a request; the worker does so earlier, with a reason. */
const redriveBackstop = 10;

const tagsOf = (names: ClusterNames, installId: string, role: string): Attributes => ({
  [tagKeys.cluster]: names.cluster,
  [tagKeys.install]: installId,
  [tagKeys.role]: role,
});

const bucket = (
  name: string,
  role: string,
  expiries: BucketConfiguration['expiries'],
  names: ClusterNames,
  place: Place,
  installId: string,
): Resource => ({
  kind: 'bucket',
  name,
  configuration: {
    publicAccessBlocked: true,
    ownership: 'BucketOwnerEnforced',
    encryption: 'AES256',
    expiries,
    policy: tlsOnly('s3:*', [`arn:${place.partition}:s3:::${name}`, `arn:${place.partition}:s3:::${name}/*`]),
    tags: tagsOf(names, installId, role),
  },
});

/** Everything that `imgrec provision` makes, in the order in which it can be made. Pure. */
export const wantedResources = (names: ClusterNames, place: Place, choices: Choices): readonly Resource[] => {
  const { retentionSeconds, visibilitySeconds, installId } = choices;
  // A dead letter keeps the age of its request, so the dead-letter queue must keep longer than the request queue.
  const requestRetention = Math.min(4 * day, retentionSeconds / 2);
  const days = Math.ceil(retentionSeconds / day);
  const VisibilityTimeout = String(visibilitySeconds);
  return [
    bucket(
      names.opsBucket,
      'ops',
      [
        { prefix: 'web/', days: 1 },
        { prefix: 'fleet/', days: 1 },
      ],
      names,
      place,
      installId,
    ),
    bucket(names.inputBucket, 'input', [{ prefix: 'images/', days }], names, place, installId),
    bucket(names.outputBucket, 'output', [{ prefix: 'results/', days }], names, place, installId),
    {
      kind: 'queue',
      name: names.deadLetters,
      attributes: { ...queueAttributes(place, names.deadLetters, retentionSeconds), VisibilityTimeout },
      tags: tagsOf(names, installId, 'dead-letters'),
    },
    {
      kind: 'queue',
      name: names.requests,
      attributes: {
        ...queueAttributes(place, names.requests, requestRetention),
        VisibilityTimeout,
        RedrivePolicy: JSON.stringify({
          deadLetterTargetArn: queueArn(place, names.deadLetters),
          maxReceiveCount: redriveBackstop,
        }),
      },
      tags: tagsOf(names, installId, 'requests'),
    },
  ];
};
