import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestCloud } from '../../test/fixtures/cluster.ts';
import type { Connection } from '../aws/connection.ts';
import { clusterNames } from '../aws/names.ts';
import { createS3 } from '../aws/s3.ts';
import { createS3Buckets } from '../aws/s3-buckets.ts';
import { createSqs } from '../aws/sqs.ts';
import { createSsm } from '../aws/ssm.ts';
import { identify } from '../aws/sts.ts';
import { provision } from './provision.ts';

const choices = {
  retentionSeconds: 7 * 86_400,
  visibilitySeconds: 30,
  workerSettings: { 'max-receives': 5 },
};

const moto = process.env['IMGREC_TEST_MOTO'];

const targets: readonly {
  readonly name: string;
  readonly open: () => Promise<{ connection: Connection; close(): Promise<void> }>;
}[] = [
  { name: 'the local cloud', open: startTestCloud },
  {
    name: 'moto',
    open: async () => ({
      connection: {
        // moto keeps everything until it ends: a name of our own keeps two runs apart.
        cluster: `t${Date.now().toString(36)}`,
        region: 'us-east-1',
        endpoint: moto,
        credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
        pathStyle: true,
        mayBeOnEc2: false,
      },
      close: async () => {},
    }),
  },
];

describe.each(targets)('provision on $name', ({ name, open }) => {
  describe.skipIf(name === 'moto' && moto === undefined)(
    moto === undefined ? 'IMGREC_TEST_MOTO says where moto is' : 'runs',
    () => {
      let connection: Connection;
      let close: () => Promise<void>;
      let account: string;
      let region: string;
      beforeAll(async () => {
        ({ connection, close } = await open());
        ({ account, region } = await identify(connection));
      });
      afterAll(() => close());

      test('makes everything', async () => {
        const report = await provision(connection, choices);
        expect(report.changes.map(({ action }) => action)).toEqual(report.resources.map(() => 'create'));
        expect(report.resources).toHaveLength(6);
      });

      test('a second run changes nothing', async () => {
        expect((await provision(connection, choices)).changes).toEqual([]);
      });

      test('the installation keeps its id', async () => {
        const first = await provision(connection, choices);
        const second = await provision(connection, choices);
        expect(second.installId).toBe(first.installId);
      });

      test('what somebody changed is brought back, and nothing else', async () => {
        const names = clusterNames(connection.cluster, account, region);
        const sqs = createSqs(connection, { account, region });
        await sqs.setAttributes(names.requests, { VisibilityTimeout: '77' });
        const { changes } = await provision(connection, choices);
        // moto forgets a queue's Policy whenever another attribute is set.
        const forgotten = name === 'moto' ? ['Policy'] : [];
        expect(changes).toEqual([
          {
            action: 'update',
            resource: `queue ${names.requests}`,
            aspects: [...forgotten, 'VisibilityTimeout'],
          },
        ]);
        expect((await sqs.attributes(names.requests))?.['VisibilityTimeout']).toBe('30');
        sqs.close();
      });

      test('another setting changes the queues that it concerns', async () => {
        const { changes } = await provision(connection, { ...choices, visibilitySeconds: 45 });
        expect(changes.map(({ resource }) => resource.split('-requests')[1])).toEqual(['-dlq', '']);
        await provision(connection, choices);
      });

      test('a run that was cut short is carried on by the next', async () => {
        const names = clusterNames(connection.cluster, account, region);
        const sqs = createSqs(connection, { account, region });
        // As if it had stopped after the dead-letter queue.
        const other: Connection = { ...connection, cluster: `${connection.cluster}x` };
        const otherNames = clusterNames(other.cluster, account, region);
        const buckets = createS3Buckets(other, account, region);
        await buckets.create(otherNames.opsBucket);
        await sqs.create(otherNames.deadLetters, {}, {});
        const { changes } = await provision(other, choices);
        expect(changes.find(({ resource }) => resource.endsWith(otherNames.deadLetters))).toMatchObject({
          action: 'update',
        });
        expect((await provision(other, choices)).changes).toEqual([]);
        expect(await sqs.attributes(names.requests)).toBeDefined();
        sqs.close();
        buckets.close();
      });

      test('workers find their settings in the parameter, and the bucket is closed to the public', async () => {
        const names = clusterNames(connection.cluster, account, region);
        const ssm = createSsm(connection);
        const buckets = createS3Buckets(connection, account, region);
        expect(JSON.parse((await ssm.get(names.settingsParameter)) ?? '')).toEqual(choices.workerSettings);
        expect(await buckets.read(names.inputBucket)).toMatchObject({
          publicAccessBlocked: true,
          ownership: 'BucketOwnerEnforced',
          encryption: 'AES256',
          expiries: [{ prefix: 'images/', days: 7 }],
        });
        ssm.close();
        buckets.close();
      });

      test('an install.json of somebody else is respected', async () => {
        const other: Connection = { ...connection, cluster: `${connection.cluster}y` };
        const names = clusterNames(other.cluster, account, region);
        const buckets = createS3Buckets(other, account, region);
        const s3 = createS3(other, account);
        await buckets.create(names.opsBucket);
        await s3.put(names.opsBucket, 'install.json', '{"mine":true}', 'application/json');
        await expect(provision(other, choices)).rejects.toMatchObject({
          hint: 'choose another --cluster name',
        });
        buckets.close();
        s3.close();
      });
    },
  );
});
