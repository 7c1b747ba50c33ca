import { rmSync } from 'node:fs';
import { bytesOf, type Chunks } from '../chunks.ts';
import { compareUtf8 } from './order.ts';
import { createRecentBodies } from './recent.ts';
import { openSegments, type Place } from './segments.ts';

/** What is known of an object without its body. */
export interface ObjectInfo {
  readonly key: string;
  readonly bytes: number;
  /** MD5 as hex, without quotes. */
  readonly etag: string;
  /** Wall clock, milliseconds. */
  readonly modifiedMs: number;
  /** Headers given back as they were sent: Content-Type, x-amz-meta-*, x-amz-checksum-*, … */
  readonly headers: Readonly<Record<string, string>>;
}

/** The record of a deletion, without a body. */
interface Tombstone {
  readonly gone: string;
  readonly bytes: 0;
}

interface Stored {
  readonly info: ObjectInfo;
  readonly place: Place;
}

/** The objects of one bucket: an index in memory, the bodies in segments. */
export interface ObjectStore {
  get(key: string): ObjectInfo | undefined;
  /** The body; undefined when there is no such object. */
  read(key: string): Chunks | undefined;
  /** On disk when it returns. Throws, with nothing changed, when the disk refuses. */
  put(info: ObjectInfo, body: Chunks): void;
  remove(key: string): void;
  readonly size: () => number;
  /** Keys in the order of S3: by UTF-8 bytes. */
  keys(): readonly string[];
  close(): void;
  /** Deletes the folder. */
  destroy(): void;
}

export interface ObjectStoreOptions {
  readonly folder: string;
  /** Deletes the oldest segments once all together have this many bytes and more than half of them are of no use. */
  readonly cleanBytes?: number;
  readonly segmentBytes?: number;
}

/** For each bucket: some hundred photographs, more than are ever between their writer and their reader. */
const recentBytes = 16 * 1024 * 1024;

/** The index is rebuilt from the header lines, without reading bodies. */
export const openObjectStore = (options: ObjectStoreOptions): ObjectStore => {
  const { folder, cleanBytes = 64 * 1024 * 1024, segmentBytes = 16 * 1024 * 1024 } = options;
  const index = new Map<string, Stored>();
  const recent = createRecentBodies(recentBytes);
  let sorted: readonly string[] | undefined;
  let liveBytes = 0;
  let isClosed = false;
  let isCleaningDue = false;

  const forget = (key: string): void => {
    liveBytes -= index.get(key)?.place.recordBytes ?? 0;
    index.delete(key);
  };
  const note = (info: ObjectInfo, place: Place): void => {
    liveBytes += place.recordBytes - (index.get(info.key)?.place.recordBytes ?? 0);
    index.set(info.key, { info, place });
  };

  const segments = openSegments<ObjectInfo | Tombstone>({
    folder,
    segmentBytes,
    replay: (header, place) => {
      if ('gone' in header) forget(header.gone);
      else note(header, place);
    },
  });

  const isWasteful = (): boolean => {
    const totalBytes = segments.all.reduce((sum, { bytes }) => sum + bytes, 0);
    return segments.all.length > 1 && totalBytes > cleanBytes && totalBytes > 2 * liveBytes;
  };

  /**
   * Writes what is still of use of the oldest segment to the end, and deletes it. Always the oldest: its tombstones are about
   * nothing that is left, and nothing that it overrode can come back.
   */
  const cleanOldest = (): void => {
    const [oldest] = segments.all;
    if (!oldest) return;
    segments.scan(oldest, (header, place) => {
      if ('gone' in header) return;
      const stored = index.get(header.key);
      if (stored?.place.segment !== oldest || stored.place.offset !== place.offset) return;
      note(header, segments.append(header, [segments.read(place, header.bytes)]));
    });
    segments.dropOldest();
  };

  const cleanLater = (): void => {
    if (isCleaningDue || !isWasteful()) return;
    isCleaningDue = true;
    // One segment at a time, so that requests come in between.
    setImmediate(() => {
      isCleaningDue = false;
      if (isClosed) return;
      cleanOldest();
      cleanLater();
    });
  };

  const close = (): void => {
    isClosed = true;
    segments.close();
  };

  return {
    get: (key) => index.get(key)?.info,

    read: (key) => {
      const stored = index.get(key);
      return stored && (recent.get(key) ?? [segments.read(stored.place, stored.info.bytes)]);
    },

    put: (info, body) => {
      const place = segments.append(info, body);
      const isOverwrite = index.has(info.key);
      if (!isOverwrite) sorted = undefined;
      note(info, place);
      recent.keep(info.key, body, bytesOf(body));
      if (isOverwrite) cleanLater();
    },

    remove: (key) => {
      if (!index.has(key)) return;
      segments.append({ gone: key, bytes: 0 }, []);
      forget(key);
      recent.drop(key);
      sorted = undefined;
      cleanLater();
    },

    size: () => index.size,
    keys: () => {
      sorted ??= [...index.keys()].sort(compareUtf8);
      return sorted;
    },
    close,
    destroy: () => {
      close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
