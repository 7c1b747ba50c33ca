import type { Connection } from './connection.ts';
import { type ClusterNames, clusterNames } from './names.ts';
import { createS3, type S3 } from './s3.ts';
import { createSqs, type Sqs } from './sqs.ts';
import { type Identity, identify } from './sts.ts';

/** One cluster, reached through one connection: what `serve` and `worker` need of the cloud. */
export interface Cluster {
  readonly connection: Connection;
  readonly identity: Identity;
  readonly names: ClusterNames;
  readonly sqs: Sqs;
  readonly s3: S3;
  close(): void;
}

/**
 * Finds out the account and region and opens the clients.
 * @throws CloudError (exit 3) when the cloud refuses or cannot be reached.
 */
export const openCluster = async (connection: Connection): Promise<Cluster> => {
  const identity = await identify(connection);
  const sqs = createSqs(connection, identity);
  const s3 = createS3(connection, identity.account);
  return {
    connection,
    identity,
    names: clusterNames(connection.cluster, identity.account, identity.region),
    sqs,
    s3,
    close: () => {
      sqs.close();
      s3.close();
    },
  };
};
