import type { Connection } from '../aws/connection.ts';
import { createIam, type Iam } from '../aws/iam.ts';
import { createImages, type Images } from '../aws/images.ts';
import { type Ec2Setup, openEc2Setup } from '../aws/machines.ts';
import { type ClusterNames, clusterNames } from '../aws/names.ts';
import type { Place } from '../aws/queue-attributes.ts';
import { createS3, type S3 } from '../aws/s3.ts';
import { createS3Buckets, type S3Buckets } from '../aws/s3-buckets.ts';
import { createSqs, type Sqs } from '../aws/sqs.ts';
import { createSsm, type Ssm } from '../aws/ssm.ts';
import { identify } from '../aws/sts.ts';

/** One cluster's place, and a client for each service that has something of it. */
export interface Clouds {
  readonly connection: Connection;
  readonly names: ClusterNames;
  readonly place: Place;
  readonly sqs: Sqs;
  readonly s3: S3;
  readonly buckets: S3Buckets;
  readonly ssm: Ssm;
  readonly iam: Iam;
  readonly ec2: Ec2Setup;
  readonly images: Images;
  close(): void;
}

/** Finds out the account and region and opens the clients. Throws CloudError. */
export const openClouds = async (connection: Connection): Promise<Clouds> => {
  const identity = await identify(connection);
  const { account, region } = identity;
  const sqs = createSqs(connection, identity);
  const s3 = createS3(connection, account);
  const buckets = createS3Buckets(connection, account, region);
  const ssm = createSsm(connection);
  const iam = createIam(connection);
  const ec2 = openEc2Setup(connection);
  const images = createImages(connection);
  return {
    connection,
    names: clusterNames(connection.cluster, account, region),
    place: { account, region, partition: identity.arn.split(':')[1] ?? 'aws' },
    sqs,
    s3,
    buckets,
    ssm,
    iam,
    ec2,
    images,
    close: () => {
      for (const client of [sqs, s3, buckets, ssm, iam, ec2, images]) client.close();
    },
  };
};
