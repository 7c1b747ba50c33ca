import type { LaunchRequest } from '../aws/ec2.ts';
import { type ClusterNames, tagKeys } from '../aws/names.ts';
import type { Pool } from './pools.ts';
import { readBootScript, renderUserData } from './user-data.ts';

export interface LaunchPlan {
  readonly names: ClusterNames;
  readonly installId: string;
  readonly imageId: string;
  /** What a worker gets to finish what runs. */
  readonly graceSeconds: number;
}

/** The call that launches a worker into a slot, for any slot and pool. Reads the boot script once. */
export const workerRequests = ({
  names,
  installId,
  imageId,
  graceSeconds,
}: LaunchPlan): ((slot: number, pool: Pool, clientToken: string) => LaunchRequest) => {
  const userData = renderUserData(
    readBootScript(),
    { v: 1, role: 'worker', cluster: names.cluster },
    { graceSeconds },
  );
  return (slot, { instanceType, subnetId, market }, clientToken) => ({
    imageId,
    userData,
    instanceType,
    ...(subnetId === undefined ? {} : { subnetId }),
    market,
    clientToken,
    tags: {
      Name: names.workerName,
      [tagKeys.cluster]: names.cluster,
      [tagKeys.install]: installId,
      [tagKeys.role]: 'worker',
      [tagKeys.slot]: String(slot),
    },
  });
};
