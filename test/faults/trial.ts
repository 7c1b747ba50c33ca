import { type Judgement, judge, type Operation } from './history.ts';
import type { Lab, LabOptions } from './lab.ts';
import type { Photo } from './photos.ts';
import type { Edit, Product } from './product.ts';
import type { Random } from './random.ts';
import { settle } from './settle.ts';

/** One thing that a test requires, and what it found. */
export interface Check {
  readonly what: string;
  readonly measured: string;
  readonly must: string;
  readonly ok: boolean;
}

export type Finding =
  | { readonly kind: 'judged'; readonly judgement: Judgement; readonly checks: readonly Check[] }
  /** The machine cannot do it; said visibly, and no failure. */
  | { readonly kind: 'skipped'; readonly why: string };

/** What a test gets. */
export interface Trial {
  /** `short` runs in CI, `full` is what reliability is claimed from. */
  readonly size: 'short' | 'full';
  /** The one of two values that fits the size. */
  pick<T>(short: T, full: T): T;
  readonly seed: number;
  readonly random: Random;
  readonly product: Product;
  readonly photos: readonly Photo[];
  /** The sample photographs as they are, where it matters what an image costs. */
  readonly wholePhotos: readonly Photo[];
  /** A folder of its own, which exists. */
  readonly folder: string;
  /** How long a soak may take. */
  readonly minutes: number | undefined;
  /** A cluster that is closed when the test is over. */
  lab(options?: Partial<LabOptions>): Promise<Lab>;
  /** A copy of the product with changes, for what cannot be provoked from outside. */
  mutated(edits: readonly Edit[]): Promise<Product>;
  /** To be called when the test is over, last first. */
  atEnd(act: () => Promise<void> | void): void;
  say(line: string): void;
}

export interface FaultTest {
  readonly name: string;
  readonly title: string;
  /** Too long for CI whatever its size. */
  readonly nightly?: boolean;
  /** Waits much and works little: begun first, so that the others run beside it. */
  readonly long?: boolean;
  /** Compares speeds, so that no other test may run beside it. */
  readonly alone?: boolean;
  run(trial: Trial): Promise<Finding>;
}

const shown = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(2));

export const equals = (what: string, measured: number | string, wanted: number | string): Check => ({
  what,
  measured: typeof measured === 'number' ? shown(measured) : measured,
  must: `= ${wanted}`,
  ok: measured === wanted,
});
export const atMost = (what: string, measured: number, limit: number): Check => ({
  what,
  measured: shown(measured),
  must: `<= ${shown(limit)}`,
  ok: measured <= limit,
});
export const atLeast = (what: string, measured: number, limit: number): Check => ({
  what,
  measured: shown(measured),
  must: `>= ${shown(limit)}`,
  ok: measured >= limit,
});
export const isTrue = (what: string, ok: boolean): Check => ({
  what,
  measured: String(ok),
  must: '= true',
  ok,
});

/**
 * A figure that depends on what else the machine does: judged in the full run, which has the machine to itself, and only shown
 * in the short one.
 */
export const timed = ({ size }: Pick<Trial, 'size'>, check: Check): Check =>
  size === 'full' ? check : { ...check, must: `${check.must} in the full run`, ok: true };

/** What every test requires: nothing lost, invented, answered twice, wrong or expired. */
export const nothingAmiss = (judgement: Judgement): Check[] =>
  (['lost', 'unexpected', 'duplicated', 'wrong', 'expired'] as const).map((kind) =>
    equals(kind, judgement[kind].length, 0),
  );

/** Settles the cluster, judges the history, and adds the checks that every test has. `checks` looks at the settled cluster. */
export const conclude = async (
  lab: Lab,
  operations: readonly Operation[],
  faultsEndedAtMs: number | undefined,
  checks: (judgement: Judgement) => Promise<readonly Check[]>,
): Promise<Finding> => {
  const judgement = judge(await settle(lab, operations, faultsEndedAtMs));
  return { kind: 'judged', judgement, checks: [...nothingAmiss(judgement), ...(await checks(judgement))] };
};

/** The dead letters of a cluster, which must usually be none. */
export const deadLetters = async (lab: Lab): Promise<number> => {
  const { visible, inFlight } = await lab.depth(lab.cluster.names.deadLetters);
  return visible + inFlight;
};
