/** How one request ended, as its client saw it. */
export type Outcome =
  | { readonly kind: 'answered'; readonly label: string }
  /** The server declined before taking the image: nothing is owed. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }
  /** Taken (it has an id), but no answer came: its result may still. */
  | { readonly kind: 'unanswered'; readonly reason: string };

/** One request that was sent; times are monotonic milliseconds. */
export interface Entry {
  readonly index: number;
  readonly image: string;
  readonly sentAtMs: number;
  /** From sending until its answer was read, or until it was clear that there will be none. */
  readonly latencyMs: number;
  /** The `Imgrec-Id` of the answer. */
  readonly id: string | undefined;
  /** HTTP status, when there was one. */
  readonly status: number | undefined;
  readonly outcome: Outcome;
}

/** What a look-up after the run found under an id. */
export type Found =
  | { readonly kind: 'ok'; readonly label: string; readonly seenAtMs: number }
  | { readonly kind: 'failed'; readonly reason: string };

export type Settlement =
  | {
      readonly kind: 'answered';
      readonly label: string;
      /** Its client had no answer; the result was found afterwards. */
      readonly late: boolean;
      readonly latencyMs: number;
    }
  | { readonly kind: 'refused' | 'failed' | 'lost'; readonly reason: string };

/** An entry about which nothing is open any more. */
export interface SettledEntry extends Entry {
  readonly settlement: Settlement;
}

/** The ids whose results have to be looked up, each once. */
export const unansweredIds = (entries: readonly Entry[]): readonly string[] => [
  ...new Set(
    entries.flatMap(({ id, outcome }) => (outcome.kind === 'unanswered' && id !== undefined ? [id] : [])),
  ),
];

const settleOne = (entry: Entry, found: ReadonlyMap<string, Found>): Settlement => {
  const { outcome, id, sentAtMs, latencyMs } = entry;
  switch (outcome.kind) {
    case 'answered':
      return { kind: 'answered', label: outcome.label, late: false, latencyMs };
    case 'refused':
    case 'failed':
      return outcome;
    case 'unanswered': {
      const result = id === undefined ? undefined : found.get(id);
      if (result === undefined) return { kind: 'lost', reason: outcome.reason };
      if (result.kind === 'failed') return result;
      // When it was seen, not when it was there: an upper bound, so that a late answer never flatters.
      const lateMs = Math.max(latencyMs, result.seenAtMs - sentAtMs);
      return { kind: 'answered', label: result.label, late: true, latencyMs: lateMs };
    }
  }
};

/** Decides what became of every request: each is answered, refused, failed or lost, and nothing else. */
export const settle = (
  entries: readonly Entry[],
  found: ReadonlyMap<string, Found>,
): readonly SettledEntry[] => entries.map((entry) => ({ ...entry, settlement: settleOne(entry, found) }));
