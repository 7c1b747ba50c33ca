import { createHash } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
  writevSync,
} from 'node:fs';
import path from 'node:path';
import { compareUtf8 } from './order.ts';
import { createRecentBodies } from './recent.ts';

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

interface Stored {
  readonly info: ObjectInfo;
  /** Where the body starts in the file. */
  readonly offset: number;
}

/** The objects of one bucket: an index in memory, one file for each object. */
export interface ObjectStore {
  get(key: string): ObjectInfo | undefined;
  /** The body; undefined when there is no such object. */
  read(key: string): Buffer | undefined;
  /** On disk when it returns: written beside its place, then renamed over it. */
  put(info: ObjectInfo, body: Buffer): void;
  remove(key: string): void;
  readonly size: () => number;
  /** Keys in the order of S3: by UTF-8 bytes. */
  keys(): readonly string[];
  /** Deletes the folder. */
  destroy(): void;
}

/** For each bucket: some hundred photographs, more than are ever between their writer and their reader. */
const recentBytes = 16 * 1024 * 1024;
const headerLimit = 64 * 1024;

/** Keys are arbitrary; the file's name is a hash, so that no key can leave the folder, clash with another or be too long. */
const fileOf = (folder: string, key: string): { readonly shard: string; readonly file: string } => {
  const name = createHash('sha256').update(key).digest('hex');
  const shard = path.join(folder, name.slice(0, 2));
  return { shard, file: path.join(shard, name.slice(2)) };
};

/** The header line of an object file; undefined when the file is not whole. */
const readHeader = (file: string): Stored | undefined => {
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    let buffer = Buffer.allocUnsafe(1024);
    let filled = readSync(fd, buffer, 0, buffer.length, 0);
    let end = buffer.subarray(0, filled).indexOf(10);
    if (end < 0 && filled === buffer.length) {
      buffer = Buffer.allocUnsafe(headerLimit);
      filled = readSync(fd, buffer, 0, buffer.length, 0);
      end = buffer.subarray(0, filled).indexOf(10);
    }
    if (end < 0) return undefined;
    const info = JSON.parse(buffer.toString('utf8', 0, end)) as ObjectInfo;
    return size === end + 1 + info.bytes ? { info, offset: end + 1 } : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
};

/**
 * @param folder made if absent; its index is rebuilt from the header lines, without reading bodies
 * @param temporary a folder on the same file system for files that are not whole yet
 */
export const openObjectStore = (folder: string, temporary: string): ObjectStore => {
  const index = new Map<string, Stored>();
  const shards = new Set<string>();
  const recent = createRecentBodies(recentBytes);
  let sorted: readonly string[] | undefined;
  let written = 0;

  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const shard of readdirSync(folder)) {
    const shardFolder = path.join(folder, shard);
    shards.add(shardFolder);
    for (const name of readdirSync(shardFolder)) {
      const stored = readHeader(path.join(shardFolder, name));
      if (stored && fileOf(folder, stored.info.key).file === path.join(shardFolder, name))
        index.set(stored.info.key, stored);
    }
  }

  return {
    get: (key) => index.get(key)?.info,

    read: (key) => {
      const stored = index.get(key);
      if (!stored) return undefined;
      const kept = recent.get(key);
      if (kept) return kept;
      const body = Buffer.allocUnsafe(stored.info.bytes);
      const fd = openSync(fileOf(folder, key).file, 'r');
      try {
        for (let done = 0; done < body.length; ) {
          const got = readSync(fd, body, done, body.length - done, stored.offset + done);
          if (got === 0) throw new Error(`the file of object ${key} is shorter than it was written`);
          done += got;
        }
      } finally {
        closeSync(fd);
      }
      return body;
    },

    put: (info, body) => {
      const header = Buffer.from(`${JSON.stringify(info)}\n`);
      const { shard, file } = fileOf(folder, info.key);
      if (!shards.has(shard)) {
        mkdirSync(shard, { recursive: true, mode: 0o700 });
        shards.add(shard);
      }
      const unfinished = path.join(temporary, `${process.pid}-${written++}`);
      const fd = openSync(unfinished, 'wx', 0o600);
      try {
        try {
          const wanted = header.length + body.length;
          let done = writevSync(fd, [header, body]);
          const whole = done < wanted ? Buffer.concat([header, body]) : undefined;
          while (whole && done < wanted) done += writeSync(fd, whole, done);
        } finally {
          closeSync(fd);
        }
        renameSync(unfinished, file);
      } catch (error) {
        rmSync(unfinished, { force: true });
        throw error;
      }
      if (!index.has(info.key)) sorted = undefined;
      index.set(info.key, { info, offset: header.length });
      recent.keep(info.key, body);
    },

    remove: (key) => {
      if (!index.has(key)) return;
      unlinkSync(fileOf(folder, key).file);
      index.delete(key);
      recent.drop(key);
      sorted = undefined;
    },

    size: () => index.size,
    keys: () => {
      sorted ??= [...index.keys()].sort(compareUtf8);
      return sorted;
    },
    destroy: () => rmSync(folder, { recursive: true, force: true }),
  };
};
