import type { LaunchRequest } from '../aws/ec2.ts';
import { type ClusterNames, tagKeys } from '../aws/names.ts';
import type { Pool } from './pools.ts';

/**
 * The call that launches a worker into a slot. The launch template says all the rest, and has the name of the instances.
 * @param installId absent where it may not be read; the template's own tags have it, too
 */
export const workerRequest = (
  { names, installId }: { readonly names: ClusterNames; readonly installId: string | undefined },
  slot: number,
  { instanceType, subnetId, market }: Pool,
  clientToken: string,
): LaunchRequest => ({
  template: names.workerName,
  instanceType,
  ...(subnetId === undefined ? {} : { subnetId }),
  market,
  clientToken,
  tags: {
    Name: names.workerName,
    [tagKeys.cluster]: names.cluster,
    ...(installId === undefined ? {} : { [tagKeys.install]: installId }),
    [tagKeys.role]: 'worker',
    [tagKeys.slot]: String(slot),
  },
});
