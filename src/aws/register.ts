import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { type CallLimits, type Connection, clientConfig, endingWith } from './connection.ts';
import { cloudError, codeOf, statusOf } from './errors.ts';

/** One stored state of a register. */
export interface Version {
  readonly body: string;
  readonly etag: string;
  /** S3's clock, whole seconds: when it was written. */
  readonly modifiedMs: number;
}

/**
 * One S3 object that several processes write, each only over the version that it has read. All throw CloudError.
 * Every answer brings S3's own time, whole seconds: the only clock that its writers have in common.
 */
export interface Register {
  read(signal?: AbortSignal): Promise<{ readonly nowMs: number; readonly version: Version | undefined }>;
  /**
   * @param over etag of the version to replace; undefined: there must be none
   * @returns `conflict` when there is another; that may be this very write, repeated after its answer was lost
   */
  write(
    body: string,
    over: string | undefined,
    signal?: AbortSignal,
  ): Promise<
    | { readonly kind: 'written'; readonly etag: string; readonly nowMs: number }
    | { readonly kind: 'conflict' }
  >;
  close(): void;
}

/** Short, because whoever holds a lease in the register may not act long after its last renewal. */
const limits: CallLimits = { requestTimeoutMs: 5_000, maxAttempts: 2, maxAnsweredAttempts: 3 };

/** 404 is for a version that was to be replaced and is gone; 409 means that another write is under way. */
const conflicts = new Set(['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchKey']);

interface Dated {
  readonly $metadata: { date?: string | undefined };
}

export const createRegister = (
  connection: Connection,
  place: { readonly account: string; readonly bucket: string; readonly key: string },
): Register => {
  const { account, bucket, key } = place;
  const client = new S3Client({ ...clientConfig(connection, limits), forcePathStyle: connection.pathStyle });
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { headers?: Record<string, string> };
      (result.output as Dated).$metadata.date = headers?.['date'];
      return result;
    },
    { step: 'deserialize', priority: 'high', name: 'keepDateHeader' },
  );
  const object = { Bucket: bucket, Key: key, ExpectedBucketOwner: account };
  const dateOf = (output: object): number => Date.parse((output as Dated).$metadata.date ?? '');

  return {
    read: async (signal) => {
      try {
        const output = await client.send(new GetObjectCommand(object), endingWith(signal));
        const body = (await output.Body?.transformToString()) ?? '';
        const modifiedMs = output.LastModified?.getTime() ?? 0;
        return { nowMs: dateOf(output), version: { body, etag: output.ETag ?? '', modifiedMs } };
      } catch (error) {
        if (statusOf(error) !== 404 || codeOf(error) === 'NoSuchBucket')
          throw cloudError(`read ${key} from bucket ${bucket}`, error);
        const { $response } = error as { $response?: { headers?: Record<string, string> } };
        return { nowMs: Date.parse($response?.headers?.['date'] ?? ''), version: undefined };
      }
    },
    write: async (body, over, signal) => {
      const condition = over === undefined ? { IfNoneMatch: '*' } : { IfMatch: over };
      const write = new PutObjectCommand({
        ...object,
        ...condition,
        Body: body,
        ContentType: 'application/json',
      });
      try {
        const output = await client.send(write, endingWith(signal));
        return { kind: 'written', etag: output.ETag ?? '', nowMs: dateOf(output) };
      } catch (error) {
        if (conflicts.has(codeOf(error))) return { kind: 'conflict' };
        throw cloudError(`write ${key} into bucket ${bucket}`, error);
      }
    },
    close: () => client.destroy(),
  };
};
