import { type SeedReply, stemOf, wireName } from '../jobs/seed.ts';

/** How one job is called on the seed's wire, and what became of it. */
export interface SeedJob {
  readonly id: string;
  readonly wireName: string;
  readonly startedAtMs: number;
  /** Resolves with its label. Never, when no reply comes. */
  readonly label: Promise<string>;
}

/** A reply as it came. */
export interface ReceivedReply {
  /** The id that was sent along with the request, where the worker gave it back. */
  readonly id: string | undefined;
  /** What the text may say, likeliest first. */
  readonly readings: readonly SeedReply[];
  /** Milliseconds since it was sent; undefined when unknown. */
  readonly ageMs: number | undefined;
}

/** Who is meant by which name: replies on the seed's wire name a file, and clients send files of one name at the same time. */
export interface SeedNames {
  /** Gives a job a name whose stem nobody else has now, or had until just now. */
  begin(id: string, fileName: string): SeedJob;
  /** Nothing was sent: the name is free again. */
  cancel(id: string): void;
  /** Nobody waits any more. Its reply may still come, so the name stays taken. */
  leave(id: string): void;
  /** @returns whether the reply was of a job of this process: then it can be deleted */
  settle(reply: ReceivedReply): boolean;
  /** The label of a job that was answered within the last quarter of an hour, whoever waited. */
  labelOf(id: string): string | undefined;
  waiting(): number;
}

interface Entry {
  readonly job: SeedJob;
  readonly stem: string;
  readonly resolve: (label: string) => void;
  state: 'waiting' | 'left' | 'answered';
  /** From then on nobody can take a second reply to this job for one to the next of its name. */
  freeAtMs: number;
  label: string | undefined;
}

/** A reply may be repeated, or come late: for so long it is known whose it was. */
const keepMs = 15 * 60_000;

/** The service's dates count in seconds, so an age may be wrong by one. */
const ageToleranceMs = 1_000;

/** Letters of an id: enough to tell apart jobs with one file name. */
const prefixLength = 8;

/** @param repeatMs how long after a reply the same may come again, because the worker died before it deleted the request */
export const createSeedNames = (clock: { monotonicMs(): number }, repeatMs: number): SeedNames => {
  const byId = new Map<string, Entry>();
  const byStem = new Map<string, Entry>();

  const forget = (entry: Entry) => {
    byId.delete(entry.job.id);
    if (byStem.get(entry.stem) === entry) byStem.delete(entry.stem);
  };

  /** Those that began first are first. */
  const forgetOld = () => {
    const before = clock.monotonicMs() - keepMs;
    for (const entry of byId.values()) {
      if (entry.job.startedAtMs > before) return;
      if (entry.state !== 'waiting') forget(entry);
    }
  };

  const isFree = (stem: string): boolean => {
    const holder = byStem.get(stem);
    return holder === undefined || (holder.state === 'answered' && clock.monotonicMs() >= holder.freeAtMs);
  };

  /** A reply that was sent before the job began is another's, of an earlier file with this name. */
  const isOlderThan = ({ job }: Entry, ageMs: number | undefined): boolean =>
    ageMs !== undefined && ageMs > clock.monotonicMs() - job.startedAtMs + ageToleranceMs;

  const answer = (entry: Entry, label: string, heldMs: number) => {
    entry.freeAtMs = Math.max(entry.freeAtMs, clock.monotonicMs() + heldMs);
    entry.state = 'answered';
    entry.label ??= label;
    entry.resolve(label);
  };

  return {
    begin: (id, fileName) => {
      forgetOld();
      const plain = wireName(fileName) || id;
      const name = isFree(stemOf(plain)) ? plain : `${id.slice(0, prefixLength)}-${plain}`;
      const stem = stemOf(name);
      let resolve: (label: string) => void = () => {};
      const label = new Promise<string>((settle) => {
        resolve = settle;
      });
      const job = { id, wireName: name, startedAtMs: clock.monotonicMs(), label };
      const entry: Entry = { job, stem, resolve, state: 'waiting', freeAtMs: 0, label: undefined };
      byId.set(id, entry);
      byStem.set(stem, entry);
      return job;
    },
    cancel: (id) => {
      const entry = byId.get(id);
      if (entry !== undefined) forget(entry);
    },
    leave: (id) => {
      const entry = byId.get(id);
      if (entry?.state === 'waiting') entry.state = 'left';
    },
    settle: ({ id, readings, ageMs }) => {
      if (id !== undefined) {
        const entry = byId.get(id);
        if (entry === undefined) return false;
        const named = readings.find(({ name }) => [name, stemOf(name)].includes(entry.stem));
        const label = (named ?? readings[0])?.label;
        // A worker that gives ids back does so with every reply: no name is needed to tell them apart.
        if (label !== undefined) answer(entry, label, 0);
        return true;
      }
      for (const { name, label } of readings) {
        const entry = byStem.get(name) ?? byStem.get(stemOf(name));
        if (entry === undefined || isOlderThan(entry, ageMs)) continue;
        answer(entry, label, repeatMs);
        return true;
      }
      return false;
    },
    labelOf: (id) => byId.get(id)?.label,
    waiting: () => [...byId.values()].filter(({ state }) => state === 'waiting').length,
  };
};
