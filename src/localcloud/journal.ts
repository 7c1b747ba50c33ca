import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { ImgrecError } from '../errors.ts';

export type Entry = Readonly<Record<string, unknown>> & { readonly t: string };

export interface Journal {
  /**
   * Writes one entry. When it returns the entry survives SIGKILL (it is in the kernel's page cache; no fsync), so the
   * caller appends first and changes its memory afterwards. Throws, with nothing written, when the disk refuses.
   */
  append(entry: Entry): void;
  close(): void;
}

export interface JournalOptions {
  readonly file: string;
  /** Called for each entry at start, in order. */
  readonly replay: (entry: Entry) => void;
  /** The entries that rebuild the present state; what compaction writes. */
  readonly snapshot: () => Iterable<Entry>;
  /** Compacts a running journal once it is this large and four times its last compacted size. */
  readonly compactBytes?: number;
}

const newline = 10;

const writeAll = (fd: number, data: Buffer): void => {
  for (let offset = 0; offset < data.length; ) offset += writeSync(fd, data, offset);
};

/** Entries of an append-only JSONL file. A torn tail (a write that SIGKILL cut off) is dropped; damage before it is an error. */
export const readJournal = (file: string, replay: (entry: Entry) => void): void => {
  if (!existsSync(file)) return;
  const data = readFileSync(file);
  for (let start = 0, line = 1; start < data.length; line++) {
    const end = data.indexOf(newline, start);
    if (end < 0) return;
    let entry: Entry;
    try {
      entry = JSON.parse(data.toString('utf8', start, end)) as Entry;
    } catch (cause) {
      if (end === data.length - 1) return;
      throw new ImgrecError(`${file} is damaged at line ${line}`, {
        hint: 'delete the state folder to start with an empty local cloud',
        cause,
      });
    }
    replay(entry);
    start = end + 1;
  }
};

/** Replays the journal, compacts it (write, then rename) and opens it for appending. */
export const openJournal = (options: JournalOptions): Journal => {
  const { file, snapshot } = options;
  const compactBytes = options.compactBytes ?? 64 * 1024 * 1024;
  readJournal(file, options.replay);

  let fd: number | undefined;
  let bytes = 0;
  let compactedBytes = 0;
  let compactionDue = false;

  const compact = (): void => {
    const next = openSync(`${file}.new`, 'w', 0o600);
    let written = 0;
    let pending: Buffer[] = [];
    let pendingBytes = 0;
    const drain = (): void => {
      const block = Buffer.concat(pending);
      writeAll(next, block);
      written += block.length;
      pending = [];
      pendingBytes = 0;
    };
    for (const entry of snapshot()) {
      const line = Buffer.from(`${JSON.stringify(entry)}\n`);
      pending.push(line);
      pendingBytes += line.length;
      if (pendingBytes > 1024 * 1024) drain();
    }
    drain();
    renameSync(`${file}.new`, file);
    if (fd !== undefined) closeSync(fd);
    fd = next;
    bytes = written;
    compactedBytes = written;
  };
  compact();

  return {
    append: (entry) => {
      if (fd === undefined) throw new Error('the journal is closed');
      const line = Buffer.from(`${JSON.stringify(entry)}\n`);
      try {
        writeAll(fd, line);
      } catch (error) {
        ftruncateSync(fd, bytes);
        throw error;
      }
      bytes += line.length;
      if (bytes > compactBytes && bytes > 4 * compactedBytes && !compactionDue) {
        compactionDue = true;
        // Later, because the caller applies the entry to its memory only after this returns.
        setImmediate(() => {
          compactionDue = false;
          if (fd !== undefined) compact();
        });
      }
    },
    close: () => {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
};
