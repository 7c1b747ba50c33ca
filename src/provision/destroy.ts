import { type ClusterNames, tagKeys } from '../aws/names.ts';
import { ImgrecError } from '../errors.ts';
import type { Clouds } from './clouds.ts';
import { oursAmong, type Step } from './diff.ts';
import { drain } from './drain.ts';
import { findAll, type Keepers } from './keepers/keepers.ts';
import { findInstall } from './plan.ts';
import type { Provisioner } from './provision.ts';
import { type Found, type Key, type Kind, keyOf, kinds } from './resources.ts';
import { runSteps } from './run-steps.ts';

export interface DestroyPlan {
  readonly installId: string | undefined;
  /** All of them deletions. */
  readonly steps: readonly Step[];
  /** Buckets with images, results or anything else in them that imgrec did not put there for itself. */
  readonly holdingData: readonly string[];
}

/** What goes after what; within a rank all at once. Web instances first: they bring work, and launch workers. */
const order: readonly ((found: Found) => boolean)[] = [
  ({ kind, tags }) => kind === 'instance' && tags[tagKeys.role] === 'web',
  ({ kind }) => kind === 'instance',
  ({ kind }) => kind === 'address' || kind === 'launch-template' || kind === 'image',
  ({ kind }) => kind === 'security-group' || kind === 'profile',
  ({ kind }) => kind === 'role' || kind === 'document',
  ({ kind }) => kind === 'queue' || kind === 'parameter' || kind === 'secret',
  ({ kind }) => kind === 'bucket',
];

/** Deletions in an order that can be carried on by another run: what says whose all this is goes last. Pure. */
export const deletions = (found: readonly Found[], opsBucket: string): readonly Step[] => {
  const rank = (each: Found): number =>
    each.kind === 'bucket' && each.name === opsBucket
      ? order.length
      : order.findIndex((belongs) => belongs(each));
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

/**
 * Everything of a cluster that may exist, whatever was chosen when it was made: what has a fixed name, and what is found by
 * its tags or prefix, such as instances and the web processes' reply queues.
 */
const possible = async (
  names: ClusterNames,
  keepers: Keepers,
): Promise<readonly { readonly kind: Kind; readonly name: string }[]> => {
  const of = (kind: Kind, ...all: readonly string[]) => all.map((name) => ({ kind, name }));
  const others = await Promise.all(
    kinds.map(async (kind) => of(kind, ...((await keepers[kind].others?.(names)) ?? []))),
  );
  const ofRoles = ['role', 'profile', 'security-group', 'launch-template'] as const;
  return [
    ...of('bucket', names.opsBucket, names.inputBucket, names.outputBucket),
    ...of('queue', names.requests, names.deadLetters),
    ...of('parameter', names.settingsParameter, names.imageParameter),
    ...of('secret', names.apiKeysParameter),
    ...of('document', names.drainDocument),
    ...ofRoles.flatMap((kind) => of(kind, names.webName, names.workerName)),
    ...others.flat(),
  ];
};

/** What a destroy would delete. Changes nothing. Throws CloudError. */
export const planDestroy = async (clouds: Clouds, keepers: Keepers): Promise<DestroyPlan> => {
  const { names, buckets } = clouds;
  const { id, isStored } = await findInstall(clouds, keepers);
  if (id === undefined) return { installId: undefined, steps: [], holdingData: [] };
  const found = await findAll(keepers, names.cluster, await possible(names, keepers));
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
  { clouds, keepers, circumstances }: Pick<Provisioner, 'clouds' | 'keepers' | 'circumstances'>,
  plan: DestroyPlan,
  options: {
    readonly deleteData: boolean;
    /** What a worker gets to finish what runs. */
    readonly graceSeconds: number;
    readonly onDone?: (step: Step, seconds: number) => void;
  },
): Promise<readonly Step[]> => {
  if (plan.holdingData.length > 0 && !options.deleteData)
    throw new ImgrecError(
      `${plan.holdingData.length > 1 ? 'buckets hold' : 'a bucket holds'} data: ${plan.holdingData.join(', ')}`,
      { hint: 'nothing was deleted; --delete-data deletes the data too' },
    );
  const done = await runSteps(
    plan.steps,
    async ({ kind, found }) => {
      if (found === undefined) return;
      if (kind === 'instance' && found.tags[tagKeys.role] === 'worker')
        await drain(clouds, found.id, options.graceSeconds, circumstances);
      await keepers[kind].remove(found);
    },
    { ...circumstances, onDone: options.onDone },
  );
  if (done.length < plan.steps.length)
    throw new ImgrecError(`stopped after ${done.length} of ${plan.steps.length} deletions`, {
      hint: 'run "imgrec provision destroy" again to go on',
    });
  return done;
};
