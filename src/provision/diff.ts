import { isDeepStrictEqual } from 'node:util';
import { tagKeys } from '../aws/names.ts';
import type { Attributes } from '../aws/sqs-queues.ts';
import {
  type AnyResource,
  type Found,
  type Key,
  type Kind,
  keyOf,
  neededBy,
  withReferences,
} from './resources.ts';

/** One line of a plan. `changes` are the names of the aspects that differ. */
export interface Step {
  readonly action: 'create' | 'update' | 'delete' | 'keep';
  readonly kind: Kind;
  readonly name: string;
  readonly changes: readonly string[];
  readonly reason: string;
  readonly wanted?: AnyResource;
  readonly found?: Found;
  /** Steps that must be done before this one. */
  readonly after: readonly Key[];
}

/** A step as reports have it. */
export const describeStep = ({ action, kind, name, changes, reason }: Step) => ({
  action,
  kind,
  name,
  changes,
  reason,
});

/** Whose resources these are. */
export interface Owner {
  readonly cluster: string;
  readonly installId: string;
  /** Takes over what carries no tags of another cluster. */
  readonly adopt: boolean;
}

/** Something with one of our names that is not ours to change. */
export interface Conflict {
  readonly kind: Kind;
  readonly name: string;
  readonly why: string;
  /** Whether --adopt takes it over. */
  readonly isAdoptable: boolean;
}

/** An attribute that holds JSON is compared by meaning: services change its spelling, and numbers may come back as text. */
const canonical = (value: unknown): unknown => {
  if (typeof value === 'string' && /^\s*[{[]/.test(value)) {
    try {
      return canonical(JSON.parse(value));
    } catch {
      return value;
    }
  }
  // No list of ours has an order that means anything.
  if (Array.isArray(value))
    return value
      .map(canonical)
      .map((item) => JSON.stringify(item))
      .sort();
  if (typeof value !== 'object' || value === null) return value === undefined ? undefined : String(value);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, canonical(inner)]),
  );
};

const differs = (wanted: unknown, found: unknown): boolean =>
  !isDeepStrictEqual(canonical(wanted), canonical(found));

/** Not every SQS tells it (moto does not), and where one does it can be changed but not removed. */
const untold = new Set(['RedriveAllowPolicy']);

const lacksTags = (wanted: Attributes, found: Attributes): boolean =>
  Object.entries(wanted).some(([key, value]) => found[key] !== value);

const short = (value: unknown): string | undefined => {
  const text =
    value === undefined ? 'absent' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length <= 40 ? text : undefined;
};

/** "VisibilityTimeout is 77, not 30": in words where both fit. */
const wordsFor = (name: string, wanted: unknown, found: unknown): string => {
  const [want, has] = [short(wanted), short(found)];
  return want === undefined || has === undefined
    ? `${name} is not as wanted`
    : `${name} is ${has}, not ${want}`;
};

/** Whose a found resource is, by its tags. */
type Belonging = 'ours' | 'nobody' | 'lost' | 'other';

const belongingOf = ({ tags }: Found, owner: Owner): Belonging => {
  const [cluster, install] = [tags[tagKeys.cluster], tags[tagKeys.install]];
  if (cluster === undefined && install === undefined) return 'nobody';
  if (cluster !== owner.cluster) return 'other';
  return install === owner.installId ? 'ours' : 'lost';
};

/** Those that carry this cluster's tags and this installation's: nothing else is ever deleted. Pure. */
export const oursAmong = (found: readonly Found[], cluster: string, installId: string): readonly Found[] =>
  found.filter(({ tags }) => tags[tagKeys.cluster] === cluster && tags[tagKeys.install] === installId);

const conflictOf = (found: Found, owner: Owner): Conflict | undefined => {
  const { kind, name } = found;
  switch (belongingOf(found, owner)) {
    case 'ours':
      return undefined;
    case 'nobody':
      // A bucket gets its tags in a second call: an empty one may be what a run left that was cut short.
      if (owner.adopt || found.isEmpty === true) return undefined;
      return { kind, name, why: 'exists without tags of this cluster', isAdoptable: true };
    case 'lost':
      if (owner.adopt) return undefined;
      return {
        kind,
        name,
        why: 'belongs to another installation of a cluster of this name',
        isAdoptable: true,
      };
    case 'other':
      return {
        kind,
        name,
        why: `belongs to cluster ${found.tags[tagKeys.cluster] ?? '?'}`,
        isAdoptable: false,
      };
  }
};

const compare = (wanted: AnyResource, found: Found, ids: ReadonlyMap<Key, string>, owner: Owner): Step => {
  const aspects: Readonly<Record<string, unknown>> = withReferences(wanted.aspects, (key) => ids.get(key));
  const changed = Object.keys(aspects).filter(
    (name) =>
      differs(aspects[name], found.aspects[name]) && !(untold.has(name) && found.aspects[name] === undefined),
  );
  const retag = lacksTags(wanted.tags, found.tags);
  const words = changed.map((name) => wordsFor(name, aspects[name], found.aspects[name]));
  const untagged = belongingOf(found, owner) === 'ours' ? 'tags are missing' : 'taken over';
  const common = { kind: wanted.kind, name: wanted.name, wanted, found, after: neededBy(wanted) };
  return changed.length === 0 && !retag
    ? { ...common, action: 'keep', changes: [], reason: 'as wanted' }
    : {
        ...common,
        action: 'update',
        changes: [...changed, ...(retag ? ['tags'] : [])],
        reason: [...(retag ? [untagged] : []), ...words].join('; '),
      };
};

/**
 * The steps from what was found to what is wanted, in an order in which they can be done, deletions last; and what
 * stands in the way. Pure.
 * @param wanted in an order in which they can be made
 * @param extras ours, and not wanted any more
 */
export const diff = (
  wanted: readonly AnyResource[],
  found: readonly Found[],
  owner: Owner,
  extras: readonly Found[] = [],
): { readonly steps: readonly Step[]; readonly conflicts: readonly Conflict[] } => {
  const byKey = new Map(found.map((each) => [keyOf(each), each]));
  const ids = new Map(found.map((each) => [keyOf(each), each.id]));
  const steps = wanted.map((resource): Step => {
    const present = byKey.get(keyOf(resource));
    if (present !== undefined) return compare(resource, present, ids, owner);
    const { kind, name } = resource;
    return {
      action: 'create',
      kind,
      name,
      changes: [],
      reason: 'does not exist',
      wanted: resource,
      after: neededBy(resource),
    };
  });
  const deletions = extras.map(
    (extra): Step => ({
      action: 'delete',
      kind: extra.kind,
      name: extra.name,
      changes: [],
      reason: 'no longer wanted',
      found: extra,
      after: [],
    }),
  );
  return {
    steps: [...steps, ...deletions],
    conflicts: found.flatMap((each) => conflictOf(each, owner) ?? []),
  };
};
