import { z } from 'zod';
import type { S3 } from '../aws/s3.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Observation } from './observation.ts';
import type { Overruled } from './plan.ts';
import type { PolicyConfig } from './policy.ts';
import type { Why } from './why.ts';

/** One decision with everything that it was made from, so that it can be made again. */
export interface JournalEntry {
  readonly v: 1;
  /** ISO 8601, by the cloud's clock. */
  readonly at: string;
  readonly epoch: number;
  readonly config: PolicyConfig;
  /** What the policy remembered; absent where that is what the entry before left. `null`: nothing. */
  readonly before?: unknown;
  readonly observation: Observation;
  /** The policy's own number, and the one that the fleet is brought to. */
  readonly decided: number;
  readonly desired: number;
  readonly overruled?: NonNullable<Overruled>;
  readonly terminate: readonly string[];
  readonly why: Why;
  /** What was to be done, such as `drain i-1`. */
  readonly acts: readonly string[];
}

/** Read back, an entry is trusted to be one as far as its form goes; what is in it is judged by making the decision again. */
const journalEntry = z.looseObject({
  v: z.literal(1),
  at: z.string(),
  config: z.looseObject({ policy: z.string(), min: z.number(), max: z.number() }),
  observation: z.looseObject({
    nowSeconds: z.number(),
    instances: z.array(z.looseObject({ id: z.string() })),
  }),
  decided: z.number(),
  desired: z.number(),
  terminate: z.array(z.string()),
  why: z.looseObject({ from: z.number(), to: z.number() }),
  acts: z.array(z.string()),
});

export const journalPrefix = 'journal/scale/';

/** `journal/scale/2026-01-31/10-20-30-400.json`: names in the order of time. */
export const journalKey = (at: string): string =>
  `${journalPrefix}${at.slice(0, 10)}/${at.slice(11, 23).replaceAll(/[:.]/g, '-')}.json`;

/** Decisions that changed nothing are written together, this long after the first of them. */
const lingerMs = 60_000;
/** Text that is enough to be written: a decision about 1,000 instances is 150 KB, and twenty of them need not wait in memory. */
const enoughChars = 3_000_000;
/** Kept while S3 does not take them: a day and more of ten workers' decisions, a quarter of an hour of 1,000 workers'. */
const mostChars = 15_000_000;

export interface Journal {
  /**
   * @param after what the policy remembers now
   * @param urgent something was done: written now
   */
  note(entry: JournalEntry & { readonly before: unknown }, after: unknown, urgent: boolean): Promise<void>;
  flush(): Promise<void>;
}

/** Writes decisions as objects of one JSON line each. What cannot be written is logged, and tried again with the next. */
export const openJournal = (options: {
  readonly s3: Pick<S3, 'put'>;
  readonly bucket: string;
  readonly clock: Clock;
  readonly log: Log;
}): Journal => {
  const { s3, bucket, clock, log } = options;
  let lines: string[] = [];
  let chars = 0;
  /** When the first of them was decided. */
  let firstAt = '';
  let sinceMs = 0;
  /** What the last entry left, as text. */
  let left: string | undefined;

  const clear = () => {
    lines = [];
    chars = 0;
  };

  const flush = async () => {
    if (lines.length === 0) return;
    try {
      await s3.put(bucket, journalKey(firstAt), lines.join(''), 'application/x-ndjson');
      clear();
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'decisions could not be journalled; they are kept');
    }
  };

  return {
    note: async (entry, after, urgent) => {
      if (chars >= mostChars) clear();
      if (lines.length === 0) {
        sinceMs = clock.monotonicMs();
        firstAt = entry.at;
      }
      const { before, ...rest } = entry;
      // An object can be read by itself: its first entry says what was remembered, the others follow from the one before.
      const follows = lines.length > 0 && JSON.stringify(before) === left;
      const line = `${JSON.stringify(follows ? rest : entry)}\n`;
      lines.push(line);
      chars += line.length;
      left = JSON.stringify(after);
      const isDue = chars >= enoughChars || clock.monotonicMs() - sinceMs >= lingerMs;
      if (urgent || isDue) await flush();
    },
    flush,
  };
};

const parseLines = (body: string): JournalEntry[] =>
  body.split('\n').flatMap((line) => {
    if (line === '') return [];
    try {
      const parsed = journalEntry.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data as unknown as JournalEntry] : [];
    } catch {
      return [];
    }
  });

type Reader = Pick<S3, 'list' | 'get'>;

/** The entries of one object of the journal, oldest first. Lines that are no entries are left out. */
export const readObject = async (s3: Reader, bucket: string, key: string): Promise<JournalEntry[]> =>
  parseLines((await s3.get(bucket, key))?.toString() ?? '');

/** Keys of the journal, oldest first. */
export const journalKeys = async (s3: Reader, bucket: string): Promise<string[]> =>
  (await s3.list(bucket, journalPrefix)).map(({ key }) => key).sort();

/** Objects of the journal read at a time. */
const readAtOnce = 16;

/** Everything that the journal holds, oldest first. */
export const readWholeJournal = async (s3: Reader, bucket: string): Promise<JournalEntry[]> => {
  const keys = await journalKeys(s3, bucket);
  const entries: JournalEntry[] = [];
  for (let first = 0; first < keys.length; first += readAtOnce) {
    const read = keys.slice(first, first + readAtOnce).map((key) => readObject(s3, bucket, key));
    entries.push(...(await Promise.all(read)).flat());
  }
  return entries;
};
