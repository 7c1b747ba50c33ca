import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { systemClock } from '../clock.ts';
import { type BackoffLimits, retry } from '../retry.ts';
import { type Connection, clientConfig } from './connection.ts';
import { CloudError, cloudError, codeOf, statusOf } from './errors.ts';

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  readonly lastModifiedMs: number;
}

/** S3 answers 409 to a conditional write that races another; it says to try again, and the SDK does not. */
const conflictBackoff: BackoffLimits = { floorMs: 50, ceilingMs: 1_000 };
const conflictAttempts = 8;

const isConflict = (error: unknown) =>
  error instanceof CloudError && error.code === 'ConditionalRequestConflict';

const isAbsent = (error: unknown) => statusOf(error) === 404 && codeOf(error) !== 'NoSuchBucket';

export type S3 = ReturnType<typeof createS3>;

/** S3 objects in our words. Every call names the account that must own the bucket. All throw CloudError. */
export const createS3 = (connection: Connection, account: string) => {
  const client = new S3Client({
    ...clientConfig(connection),
    forcePathStyle: connection.pathStyle,
  });
  const owner = { ExpectedBucketOwner: account };

  const put = async (
    bucket: string,
    key: string,
    body: Uint8Array | string,
    contentType: string,
    condition: { readonly IfNoneMatch?: string } = {},
  ): Promise<void> => {
    const operation = `put ${key} into bucket ${bucket}`;
    await retry(
      async () => {
        try {
          await client.send(
            new PutObjectCommand({
              Bucket: bucket,
              Key: key,
              Body: body,
              ContentType: contentType,
              ...condition,
              ...owner,
            }),
          );
        } catch (error) {
          throw cloudError(operation, error);
        }
      },
      { attempts: conflictAttempts, clock: systemClock, limits: conflictBackoff, retryable: isConflict },
    );
  };

  return {
    put: (bucket: string, key: string, body: Uint8Array | string, contentType: string) =>
      put(bucket, key, body, contentType),

    /**
     * Writes only if the key is free.
     * @returns `exists` when it is not; that may be this very write, repeated after its answer was lost.
     */
    putOnce: async (
      bucket: string,
      key: string,
      body: Uint8Array | string,
      contentType: string,
    ): Promise<'written' | 'exists'> => {
      try {
        await put(bucket, key, body, contentType, { IfNoneMatch: '*' });
        return 'written';
      } catch (error) {
        if (error instanceof CloudError && error.code === 'PreconditionFailed') return 'exists';
        throw error;
      }
    },

    /**
     * @param options.deniedIsAbsent takes a 403 for "no such object": without s3:ListBucket, S3 answers so.
     * @returns undefined when there is no such object.
     */
    get: async (
      bucket: string,
      key: string,
      options: { readonly deniedIsAbsent?: boolean } = {},
    ): Promise<Buffer | undefined> => {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...owner }));
        return Buffer.from((await Body?.transformToByteArray()) ?? new Uint8Array());
      } catch (error) {
        const denied = options.deniedIsAbsent === true && statusOf(error) === 403;
        if (denied || isAbsent(error)) return undefined;
        throw cloudError(`get ${key} from bucket ${bucket}`, error);
      }
    },

    /** @returns undefined when there is no such object. */
    head: async (bucket: string, key: string): Promise<{ readonly lastModifiedMs: number } | undefined> => {
      try {
        const { LastModified } = await client.send(
          new HeadObjectCommand({ Bucket: bucket, Key: key, ...owner }),
        );
        return { lastModifiedMs: LastModified?.getTime() ?? 0 };
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw cloudError(`look up ${key} in bucket ${bucket}`, error);
      }
    },

    remove: async (bucket: string, key: string): Promise<void> => {
      try {
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, ...owner }));
      } catch (error) {
        throw cloudError(`delete ${key} from bucket ${bucket}`, error);
      }
    },

    /** All objects whose key starts with `prefix`. */
    list: async (bucket: string, prefix: string): Promise<readonly StoredObject[]> => {
      const objects: StoredObject[] = [];
      let token: string | undefined;
      do {
        try {
          const page = await client.send(
            new ListObjectsV2Command({
              Bucket: bucket,
              Prefix: prefix,
              ...owner,
              ...(token === undefined ? {} : { ContinuationToken: token }),
            }),
          );
          for (const { Key, Size, LastModified } of page.Contents ?? [])
            if (Key !== undefined)
              objects.push({ key: Key, bytes: Size ?? 0, lastModifiedMs: LastModified?.getTime() ?? 0 });
          token = page.NextContinuationToken;
        } catch (error) {
          throw cloudError(`list ${prefix}* in bucket ${bucket}`, error);
        }
      } while (token !== undefined);
      return objects;
    },

    close: () => client.destroy(),
  };
};
