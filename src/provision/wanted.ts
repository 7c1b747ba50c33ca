import type { ClusterNames } from '../aws/names.ts';
import { tagKeys } from '../aws/names.ts';
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

export interface Place {
  readonly account: string;
  readonly region: string;
  /** `aws`, `aws-cn` or `aws-us-gov`: the second part of every ARN. */
  readonly partition: string;
}

export interface Choices {
  readonly retentionSeconds: number;
  readonly visibilitySeconds: number;
  /** Content of install.json: marks what this installation made. */
  readonly installId: string;
}

const day = 86_400;

/** After this many deliveries SQS itself gives up on a request; the worker does so earlier, with a reason. */
const redriveBackstop = 10;

const queueArn = ({ partition, region, account }: Place, name: string) =>
  `arn:${partition}:sqs:${region}:${account}:${name}`;

const tlsOnly = (actions: string, resources: string | readonly string[]) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Sid: 'TlsOnly',
      Effect: 'Deny',
      Principal: '*',
      Action: actions,
      Resource: resources,
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    },
  ],
});

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

/**
 * Attributes of every queue of a cluster, reply queues included.
 * MaximumMessageSize is pinned: 1 MiB is SQS's limit today and 256 KiB was its default for years.
 */
export const queueAttributes = (
  place: Place,
  name: string,
  retentionSeconds: number,
  visibilitySeconds: number,
) => ({
  VisibilityTimeout: String(visibilitySeconds),
  MessageRetentionPeriod: String(Math.round(retentionSeconds)),
  ReceiveMessageWaitTimeSeconds: '20',
  MaximumMessageSize: '1048576',
  SqsManagedSseEnabled: 'true',
  Policy: JSON.stringify(tlsOnly('sqs:*', queueArn(place, name))),
});

/** Everything that `imgrec provision` makes, in the order in which it can be made. Pure. */
export const wantedResources = (names: ClusterNames, place: Place, choices: Choices): readonly Resource[] => {
  const { retentionSeconds, visibilitySeconds, installId } = choices;
  // A dead letter keeps the age of its request, so the dead-letter queue must keep longer than the request queue.
  const requestRetention = Math.min(4 * day, retentionSeconds / 2);
  const days = Math.ceil(retentionSeconds / day);
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
      attributes: queueAttributes(place, names.deadLetters, retentionSeconds, visibilitySeconds),
      tags: tagsOf(names, installId, 'dead-letters'),
    },
    {
      kind: 'queue',
      name: names.requests,
      attributes: {
        ...queueAttributes(place, names.requests, requestRetention, visibilitySeconds),
        RedrivePolicy: JSON.stringify({
          deadLetterTargetArn: queueArn(place, names.deadLetters),
          maxReceiveCount: redriveBackstop,
        }),
      },
      tags: tagsOf(names, installId, 'requests'),
    },
  ];
};
