import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  EC2Client,
  type Instance,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { IAMClient } from '@aws-sdk/client-iam';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  type QueueAttributeName,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { STSClient } from '@aws-sdk/client-sts';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Connection, Service } from './targets.ts';

/** One behaviour of a protocol, as a sentence, and the steps that show it. */
export interface ContractCase {
  readonly service: Service;
  readonly name: string;
  readonly run: (stage: Stage) => Promise<void>;
}

type Attributes = Partial<Record<QueueAttributeName, string>>;

/** What a case works with: clients of one endpoint, and resources that vanish when the case is over. */
export interface Stage {
  readonly connection: Connection;
  readonly sqs: SQSClient;
  readonly s3: S3Client;
  readonly ec2: EC2Client;
  readonly ssm: SSMClient;
  readonly iam: IAMClient;
  readonly sts: STSClient;
  /** The same endpoint and key id, signed with a wrong secret. */
  readonly forged: { readonly sqs: SQSClient; readonly s3: S3Client; readonly sts: STSClient };
  /** A name no other case uses: lower case, digits and hyphens, valid for every service. */
  readonly name: () => string;
  /** Makes a queue and returns its URL. */
  readonly queue: (attributes?: Attributes, name?: string) => Promise<string>;
  readonly bucket: () => Promise<string>;
  /** Launches instances tagged `imgrec:case`; the input's fields win over the defaults. */
  readonly launch: (input?: Partial<RunInstancesCommandInput>) => Promise<readonly Instance[]>;
  /** Runs `undo` when the case is over, the last registered first. */
  readonly later: (undo: () => Promise<unknown>) => void;
  /** Repeats `look` until it stops throwing, as long as this endpoint may take to be consistent. */
  readonly eventually: <T>(look: () => Promise<T>) => Promise<T>;
  readonly close: () => Promise<void>;
}

const clientsOf = (connection: Connection, secretAccessKey: string | undefined) => {
  const { endpoint, region, accessKeyId } = connection;
  const config = {
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId, secretAccessKey } }),
    // The SDK comments on refused streams and the like on stderr; the cases say what matters.
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    // A retry would hide a server that answers 500 now and then; only the real network earns one.
    maxAttempts: endpoint === undefined ? 4 : 1,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: 5_000,
      requestTimeout: 25_000,
      throwOnRequestTimeout: true,
    }),
  };
  return {
    sqs: new SQSClient({ ...config, useQueueUrlAsEndpoint: false }),
    s3: new S3Client({ ...config, forcePathStyle: endpoint !== undefined }),
    ec2: new EC2Client(config),
    ssm: new SSMClient(config),
    iam: new IAMClient(config),
    sts: new STSClient(config),
  };
};

/** The clients of one endpoint, honest and forged; they are shared by all its cases. */
export const connect = (connection: Connection) => ({
  honest: clientsOf(connection, connection.secretAccessKey),
  forged: clientsOf(
    { ...connection, accessKeyId: connection.accessKeyId ?? 'AKIAIOSFODNN7EXAMPLE' },
    'not-the-secret-of-this-key',
  ),
});

const emptyBucket = async (s3: S3Client, bucket: string) => {
  for (let page = 0; page < 10; page += 1) {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    if (Contents.length === 0) return;
    for (const { Key } of Contents) await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
  }
};

/** User data in the form that imgrec launches instances with; on EC2 itself this script does nothing. */
const userData = Buffer.from(
  `#!/bin/sh\n# imgrec ${JSON.stringify({ v: 1, role: 'worker', cluster: 'contract', artifact: '0'.repeat(64) })}\n`,
).toString('base64');

export const openStage = (connection: Connection, { honest, forged }: ReturnType<typeof connect>): Stage => {
  const undos: (() => Promise<unknown>)[] = [];
  const later = (undo: () => Promise<unknown>) => undos.push(undo);
  const name = () => `imgrec-contract-${randomBytes(5).toString('hex')}`;
  const { sqs, s3, ec2 } = honest;

  return {
    connection,
    ...honest,
    forged,
    name,
    later,
    queue: async (attributes = {}, queueName = name()) => {
      const { QueueUrl } = await sqs.send(
        new CreateQueueCommand({ QueueName: queueName, Attributes: attributes }),
      );
      if (QueueUrl === undefined) throw new Error('CreateQueue answered without a QueueUrl');
      later(() => sqs.send(new DeleteQueueCommand({ QueueUrl })));
      return QueueUrl;
    },
    bucket: async () => {
      const bucket = name();
      const { region } = connection;
      await s3.send(
        new CreateBucketCommand({
          Bucket: bucket,
          // S3 refuses us-east-1 as a location constraint; everywhere else it demands one.
          ...(region === 'us-east-1'
            ? {}
            : { CreateBucketConfiguration: { LocationConstraint: region as 'eu-west-1' } }),
        }),
      );
      later(async () => {
        await emptyBucket(s3, bucket);
        await s3.send(new DeleteBucketCommand({ Bucket: bucket }));
      });
      return bucket;
    },
    launch: async (input = {}) => {
      const { Instances = [] } = await ec2.send(
        new RunInstancesCommand({
          ImageId: connection.imageId,
          InstanceType: 't3.micro',
          MinCount: 1,
          MaxCount: 1,
          UserData: userData,
          TagSpecifications: [
            { ResourceType: 'instance', Tags: [{ Key: 'imgrec:case', Value: 'contract' }] },
          ],
          ...input,
        }),
      );
      const ids = Instances.flatMap(({ InstanceId }) => InstanceId ?? []);
      later(() => ec2.send(new TerminateInstancesCommand({ InstanceIds: ids })));
      return Instances;
    },
    eventually: async (look) => {
      const deadline = performance.now() + connection.settleSeconds * 1_000;
      for (;;) {
        try {
          return await look();
        } catch (error) {
          if (performance.now() > deadline) throw error;
          await sleep(connection.settleSeconds > 20 ? 2_000 : 100);
        }
      }
    },
    close: async () => {
      for (const undo of undos.reverse()) {
        try {
          await undo();
        } catch (error) {
          // Many cases delete what they made. On AWS anything else is worth a look, for it costs money.
          if (connection.endpoint === undefined) console.warn(`left behind on AWS: ${String(error)}`);
        }
      }
    },
  };
};

/** The ARN of a queue, as the endpoint itself spells it. */
export const arnOf = async (stage: Stage, queueUrl: string): Promise<string> => {
  const { Attributes } = await stage.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['QueueArn'] }),
  );
  return Attributes?.QueueArn ?? '';
};
