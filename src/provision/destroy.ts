import { tagKeys } from '../aws/names.ts';
import { ImgrecError } from '../errors.ts';
import type { Clouds } from './clouds.ts';
import type { Step } from './diff.ts';
import type { Circumstances } from './keepers/keeper.ts';
import { findAll, type Keepers } from './keepers/keepers.ts';
import { findInstall } from './plan.ts';
import { type Found, type Key, type Kind, keyOf } from './resources.ts';
import { runSteps } from './run-steps.ts';
import { type Site, wantedNames } from './wanted.ts';

export interface DestroyPlan {
  readonly installId: string | undefined;
  /** All of them deletions. */
  readonly steps: readonly Step[];
  /** Buckets with images, results or anything else in them that imgrec did not put there for itself. */
  readonly holdingData: readonly string[];
}

/** Kinds in the order in which they go, one after the other; within a kind all at once. */
const order: readonly Kind[] = ['queue', 'parameter', 'bucket'];

/** Deletions in an order that can be carried on by another run: what says whose all this is goes last. Pure. */
export const deletions = (found: readonly Found[], opsBucket: string): readonly Step[] => {
  const rank = ({ kind, name }: Found): number =>
    kind === 'bucket' && name === opsBucket ? order.length : order.indexOf(kind);
  const sorted = [...found].sort((a, b) => rank(a) - rank(b));
  return sorted.map((each): Step => {
    const after: readonly Key[] = sorted.filter((other) => rank(other) < rank(each)).map(keyOf);
    const { kind, name } = each;
    return {
      action: 'delete',
      kind,
      name,
      changes: [],
      reason: 'carries the tags of this installation',
      found: each,
      after,
    };
  });
};

/** Those that carry this cluster's tags and this installation's: nothing else is ever deleted. Pure. */
export const oursAmong = (found: readonly Found[], cluster: string, installId: string): readonly Found[] =>
  found.filter(({ tags }) => tags[tagKeys.cluster] === cluster && tags[tagKeys.install] === installId);

/** What a destroy would delete. Changes nothing. Throws CloudError. */
export const planDestroy = async (clouds: Clouds, keepers: Keepers): Promise<DestroyPlan> => {
  const { names, place, buckets } = clouds;
  const { id, isStored } = await findInstall(clouds, keepers);
  if (id === undefined) return { installId: undefined, steps: [], holdingData: [] };
  const site: Site = { names, place, installId: id };
  const found = await findAll(keepers, await wantedNames(site, keepers));
  // A run that was cut short may have left the ops bucket without tags, but with install.json in it.
  const vouched = found.map((each) =>
    isStored && each.name === names.opsBucket && Object.keys(each.tags).length === 0
      ? { ...each, tags: { [tagKeys.cluster]: names.cluster, [tagKeys.install]: id } }
      : each,
  );
  const ours = oursAmong(vouched, names.cluster, id);
  const holding = await Promise.all(
    ours
      .filter(({ kind }) => kind === 'bucket')
      .map(async ({ name, isEmpty }) => {
        if (isEmpty === true) return [];
        if (name !== names.opsBucket) return [name];
        const strange = (await buckets.topLevel(name)).some((entry) => !names.opsEntries.includes(entry));
        return strange ? [name] : [];
      }),
  );
  return { installId: id, steps: deletions(ours, names.opsBucket), holdingData: holding.flat() };
};

/**
 * Deletes what a plan says. A second run after it finds nothing.
 * @throws ImgrecError when buckets hold data and `deleteData` is not set, or `signal` aborted; CloudError when a call fails
 */
export const destroy = async (
  { keepers, circumstances }: { readonly keepers: Keepers; readonly circumstances: Circumstances },
  plan: DestroyPlan,
  options: { readonly deleteData: boolean; readonly onDone?: (step: Step, seconds: number) => void },
): Promise<readonly Step[]> => {
  if (plan.holdingData.length > 0 && !options.deleteData)
    throw new ImgrecError(
      `${plan.holdingData.length > 1 ? 'buckets hold' : 'a bucket holds'} data: ${plan.holdingData.join(', ')}`,
      { hint: 'nothing was deleted; --delete-data deletes the data too' },
    );
  const done: Step[] = [];
  await runSteps(
    plan.steps,
    async ({ kind, found }) => {
      if (found !== undefined) await keepers[kind].remove(found);
    },
    {
      ...circumstances,
      onDone: (step, seconds) => {
        done.push(step);
        options.onDone?.(step, seconds);
      },
    },
  );
  if (done.length < plan.steps.length)
    throw new ImgrecError(`stopped after ${done.length} of ${plan.steps.length} deletions`, {
      hint: 'run "imgrec provision destroy" again to go on',
    });
  return done;
};
