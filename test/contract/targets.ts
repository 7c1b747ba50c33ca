import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DescribeImagesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { publicImages } from '../../src/localcloud/public-images.ts';
import { startLocalCloud } from '../../src/localcloud/server.ts';

export type Service = 'sqs' | 's3' | 'sts' | 'ssm' | 'ec2' | 'iam';

export const targetNames = ['localcloud', 'moto', 'elasticmq', 'versitygw', 'aws'] as const;

export type TargetName = (typeof targetNames)[number];

/** An endpoint that is up, and what a case has to know about it. */
export interface Connection {
  /** Absent for AWS: the SDK finds the endpoint, the credentials and their chain itself. */
  readonly endpoint?: string;
  readonly region: string;
  readonly account: string;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** An image that RunInstances accepts. */
  readonly imageId: string;
  /** How long this endpoint may take until a change shows everywhere. */
  readonly settleSeconds: number;
  readonly close: () => Promise<void>;
}

/** An endpoint that claims some of the protocols. */
export interface Target {
  readonly name: TargetName;
  readonly services: readonly Service[];
  readonly open: () => Promise<Connection>;
}

const everyService: readonly Service[] = ['sqs', 's3', 'sts', 'ssm', 'ec2', 'iam'];

/** The newest Amazon Linux that this EC2 offers. */
const findImage = async (ec2: EC2Client): Promise<string> => {
  const { Images = [] } = await ec2.send(
    new DescribeImagesCommand({
      Owners: ['amazon'],
      Filters: [
        { Name: 'architecture', Values: ['x86_64'] },
        { Name: 'name', Values: ['al2023-ami-2023*', 'amzn2-ami-hvm-*'] },
      ],
    }),
  );
  const newest = Images.toSorted((a, b) => (b.CreationDate ?? '').localeCompare(a.CreationDate ?? ''))[0];
  if (newest?.ImageId === undefined) throw new Error('this EC2 offers no Amazon Linux image');
  return newest.ImageId;
};

const fixed = (
  endpoint: string,
  given: Pick<Connection, 'account' | 'accessKeyId' | 'secretAccessKey'>,
): Connection => ({
  endpoint,
  region: 'us-east-1',
  imageId: 'ami-0',
  settleSeconds: 5,
  close: async () => {},
  ...given,
});

const openMoto = async (endpoint: string): Promise<Connection> => {
  const connection = fixed(endpoint, {
    account: '123456789012',
    accessKeyId: 'test',
    secretAccessKey: 'test',
  });
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const ec2 = new EC2Client({ endpoint, region: connection.region, credentials });
  return { ...connection, imageId: await findImage(ec2) };
};

/** AWS itself, with whatever credentials and region the SDK finds. It costs a little money. */
const openAws = async (): Promise<Connection> => {
  const sts = new STSClient({});
  const { Account } = await sts.send(new GetCallerIdentityCommand({}));
  const region = await sts.config.region();
  return {
    region,
    account: Account ?? '',
    imageId: await findImage(new EC2Client({ region })),
    settleSeconds: 90,
    close: async () => {},
  };
};

const openLocalCloud = async (): Promise<Connection> => {
  const stateFolder = await mkdtemp(join(tmpdir(), 'imgrec-contract-'));
  const launcher = [process.execPath, fileURLToPath(new URL('./instance.mjs', import.meta.url))];
  const strict = process.env['IMGREC_TEST_STRICT'] === '1';
  const cloud = await startLocalCloud({
    stateFolder,
    launcher,
    graceSeconds: 2,
    strict403: strict,
    strandAbortedPoll: strict,
  });
  return {
    ...cloud,
    imageId: publicImages[0]?.id ?? '',
    settleSeconds: 5,
    close: async () => {
      await cloud.close();
      await rm(stateFolder, { recursive: true, force: true });
    },
  };
};

/** A target that runs only when the environment names its endpoint. */
const named = (
  name: TargetName,
  variable: string,
  services: readonly Service[],
  open: (endpoint: string) => Connection | Promise<Connection>,
): readonly Target[] => {
  const endpoint = process.env[variable];
  return endpoint ? [{ name, services, open: async () => open(endpoint) }] : [];
};

/** The endpoints of this run: the local cloud always, the others where the environment says so. */
export const targets: readonly Target[] = [
  { name: 'localcloud', services: everyService, open: openLocalCloud },
  ...named('moto', 'IMGREC_TEST_MOTO', everyService, openMoto),
  ...named('elasticmq', 'IMGREC_TEST_ELASTICMQ', ['sqs'], (endpoint) =>
    fixed(endpoint, { account: '000000000000', accessKeyId: 'test', secretAccessKey: 'test' }),
  ),
  ...named('versitygw', 'IMGREC_TEST_VERSITYGW', ['s3'], (endpoint) =>
    fixed(endpoint, { account: '', accessKeyId: 'test', secretAccessKey: 'testtest' }),
  ),
  ...(process.env['IMGREC_TEST_AWS'] === '1'
    ? [{ name: 'aws' as const, services: everyService, open: openAws }]
    : []),
];
