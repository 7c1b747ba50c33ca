import type { Cluster } from '../aws/cluster.ts';
import type { ClusterNames } from '../aws/names.ts';
import type { S3 } from '../aws/s3.ts';
import { type FleetReport, fleetReport, fleetReportKey, parseReport } from '../reports/reports.ts';

/**
 * What an instance that is no worker, or never became one, says of itself in `fleet/<instance>.json`.
 * Throws CloudError.
 */
export const reportOwnState = (
  { s3, names }: Pick<Cluster, 's3' | 'names'>,
  instance: string,
  state: FleetReport['state'],
  details: Pick<FleetReport, 'reason' | 'port'> = {},
): Promise<void> => {
  const report: FleetReport = {
    v: 1,
    instance,
    state,
    readyForSeconds: 0,
    imagesDone: 0,
    busySeconds: 0,
    emptyReceivesWithBacklog: 0,
    ...details,
  };
  return s3.put(names.opsBucket, fleetReportKey(instance), JSON.stringify(report), 'application/json');
};

/** What an instance said of itself last; undefined when it has said nothing that can be read. Throws CloudError. */
export const readOwnReport = async (
  { s3, names }: { readonly s3: Pick<S3, 'get'>; readonly names: Pick<ClusterNames, 'opsBucket'> },
  instance: string,
): Promise<FleetReport | undefined> => {
  const stored = await s3.get(names.opsBucket, fleetReportKey(instance), { deniedIsAbsent: true });
  return stored === undefined ? undefined : parseReport(fleetReport, stored);
};

/** Throws CloudError. */
export const removeOwnReport = (
  { s3, names }: Pick<Cluster, 's3' | 'names'>,
  instance: string,
): Promise<void> => s3.remove(names.opsBucket, fleetReportKey(instance));
