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
import { type CallLimits, type Connection, clientConfig, defaultLimits } from './connection.ts';
import {
  createDirectCaller,
  type DirectCaller,
  type DirectRequest,
  originOf,
  type SentRequest,
} from './direct.ts';
import { CloudError, calling, cloudError, codeOf, isDenial, refusedCall, statusOf } from './errors.ts';

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  readonly lastModifiedMs: number;
  /** Changes with the content. */
  readonly etag: string;
}

/** S3 answers 409 to a conditional write that races another; it says to try again, and the SDK does not. */
const conflictBackoff: BackoffLimits = { floorMs: 50, ceilingMs: 1_000 };
const conflictAttempts = 8;

const isConflict = (error: unknown) =>
  error instanceof CloudError && error.code === 'ConditionalRequestConflict';

const isAbsent = (error: unknown) => statusOf(error) === 404 && codeOf(error) !== 'NoSuchBucket';

export type S3 = ReturnType<typeof createS3>;

interface PutOptions {
  readonly contentType: string;
  /** Only if the key is free. */
  readonly once: boolean;
  readonly sha256?: string | undefined;
}

export interface S3Options {
  /** For objects that take longer than images do. */
  readonly limits?: CallLimits;
  /** Sends puts and gets without the SDK once it has shown the way. */
  readonly direct?: boolean;
}

/** RFC 3986: everything but unreserved characters, and the slashes that separate segments. */
const encodeKey = (key: string): string =>
  encodeURIComponent(key)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/** Tells the direct caller where the SDK sends requests for a bucket. */
const learnRoutes = (client: S3Client, direct: DirectCaller): void => {
  client.middlewareStack.add(
    (next) => (args) => {
      const { Bucket, Key } = args.input as { readonly Bucket?: string; readonly Key?: string };
      const request = args.request as SentRequest;
      const suffix = `/${encodeKey(Key ?? '')}`;
      if (Bucket !== undefined && Key !== undefined && request.path.endsWith(suffix))
        direct.learn(Bucket, { origin: originOf(request), basePath: request.path.slice(0, -suffix.length) });
      return next(args);
    },
    { step: 'finalizeRequest', priority: 'low', name: 'learnRoutes' },
  );
};

/** S3 objects in our words. Every call names the account that must own the bucket. All throw CloudError. */
export const createS3 = (connection: Connection, account: string, options: S3Options = {}) => {
  const limits = options.limits ?? defaultLimits;
  const client = new S3Client({ ...clientConfig(connection, limits), forcePathStyle: connection.pathStyle });
  const owner = { ExpectedBucketOwner: account };
  const ownerHeader = { 'x-amz-expected-bucket-owner': account };
  const direct = createDirectCaller({
    service: 's3',
    limits,
    credentials: () => client.config.credentials(),
    region: () => client.config.region(),
  });
  if (options.direct ?? true) learnRoutes(client, direct);

  const directly = async (operation: string, bucket: string, request: DirectRequest) => {
    try {
      return await direct.call(bucket, request);
    } catch (error) {
      throw cloudError(operation, error);
    }
  };

  const putThroughSdk = (bucket: string, key: string, body: Uint8Array | string, write: PutOptions) =>
    calling(`put ${key} into bucket ${bucket}`, () =>
      client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: body,
          ContentType: write.contentType,
          ...(write.once ? { IfNoneMatch: '*' } : {}),
          ...owner,
        }),
      ),
    );

  const put = async (
    bucket: string,
    key: string,
    body: Uint8Array | string,
    write: PutOptions,
  ): Promise<void> => {
    const operation = `put ${key} into bucket ${bucket}`;
    const attempt = async () => {
      const response = await directly(operation, bucket, {
        method: 'PUT',
        path: `/${encodeKey(key)}`,
        headers: {
          ...ownerHeader,
          'content-type': write.contentType,
          ...(write.once ? { 'if-none-match': '*' } : {}),
        },
        body,
        payloadSha256: write.sha256,
      });
      if (response === undefined) await putThroughSdk(bucket, key, body, write);
      else if (response.status !== 200) throw refusedCall(operation, response);
    };
    await retry(attempt, {
      attempts: conflictAttempts,
      clock: systemClock,
      limits: conflictBackoff,
      retryable: isConflict,
    });
  };

  return {
    /** @param sha256 of the body in hexadecimal, when it is known anyway */
    put: (bucket: string, key: string, body: Uint8Array | string, contentType: string, sha256?: string) =>
      put(bucket, key, body, { contentType, once: false, sha256 }),

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
        await put(bucket, key, body, { contentType, once: true });
        return 'written';
      } catch (error) {
        if (error instanceof CloudError && error.code === 'PreconditionFailed') return 'exists';
        throw error;
      }
    },

    /**
     * @param options.deniedIsAbsent takes AccessDenied for "no such object": without s3:ListBucket, S3 answers so.
     * @returns undefined when there is no such object.
     */
    get: async (
      bucket: string,
      key: string,
      options: { readonly deniedIsAbsent?: boolean } = {},
    ): Promise<Buffer | undefined> => {
      const operation = `get ${key} from bucket ${bucket}`;
      const response = await directly(operation, bucket, {
        method: 'GET',
        path: `/${encodeKey(key)}`,
        headers: ownerHeader,
      });
      if (response !== undefined) {
        if (response.status === 200) return response.body;
        if (response.status === 404 && response.code !== 'NoSuchBucket') return undefined;
        if (options.deniedIsAbsent === true && isDenial(response.code)) return undefined;
        throw refusedCall(operation, response);
      }
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...owner }));
        return Buffer.from((await Body?.transformToByteArray()) ?? new Uint8Array());
      } catch (error) {
        const denied = options.deniedIsAbsent === true && isDenial(codeOf(error));
        if (denied || isAbsent(error)) return undefined;
        throw cloudError(operation, error);
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
          for (const { Key, Size, LastModified, ETag = '' } of page.Contents ?? [])
            if (Key !== undefined)
              objects.push({
                key: Key,
                bytes: Size ?? 0,
                lastModifiedMs: LastModified?.getTime() ?? 0,
                etag: ETag,
              });
          token = page.NextContinuationToken;
        } catch (error) {
          throw cloudError(`list ${prefix}* in bucket ${bucket}`, error);
        }
      } while (token !== undefined);
      return objects;
    },

    close: () => {
      client.destroy();
      direct.close();
    },
  };
};
