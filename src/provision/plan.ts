import { randomUUID } from 'node:crypto';
import { CloudError } from '../aws/errors.ts';
import { installKey, readInstallId } from '../aws/install.ts';
import { tagKeys } from '../aws/names.ts';
import { ImgrecError } from '../errors.ts';
import type { Clouds } from './clouds.ts';
import { type Conflict, diff, oursAmong, type Step } from './diff.ts';
import { findAll, type Keepers } from './keepers/keepers.ts';
import type { AnyResource, Found } from './resources.ts';
import type { Site } from './site.ts';
import { type Wish, wantedResources } from './wanted.ts';

export interface Plan {
  readonly site: Site;
  /** Whether install.json says so already; else this plan proposes an id, and whoever writes the file first decides. */
  readonly isInstalled: boolean;
  readonly wanted: readonly AnyResource[];
  readonly steps: readonly Step[];
}

/** What there is to do: a plan without any leaves everything as it is. */
export const changesOf = ({ steps }: Pick<Plan, 'steps'>): readonly Step[] =>
  steps.filter(({ action }) => action !== 'keep');

/** The installation that an ops bucket belongs to, by its install.json, else by its tags. */
const installOf = async (
  { s3, names }: Clouds,
  opsBucket: Found,
): Promise<{ readonly isStored: boolean; readonly id: string | undefined }> => {
  const tagged =
    opsBucket.tags[tagKeys.cluster] === names.cluster ? opsBucket.tags[tagKeys.install] : undefined;
  try {
    const stored = await readInstallId(s3, names.opsBucket);
    return stored === undefined ? { isStored: false, id: tagged } : { isStored: true, id: stored };
  } catch (error) {
    // Whoever may configure the bucket need not be allowed to read its objects; its tags say the same. Of whatever 403: moto's says nothing.
    if (error instanceof CloudError && error.status === 403 && tagged !== undefined)
      return { isStored: true, id: tagged };
    throw error;
  }
};

/** The installation of this cluster's name, as far as there is one. Throws CloudError. */
export const findInstall = async (
  clouds: Clouds,
  keepers: Keepers,
): Promise<{ isStored: boolean; id: string | undefined }> => {
  const opsBucket = await keepers.bucket.find(clouds.names.opsBucket, clouds.names);
  return opsBucket === undefined ? { isStored: false, id: undefined } : installOf(clouds, opsBucket);
};

/** Somebody deleted install.json: the ops bucket's tags still say what stood in it. */
const withInstall =
  (opsBucket: string) =>
  (step: Step): Step =>
    step.kind === 'bucket' && step.name === opsBucket && step.action === 'keep'
      ? { ...step, action: 'update', changes: [installKey], reason: `${installKey} is missing` }
      : step;

/** Of two that provision at once one wins; this is what the other says. */
export const busy = (cluster: string): ImgrecError =>
  new ImgrecError(`somebody else is provisioning cluster ${cluster} right now`, {
    hint: 'wait until that has finished, then look with "imgrec provision plan"',
  });

const refuse = (conflicts: readonly Conflict[]): never => {
  const [first, ...others] = conflicts.map(({ kind, name, why }) => `${kind} ${name} ${why}`);
  throw new ImgrecError([first, ...others].join('; '), {
    hint: conflicts.every(({ isAdoptable }) => isAdoptable)
      ? 'choose another --cluster name, or take over what is yours with --adopt'
      : 'choose another --cluster name',
  });
};

/**
 * Compares what is wanted with what is there. Changes nothing.
 * @throws ImgrecError when something with one of our names is not ours; CloudError when a call fails
 */
export const makePlan = async (
  clouds: Clouds,
  keepers: Keepers,
  wish: Wish,
  { adopt }: { readonly adopt: boolean },
): Promise<Plan> => {
  const { names, place } = clouds;
  const { isStored, id } = await findInstall(clouds, keepers);
  const site: Site = { names, place, installId: id ?? randomUUID() };
  const wanted = wantedResources(site, wish);
  const found = await findAll(keepers, names.cluster, wanted);
  // The one thing that a plan takes away again; all else that is not wanted any more costs nothing.
  const extras = oursAmong(
    wish.apiKeys === true
      ? []
      : await findAll(keepers, names.cluster, [{ kind: 'secret', name: names.apiKeysParameter }]),
    names.cluster,
    site.installId,
  );
  // install.json says whose the ops bucket is, also where a run was cut short before its tags.
  const vouched = found.map((each) =>
    isStored && each.kind === 'bucket' && each.name === names.opsBucket ? { ...each, isEmpty: true } : each,
  );
  const owner = { cluster: names.cluster, installId: site.installId, adopt };
  const { steps, conflicts } = diff(wanted, vouched, owner, extras);
  // The ops bucket came to be while this looked: if it has an install.json by now, somebody else is at it.
  if (conflicts.length > 0 && id === undefined && (await findInstall(clouds, keepers)).isStored)
    throw busy(names.cluster);
  if (conflicts.length > 0) refuse(conflicts);
  return {
    site,
    isInstalled: isStored,
    wanted,
    steps: isStored ? steps : steps.map(withInstall(names.opsBucket)),
  };
};
