import type { Clouds } from '../clouds.ts';
import type { Birth, Found, Kind, Resource } from '../resources.ts';
import { addressKeeper } from './addresses.ts';
import { bucketKeeper } from './buckets.ts';
import { documentKeeper } from './documents.ts';
import { imageKeeper } from './images.ts';
import { instanceKeeper } from './instances.ts';
import type { Circumstances, Keeper } from './keeper.ts';
import { parameterKeeper } from './parameters.ts';
import { profileKeeper } from './profiles.ts';
import { queueKeeper } from './queues.ts';
import { roleKeeper } from './roles.ts';
import { secretKeeper } from './secrets.ts';
import { securityGroupKeeper } from './security-groups.ts';
import { templateKeeper } from './templates.ts';

/** One keeper a kind. */
export type Keepers = { readonly [K in Kind]: Keeper<K> };

export const openKeepers = (
  { buckets, sqs, ssm, iam, ec2, images, names }: Clouds,
  circumstances: Circumstances,
): Keepers => ({
  bucket: bucketKeeper(buckets),
  queue: queueKeeper(sqs, circumstances),
  parameter: parameterKeeper(ssm),
  secret: secretKeeper(ssm),
  document: documentKeeper(ssm),
  role: roleKeeper(iam),
  profile: profileKeeper(iam),
  'security-group': securityGroupKeeper(ec2, circumstances),
  'launch-template': templateKeeper(ec2),
  instance: instanceKeeper(ec2, iam, names, circumstances),
  address: addressKeeper(ec2, names),
  image: imageKeeper(images),
});

/** The keeper of a resource: its kind says which, which the compiler cannot follow through a union. */
export const keeperOf = <K extends Kind>(keepers: Keepers, { kind }: Pick<Resource<K>, 'kind'>): Keeper<K> =>
  keepers[kind];

/** Those of these resources that exist. */
export const findAll = async (
  keepers: Keepers,
  cluster: string,
  resources: readonly { readonly kind: Kind; readonly name: string; readonly made?: Birth }[],
): Promise<readonly Found[]> => {
  const looked = resources.map(({ kind, name, made }) =>
    keepers[kind].find(name, { cluster, vpcId: made?.vpcId }),
  );
  return (await Promise.all(looked)).flatMap((found) => found ?? []);
};
