import { rmSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import type { Entry, Journal } from '../journal.ts';
import { type ObjectStore, openObjectStore } from './objects.ts';

export interface Bucket {
  readonly name: string;
  /** Wall clock, milliseconds. */
  readonly createdMs: number;
  readonly objects: ObjectStore;
  /** Sub-resource (`tagging`, `policy`, …) to the document as it was sent. */
  readonly documents: Map<string, string>;
}

export interface Buckets {
  /** Makes it if absent, as us-east-1 does for a bucket's owner. */
  create(name: string): Bucket;
  /** Throws NoSuchBucket. */
  get(name: string): Bucket;
  list(): readonly Bucket[];
  /** Throws BucketNotEmpty. */
  remove(name: string): void;
  setDocument(bucket: Bucket, kind: string, document: string | undefined): void;
  replay(entry: Entry): void;
  snapshot(): Iterable<Entry>;
  close(): void;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const isBucketName = (name: string): boolean =>
  /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
  !name.includes('..') &&
  !/^\d+\.\d+\.\d+\.\d+$/.test(name);

/** Buckets are in the journal, objects in segments below `folder`. */
export const createBuckets = (options: {
  readonly clock: Clock;
  readonly journal: () => Journal;
  readonly folder: string;
}): Buckets => {
  const buckets = new Map<string, Bucket>();
  const folderOf = (name: string): string => path.join(options.folder, 'buckets', name);

  const add = (name: string, createdMs: number): Bucket => {
    const bucket: Bucket = {
      name,
      createdMs,
      objects: openObjectStore({ folder: folderOf(name) }),
      documents: new Map(),
    };
    buckets.set(name, bucket);
    return bucket;
  };

  const get = (name: string): Bucket => {
    const bucket = buckets.get(name);
    if (!bucket) throw new Refusal('NoSuchBucket', 'The specified bucket does not exist', 404);
    return bucket;
  };

  const keep = (bucket: Bucket, kind: string, document: string | undefined): void => {
    if (document === undefined) bucket.documents.delete(kind);
    else bucket.documents.set(kind, document);
  };

  return {
    create: (name) => {
      const present = buckets.get(name);
      if (present) return present;
      if (!isBucketName(name)) throw new Refusal('InvalidBucketName', 'The specified bucket is not valid.');
      const createdMs = options.clock.wallMs();
      // SIGKILL may have come between a removal's entry and the deletion of its folder.
      rmSync(folderOf(name), { recursive: true, force: true });
      options.journal().append({ t: 's3.create', bucket: name, createdMs });
      return add(name, createdMs);
    },
    get,
    list: () => [...buckets.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    remove: (name) => {
      const bucket = get(name);
      if (bucket.objects.size() > 0)
        throw new Refusal('BucketNotEmpty', 'The bucket you tried to delete is not empty', 409);
      options.journal().append({ t: 's3.remove', bucket: name });
      buckets.delete(name);
      bucket.objects.destroy();
    },
    setDocument: (bucket, kind, document) => {
      options.journal().append({ t: 's3.document', bucket: bucket.name, kind, document });
      keep(bucket, kind, document);
    },
    replay: (entry) => {
      const name = entry['bucket'] as string;
      const bucket = buckets.get(name);
      if (entry.t === 's3.create') add(name, entry['createdMs'] as number);
      else if (entry.t === 's3.remove') {
        bucket?.objects.close();
        buckets.delete(name);
      } else if (entry.t === 's3.document' && bucket)
        keep(bucket, entry['kind'] as string, entry['document'] as string | undefined);
    },
    snapshot: function* () {
      for (const bucket of buckets.values()) {
        yield { t: 's3.create', bucket: bucket.name, createdMs: bucket.createdMs };
        for (const [kind, document] of bucket.documents)
          yield { t: 's3.document', bucket: bucket.name, kind, document };
      }
    },
    close: () => {
      for (const { objects } of buckets.values()) objects.close();
    },
  };
};
