import {
  type BucketLocationConstraint,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectsCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketTaggingCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketTaggingCommand,
  PutPublicAccessBlockCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { type Connection, clientConfig } from './connection.ts';
import { calling, cloudError, codeOf, refusedCall, statusOf } from './errors.ts';
import { type Tags, tagList, tagsOf } from './tags.ts';

/** Objects under `prefix` are deleted `days` after they were written. */
export interface Expiry {
  readonly prefix: string;
  readonly days: number;
}

/** The configuration of a bucket, as far as imgrec sets it. What is not configured is undefined. */
export interface BucketConfiguration {
  readonly publicAccessBlocked: boolean;
  /** `BucketOwnerEnforced` switches ACLs off. */
  readonly ownership: string | undefined;
  readonly encryption: string | undefined;
  readonly expiries: readonly Expiry[];
  /** Parsed JSON. */
  readonly policy: unknown;
  readonly tags: Tags;
}

export type BucketAspect = keyof BucketConfiguration;

const absentCodes = new Set([
  'NoSuchPublicAccessBlockConfiguration',
  'OwnershipControlsNotFoundError',
  'ServerSideEncryptionConfigurationNotFoundError',
  'NoSuchLifecycleConfiguration',
  'NoSuchBucketPolicy',
  'NoSuchTagSet',
]);

/** us-east-1 is S3's default and must not be named as a location. */
const locationOf = (region: string) =>
  region === 'us-east-1'
    ? {}
    : { CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint } };

export type S3Buckets = ReturnType<typeof createS3Buckets>;

/** Buckets and their configuration. Every call but the first look names the account that must own the bucket. All throw CloudError. */
export const createS3Buckets = (connection: Connection, account: string, region: string) => {
  const client = new S3Client({
    ...clientConfig(connection),
    forcePathStyle: connection.pathStyle,
  });
  const of = (bucket: string) => ({ Bucket: bucket, ExpectedBucketOwner: account });

  const orAbsent = async <T>(
    bucket: string,
    aspect: string,
    read: () => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (absentCodes.has(codeOf(error))) return undefined;
      throw cloudError(`read ${aspect} of bucket ${bucket}`, error);
    }
  };

  const set = async (bucket: string, aspect: string, write: () => Promise<unknown>): Promise<void> => {
    try {
      await write();
    } catch (error) {
      throw cloudError(`set ${aspect} of bucket ${bucket}`, error);
    }
  };

  return {
    exists: async (bucket: string): Promise<boolean> => {
      try {
        await client.send(new HeadBucketCommand(of(bucket)));
        return true;
      } catch (error) {
        if (statusOf(error) === 404) return false;
        if (statusOf(error) === 403)
          throw cloudError(`bucket ${bucket} belongs to another account or may not be read`, error);
        throw cloudError(`look up bucket ${bucket}`, error);
      }
    },

    create: async (bucket: string): Promise<void> => {
      try {
        await client.send(new CreateBucketCommand({ Bucket: bucket, ...locationOf(region) }));
      } catch (error) {
        // A run that was cut short, or one at the same time, has made it already.
        if (codeOf(error) !== 'BucketAlreadyOwnedByYou') throw cloudError(`create bucket ${bucket}`, error);
      }
    },

    read: async (bucket: string): Promise<BucketConfiguration> => {
      const [block, ownership, encryption, lifecycle, policy, tagging] = await Promise.all([
        orAbsent(bucket, 'public access block', () =>
          client.send(new GetPublicAccessBlockCommand(of(bucket))),
        ),
        orAbsent(bucket, 'ownership', () => client.send(new GetBucketOwnershipControlsCommand(of(bucket)))),
        orAbsent(bucket, 'encryption', () => client.send(new GetBucketEncryptionCommand(of(bucket)))),
        orAbsent(bucket, 'lifecycle', () =>
          client.send(new GetBucketLifecycleConfigurationCommand(of(bucket))),
        ),
        orAbsent(bucket, 'policy', () => client.send(new GetBucketPolicyCommand(of(bucket)))),
        orAbsent(bucket, 'tags', () => client.send(new GetBucketTaggingCommand(of(bucket)))),
      ]);
      const blocked = block?.PublicAccessBlockConfiguration;
      const [encryptionRule] = encryption?.ServerSideEncryptionConfiguration?.Rules ?? [];
      return {
        publicAccessBlocked:
          (blocked?.BlockPublicAcls &&
            blocked.IgnorePublicAcls &&
            blocked.BlockPublicPolicy &&
            blocked.RestrictPublicBuckets) ??
          false,
        ownership: ownership?.OwnershipControls?.Rules?.[0]?.ObjectOwnership,
        encryption: encryptionRule?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm,
        expiries: (lifecycle?.Rules ?? []).flatMap(({ Filter, Expiration, Status }) =>
          Status === 'Enabled' && Expiration?.Days !== undefined
            ? [{ prefix: Filter?.Prefix ?? '', days: Expiration.Days }]
            : [],
        ),
        policy: policy?.Policy === undefined ? undefined : (JSON.parse(policy.Policy) as unknown),
        tags: tagsOf(tagging?.TagSet),
      };
    },

    /** Sets one aspect of a bucket to what `wanted` says. */
    configure: async (bucket: string, aspect: BucketAspect, wanted: BucketConfiguration): Promise<void> =>
      set(bucket, aspect, () => {
        switch (aspect) {
          case 'publicAccessBlocked':
            return client.send(
              new PutPublicAccessBlockCommand({
                ...of(bucket),
                PublicAccessBlockConfiguration: {
                  BlockPublicAcls: true,
                  IgnorePublicAcls: true,
                  BlockPublicPolicy: true,
                  RestrictPublicBuckets: true,
                },
              }),
            );
          case 'ownership':
            return client.send(
              new PutBucketOwnershipControlsCommand({
                ...of(bucket),
                OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
              }),
            );
          case 'encryption':
            return client.send(
              new PutBucketEncryptionCommand({
                ...of(bucket),
                ServerSideEncryptionConfiguration: {
                  Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
                },
              }),
            );
          case 'expiries':
            return client.send(
              new PutBucketLifecycleConfigurationCommand({
                ...of(bucket),
                LifecycleConfiguration: {
                  Rules: wanted.expiries.map(({ prefix, days }) => ({
                    ID: `expire-${prefix.replaceAll('/', '') || 'all'}`,
                    Status: 'Enabled',
                    Filter: { Prefix: prefix },
                    Expiration: { Days: days },
                    AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
                  })),
                },
              }),
            );
          case 'policy':
            return client.send(
              new PutBucketPolicyCommand({ ...of(bucket), Policy: JSON.stringify(wanted.policy) }),
            );
          case 'tags':
            return client.send(
              new PutBucketTaggingCommand({
                ...of(bucket),
                Tagging: { TagSet: tagList(wanted.tags) },
              }),
            );
        }
      }),

    isEmpty: async (bucket: string): Promise<boolean> =>
      calling(`look into bucket ${bucket}`, async () => {
        const { KeyCount = 0 } = await client.send(new ListObjectsV2Command({ ...of(bucket), MaxKeys: 1 }));
        return KeyCount === 0;
      }),

    /** The first parts of all keys: an object without a slash in its key as it is, of others what goes up to the first slash. */
    topLevel: async (bucket: string): Promise<readonly string[]> =>
      calling(`look into bucket ${bucket}`, async () => {
        const { Contents = [], CommonPrefixes = [] } = await client.send(
          new ListObjectsV2Command({ ...of(bucket), Delimiter: '/' }),
        );
        return [...Contents.map(({ Key = '' }) => Key), ...CommonPrefixes.map(({ Prefix = '' }) => Prefix)];
      }),

    /** What a bucket's policy forbids, it forbids its owner too. */
    removePolicy: async (bucket: string): Promise<void> => {
      await calling(`delete the policy of bucket ${bucket}`, () =>
        client.send(new DeleteBucketPolicyCommand(of(bucket))),
      );
    },

    /** Deletes every object, a thousand a call. One that cannot be deleted is an error. */
    clear: async (bucket: string): Promise<void> => {
      for (;;) {
        const { Contents = [] } = await calling(`list bucket ${bucket}`, () =>
          client.send(new ListObjectsV2Command(of(bucket))),
        );
        if (Contents.length === 0) return;
        const { Errors: [failed] = [] } = await calling(`empty bucket ${bucket}`, () =>
          client.send(
            new DeleteObjectsCommand({
              ...of(bucket),
              Delete: { Objects: Contents.map(({ Key }) => ({ Key })), Quiet: true },
            }),
          ),
        );
        if (failed !== undefined)
          throw refusedCall(`delete ${failed.Key} from bucket ${bucket}`, { status: 403, code: failed.Code });
      }
    },

    /** Deletes an empty bucket; one that is gone is no error. */
    remove: async (bucket: string): Promise<void> => {
      try {
        await client.send(new DeleteBucketCommand(of(bucket)));
      } catch (error) {
        if (statusOf(error) !== 404) throw cloudError(`delete bucket ${bucket}`, error);
      }
    },

    close: () => client.destroy(),
  };
};
