/**
 * What was asked, what came back, what is in the store, and whether that is right: in the manner of Jepsen's `total-queue`
 * ("what goes in must come out") and `set-full`. Pure: a history in, a judgement out.
 */

/** What an image was answered with: its label, or that it has none. Why it failed is shown and not compared. */
export type Answer =
  | { readonly kind: 'label'; readonly label: string }
  | { readonly kind: 'failed'; readonly why?: string }
  | { readonly kind: 'expired' };

/** How a client's request ended. */
export type End =
  | { readonly kind: 'ok'; readonly atMs: number; readonly answer: Answer }
  /** Refused: the cluster did not take it, or says so. */
  | { readonly kind: 'fail'; readonly atMs: number; readonly why: string }
  /** Nobody knows: the connection broke or the time was over. It may still have been taken. */
  | { readonly kind: 'info'; readonly atMs: number; readonly why: string };

export interface Operation {
  /** Of the image; no two operations send the same bytes, so it stands for the operation. */
  readonly sha256: string;
  readonly invokedAtMs: number;
  readonly expected: Answer;
  /** Absent where no answer with an id arrived. */
  readonly id: string | undefined;
  readonly end: End;
}

/** One result found in the store. */
export interface Stored {
  readonly id: string;
  /** Of the image that is stored under this id; undefined when there is none. */
  readonly sha256: string | undefined;
  readonly answer: Answer;
  /** By the store's own date. */
  readonly storedAtMs: number;
}

export interface History {
  readonly operations: readonly Operation[];
  /** Everything in the store, once no message is left in the queue or the time for late results is over. */
  readonly stored: readonly Stored[];
  /** When the last fault ended; undefined when there was none. */
  readonly faultsEndedAtMs: number | undefined;
}

/** Ids (or hashes, where no id is known) of what is not right, and what is worth knowing about the run. */
export interface Judgement {
  readonly ops: number;
  /** The cluster gave its promise: an answer, or an id and "later". */
  readonly acked: number;
  /** Promised, and neither answered nor in the store; or a label answered whose result is not in the store. */
  readonly lost: readonly string[];
  /** In the store, and never asked for. */
  readonly unexpected: readonly string[];
  /** Answered to a client more than once. */
  readonly duplicated: readonly string[];
  /** A label that is not the image's own, answered or stored; or two answers for one id. */
  readonly wrong: readonly string[];
  readonly expired: readonly string[];
  /** A line for each operation that is lost, answered twice, wrong or expired: what was expected, answered and stored. */
  readonly accounts: readonly string[];
  /** Refused to the client. */
  readonly refused: number;
  /** Done although the client got no promise. */
  readonly recovered: number;
  /** Promised, not answered, found in the store afterwards. */
  readonly late: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From the last fault's end until the last of what was asked before had its result. */
  readonly recoverySeconds: number;
}

const isSame = (a: Answer, b: Answer): boolean =>
  a.kind === b.kind && (a.kind !== 'label' || b.kind !== 'label' || a.label === b.label);

const shownAnswer = (answer: Answer): string => {
  if (answer.kind === 'label') return answer.label;
  return answer.kind === 'failed' && answer.why !== undefined ? `failed (${answer.why})` : answer.kind;
};

const accountOf = ({ id, sha256, expected, end }: Operation, result: Stored | undefined): string =>
  [
    `${id ?? `image ${sha256}`}: expected ${shownAnswer(expected)}`,
    `answered ${end.kind === 'ok' ? shownAnswer(end.answer) : `nothing (${end.why})`}`,
    `stored ${result === undefined ? 'nothing' : shownAnswer(result.answer)}`,
  ].join(', ');

const isAcked = ({ id, end }: Operation): boolean =>
  id !== undefined && (end.kind === 'ok' || end.kind === 'info');

/** Nearest rank; 0 of nothing. */
export const percentile = (values: readonly number[], rank: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(rank * sorted.length) - 1)] ?? 0;
};

export const judge = ({ operations, stored, faultsEndedAtMs }: History): Judgement => {
  const byId = new Map(stored.map((result) => [result.id, result]));
  const bySha256 = new Map(stored.map((result) => [result.sha256, result]));
  const attempted = new Map(operations.map((operation) => [operation.sha256, operation]));
  const ids = new Set(operations.flatMap(({ id }) => id ?? []));

  const lost = new Set<string>();
  const wrong = new Set<string>();
  const expired = new Set<string>();
  const duplicated = new Set<string>();
  const answered = new Set<string>();
  const latenciesMs: number[] = [];
  const doneAtMs: number[] = [];
  let late = 0;
  let recovered = 0;

  for (const operation of operations) {
    const { sha256, id, end, expected, invokedAtMs } = operation;
    const name = id ?? sha256;
    const result = id === undefined ? bySha256.get(sha256) : byId.get(id);
    const early = faultsEndedAtMs !== undefined && invokedAtMs <= faultsEndedAtMs;
    if (end.kind === 'ok') {
      latenciesMs.push(end.atMs - invokedAtMs);
      if (early) doneAtMs.push(end.atMs);
      if (end.answer.kind === 'expired') expired.add(name);
      else if (!isSame(end.answer, expected)) wrong.add(name);
      if (id !== undefined && answered.has(id)) duplicated.add(id);
      if (id !== undefined) answered.add(id);
      // A label is a promise that the result can be fetched again; a refusal by the web tier is stored nowhere.
      if (end.answer.kind === 'label' && result === undefined) lost.add(name);
      if (result !== undefined && !isSame(result.answer, end.answer)) wrong.add(name);
    } else if (isAcked(operation)) {
      if (result === undefined) lost.add(name);
      else late++;
    } else if (result !== undefined) recovered++;
    if (result !== undefined) {
      if (end.kind !== 'ok' && early) doneAtMs.push(result.storedAtMs);
      if (result.answer.kind === 'expired') expired.add(name);
      else if (!isSame(result.answer, expected)) wrong.add(name);
    }
  }

  const amiss = new Set([...lost, ...duplicated, ...wrong, ...expired]);
  const accounts = operations
    .filter(({ id, sha256 }) => amiss.has(id ?? sha256))
    .map((operation) => {
      const { id, sha256 } = operation;
      return accountOf(operation, id === undefined ? bySha256.get(sha256) : byId.get(id));
    });
  const unexpected = stored
    .filter(({ id, sha256 }) => !ids.has(id) && !(sha256 !== undefined && attempted.has(sha256)))
    .map(({ id }) => id);
  const recoveryMs = faultsEndedAtMs === undefined ? 0 : Math.max(0, ...doneAtMs) - faultsEndedAtMs;
  return {
    ops: operations.length,
    acked: operations.filter(isAcked).length,
    lost: [...lost],
    unexpected,
    duplicated: [...duplicated],
    wrong: [...wrong],
    expired: [...expired],
    accounts,
    refused: operations.filter(({ end }) => end.kind === 'fail').length,
    recovered,
    late,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    recoverySeconds: Math.max(0, recoveryMs) / 1_000,
  };
};
