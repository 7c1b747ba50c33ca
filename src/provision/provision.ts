import type { Connection } from '../aws/connection.ts';
import { encodeInstall, installKey, readInstallId } from '../aws/install.ts';
import { systemClock } from '../clock.ts';
import { ImgrecError } from '../errors.ts';
import { type Clouds, openClouds } from './clouds.ts';
import { describeStep, type Step } from './diff.ts';
import type { Circumstances } from './keepers/keeper.ts';
import { type Keepers, keeperOf, openKeepers } from './keepers/keepers.ts';
import { busy, changesOf, makePlan, type Plan } from './plan.ts';
import { type AnyResource, type Found, type Key, keyOf, withReferences } from './resources.ts';
import { runSteps } from './run-steps.ts';
import { lacksSoftware, storeSoftware } from './software.ts';
import type { Wish } from './wanted.ts';
import { type Order, wishOf } from './wish.ts';

export interface ProvisionReport {
  readonly cluster: string;
  readonly account: string;
  readonly region: string;
  readonly installId: string;
  readonly resources: readonly string[];
  readonly changes: readonly ReturnType<typeof describeStep>[];
}

export interface ApplyOptions extends Partial<Circumstances> {
  readonly onDone?: (step: Step, seconds: number) => void;
}

/**
 * Writes install.json, which decides between two that provision at once: one of them wins.
 * @throws ImgrecError when the other one did
 */
const claim = async ({ s3, names }: Clouds, installId: string): Promise<void> => {
  await s3.putOnce(names.opsBucket, installKey, encodeInstall(installId), 'application/json');
  // What was there may be this very write, repeated after its answer was lost.
  if ((await readInstallId(s3, names.opsBucket)) !== installId) throw busy(names.cluster);
};

const missing = (resource: AnyResource, id: string): Found => ({
  kind: resource.kind,
  name: resource.name,
  id,
  tags: {},
  aspects: {},
});

/** One step, with the ids of what came before it. */
const createActor = (clouds: Clouds, keepers: Keepers, plan: Plan) => {
  const ids = new Map<Key, string>();
  for (const { found } of plan.steps) if (found !== undefined) ids.set(keyOf(found), found.id);

  const bringAbout = async <R extends AnyResource>(resource: R, step: Step): Promise<void> => {
    const keeper = keeperOf(keepers, resource);
    const resolved: R = {
      ...resource,
      ...withReferences({ aspects: resource.aspects, made: resource.made }, (key) => ids.get(key)),
    };
    const found = step.found ?? missing(resource, await keeper.create(resolved));
    ids.set(keyOf(resource), found.id);
    if (keyOf(resource) === `bucket/${clouds.names.opsBucket}` && !plan.isInstalled)
      await claim(clouds, plan.site.installId);
    if (step.action === 'update') await keeper.update(resolved, found, step.changes);
    // A bucket is made bare.
    else if (resource.kind === 'bucket')
      await keeper.update(resolved, found, ['tags', ...Object.keys(resource.aspects)]);
  };

  return async (step: Step): Promise<void> => {
    if (step.action === 'delete' && step.found !== undefined) await keepers[step.kind].remove(step.found);
    else if (step.wanted !== undefined) await bringAbout(step.wanted, step);
  };
};

/** A cluster's plan and what carries it out. */
export interface Provisioner {
  readonly clouds: Clouds;
  readonly keepers: Keepers;
  readonly circumstances: Circumstances;
  /** Throws as makePlan does. */
  plan(wish: Wish, options: { readonly adopt: boolean }): Promise<Plan>;
  /**
   * Carries out a plan.
   * @throws ImgrecError when `signal` aborted before the end; CloudError when a call fails
   */
  apply(plan: Plan, onDone?: ApplyOptions['onDone']): Promise<ProvisionReport>;
  close(): void;
}

/** Opens a cluster for provisioning; an abort of `signal` ends what is carried out between two steps. Throws CloudError. */
export const openProvisioner = async (
  connection: Connection,
  { clock = systemClock, signal = new AbortController().signal, say = () => {} }: Partial<Circumstances> = {},
): Promise<Provisioner> => {
  const circumstances = { clock, signal, say };
  const clouds = await openClouds(connection);
  const keepers = openKeepers(clouds, circumstances);
  return {
    clouds,
    keepers,
    plan: (wish, options) => makePlan(clouds, keepers, wish, options),
    circumstances,
    apply: async (plan, onDone) => {
      const { names, place } = clouds;
      const changes = changesOf(plan);
      const done = await runSteps(changes, createActor(clouds, keepers, plan), { signal, clock, onDone });
      if (done.length < changes.length)
        throw new ImgrecError(`stopped after ${done.length} of ${changes.length} steps`, {
          hint: 'nothing is half done: run "imgrec provision" again to go on',
        });
      return {
        cluster: names.cluster,
        account: place.account,
        region: place.region,
        installId: plan.site.installId,
        resources: plan.wanted.map(({ kind, name }) => `${kind} ${name}`),
        changes: done.map(describeStep),
      };
    },
    close: () => clouds.close(),
  };
};

/**
 * Carries out a plan. Where machines need software that is not stored yet, what holds it is made first, then the software is
 * packed and stored, then the rest.
 * @throws as `apply` does; ImgrecError when the software cannot be packed
 */
export const carryOut = async (
  provisioner: Provisioner,
  wish: Wish,
  plan: Plan,
  options: { readonly adopt: boolean; readonly onDone?: ApplyOptions['onDone'] },
): Promise<ProvisionReport> => {
  const { machines, ...storage } = wish;
  if (machines === undefined || !lacksSoftware(machines.surroundings.software))
    return provisioner.apply(plan, options.onDone);
  const first = await provisioner.apply(await provisioner.plan(storage, options), options.onDone);
  const { choices, surroundings } = machines;
  const { clouds, circumstances } = provisioner;
  const software = await storeSoftware(clouds, choices, surroundings.software, circumstances);
  const whole: Wish = { ...wish, machines: { ...machines, surroundings: { ...surroundings, software } } };
  const report = await provisioner.apply(await provisioner.plan(whole, options), options.onDone);
  return { ...report, changes: [...first.changes, ...report.changes] };
};

/**
 * Makes the resources of a cluster, or changes what differs; a second run changes nothing.
 * Cut short at any point, the next run carries on.
 * @throws ImgrecError when something with one of our names is not ours; CloudError when a call fails
 */
export const provision = async (
  connection: Connection,
  order: Order,
  options: ApplyOptions & { readonly adopt?: boolean } = {},
): Promise<ProvisionReport> => {
  const provisioner = await openProvisioner(connection, options);
  const adopt = options.adopt ?? false;
  try {
    const wish = await wishOf(provisioner.clouds, order);
    const plan = await provisioner.plan(wish, { adopt });
    return await carryOut(provisioner, wish, plan, { ...options, adopt });
  } finally {
    provisioner.close();
  }
};
