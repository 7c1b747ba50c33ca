import type { Attributes } from './sqs-queues.ts';

/** What ARNs are made of. */
export interface Place {
  readonly account: string;
  readonly region: string;
  /** `aws`, `aws-cn` or `aws-us-gov`: the second part of every ARN. */
  readonly partition: string;
}

export const queueArn = ({ partition, region, account }: Place, name: string): string =>
  `arn:${partition}:sqs:${region}:${account}:${name}`;

/** A resource policy that refuses whatever does not come over TLS. */
export const tlsOnly = (actions: string, resources: string | readonly string[]) => ({
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

/**
 * Attributes that every queue of a cluster has, reply queues included.
 * MaximumMessageSize is pinned: 1 MiB is SQS's limit today and 256 KiB was its default for years.
 */
export const queueAttributes = (place: Place, name: string, retentionSeconds: number): Attributes => ({
  MessageRetentionPeriod: String(Math.round(retentionSeconds)),
  ReceiveMessageWaitTimeSeconds: '20',
  MaximumMessageSize: '1048576',
  SqsManagedSseEnabled: 'true',
  Policy: JSON.stringify(tlsOnly('sqs:*', queueArn(place, name))),
});
