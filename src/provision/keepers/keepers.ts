import type { Clouds } from '../clouds.ts';
import type { Found, Kind, Resource } from '../resources.ts';
import { bucketKeeper } from './buckets.ts';
import type { Circumstances, Keeper } from './keeper.ts';
import { parameterKeeper } from './parameters.ts';
import { queueKeeper } from './queues.ts';

/** One keeper a kind. */
export type Keepers = { readonly [K in Kind]: Keeper<K> };

export const openKeepers = ({ buckets, sqs, ssm }: Clouds, circumstances: Circumstances): Keepers => ({
  bucket: bucketKeeper(buckets),
  queue: queueKeeper(sqs, circumstances),
  parameter: parameterKeeper(ssm),
});

/** The keeper of a resource: its kind says which, which the compiler cannot follow through a union. */
export const keeperOf = <K extends Kind>(keepers: Keepers, { kind }: Pick<Resource<K>, 'kind'>): Keeper<K> =>
  keepers[kind];

/** Those of these resources that exist. */
export const findAll = async (
  keepers: Keepers,
  resources: readonly { readonly kind: Kind; readonly name: string }[],
): Promise<readonly Found[]> =>
  (await Promise.all(resources.map(({ kind, name }) => keepers[kind].find(name)))).flatMap(
    (found) => found ?? [],
  );
