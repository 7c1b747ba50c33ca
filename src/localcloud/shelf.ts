import type { Entry, Journal } from './journal.ts';

/** Records of one kind by their key, in memory and in the journal. A record is never changed, only replaced. */
export interface Shelf<T> {
  get(key: string): T | undefined;
  /** In the order in which the keys were first put. */
  values(): IterableIterator<T>;
  /** Written down first: when the disk refuses, it throws and nothing has changed. */
  put(key: string, record: T): void;
  /** Does nothing where there is no such key. */
  remove(key: string): void;
}

export interface Shelves {
  /** @param kind what the journal calls them; each kind is opened once */
  open<T>(kind: string): Shelf<T>;
  /** @returns whether the entry was one of a shelf */
  replay(entry: Entry): boolean;
  snapshot(): Iterable<Entry>;
}

/** The journalled records of all services that need no more than get and put. A journal entry is `{t: kind, key, record}`, a removal has no record. */
export const createShelves = (journal: () => Journal): Shelves => {
  const shelves = new Map<string, Map<string, unknown>>();

  return {
    open: <T>(kind: string): Shelf<T> => {
      if (shelves.has(kind)) throw new Error(`the shelf ${kind} is open already`);
      const records = new Map<string, T>();
      shelves.set(kind, records);
      return {
        get: (key) => records.get(key),
        values: () => records.values(),
        put: (key, record) => {
          journal().append({ t: kind, key, record });
          records.set(key, record);
        },
        remove: (key) => {
          if (!records.has(key)) return;
          journal().append({ t: kind, key });
          records.delete(key);
        },
      };
    },
    replay: (entry) => {
      const records = shelves.get(entry.t);
      if (!records) return false;
      const key = entry['key'] as string;
      if (entry['record'] === undefined) records.delete(key);
      else records.set(key, entry['record']);
      return true;
    },
    snapshot: function* () {
      for (const [t, records] of shelves) for (const [key, record] of records) yield { t, key, record };
    },
  };
};
