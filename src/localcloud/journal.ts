import { closeSync, existsSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
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
const blockBytes = 1024 * 1024;

const parseEntry = (text: string): Entry | undefined => {
  try {
    return JSON.parse(text) as Entry;
  } catch {
    return undefined;
  }
};

const writeAll = (fd: number, data: Buffer): void => {
  for (let offset = 0; offset < data.length; ) offset += writeSync(fd, data, offset);
};

/** Lines with their newline as they come from the file, and the tail without one, which is the last. */
function* readLines(fd: number): Generator<{ readonly text: string; readonly whole: boolean }> {
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    const block = Buffer.allocUnsafe(blockBytes);
    const got = readSync(fd, block, 0, block.length, null);
    if (got === 0) break;
    rest = Buffer.concat([rest, block.subarray(0, got)]);
    let start = 0;
    for (let end = rest.indexOf(newline); end >= 0; end = rest.indexOf(newline, start)) {
      yield { text: rest.toString('utf8', start, end), whole: true };
      start = end + 1;
    }
    rest = rest.subarray(start);
  }
  if (rest.length > 0) yield { text: rest.toString('utf8'), whole: false };
}

/**
 * Replays an append-only JSONL file. A torn tail (a write that SIGKILL cut off) is dropped: the last line, when it has no
 * newline or is no JSON. Damage before it is an ImgrecError, because what follows was acknowledged.
 */
export const readJournal = (file: string, replay: (entry: Entry) => void): void => {
  if (!existsSync(file)) return;
  const fd = openSync(file, 'r');
  try {
    let line = 0;
    let damagedAt: number | undefined;
    for (const { text, whole } of readLines(fd)) {
      line++;
      if (damagedAt !== undefined)
        throw new ImgrecError(`${file} is damaged at line ${damagedAt}`, {
          hint: 'delete the state folder to start with an empty local cloud',
        });
      const entry = parseEntry(text);
      if (entry === undefined) damagedAt = line;
      else if (whole) replay(entry);
    }
  } finally {
    closeSync(fd);
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
