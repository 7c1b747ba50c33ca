import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestCloud } from '../../test/fixtures/cluster.ts';
import { moto, motoConnection } from '../../test/provision/targets.ts';
import type { Connection } from '../aws/connection.ts';
import { encodeInstall, installKey } from '../aws/install.ts';
import { clusterNames } from '../aws/names.ts';
import { createS3 } from '../aws/s3.ts';
import { createS3Buckets } from '../aws/s3-buckets.ts';
import { createSqs } from '../aws/sqs.ts';
import { createSsm } from '../aws/ssm.ts';
import { identify } from '../aws/sts.ts';
import { destroy, planDestroy } from './destroy.ts';
import { machinesWith } from './machines.ts';
import { openProvisioner, provision } from './provision.ts';
import { wishOf } from './wish.ts';

const choices = {
  retentionSeconds: 7 * 86_400,
  visibilitySeconds: 30,
  workerSettings: { 'max-receives': 5 },
  graceSeconds: 30,
  machines: machinesWith({ webInstances: 0 }),
};

const never = (): never => {
  throw new Error('there is a plan for each');
};

const targets: readonly {
  readonly name: string;
  readonly open: () => Promise<{ connection: Connection; close(): Promise<void> }>;
}[] = [
  { name: 'the local cloud', open: startTestCloud },
  {
    name: 'moto',
    open: async () => ({ connection: motoConnection(), close: async () => {} }),
  },
];

describe.each(targets)('provision on $name', ({ name, open }) => {
  const tlsOnly = name === 'moto' ? ' (moto takes "TLS only" for a refusal of everything)' : '';
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
        expect(report.resources.length).toBeGreaterThan(5);
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
        expect(changes).toMatchObject([
          {
            action: 'update',
            kind: 'queue',
            name: names.requests,
            changes: [...forgotten, 'VisibilityTimeout'],
          },
        ]);
        expect((await sqs.attributes(names.requests))?.['VisibilityTimeout']).toBe('30');
        sqs.close();
      });

      test('another setting changes the queues that it concerns', async () => {
        const { changes } = await provision(connection, { ...choices, visibilitySeconds: 45 });
        expect(changes.map(({ name: changed }) => changed.split('-requests')[1]).toSorted()).toEqual([
          '',
          '-dlq',
        ]);
        await provision(connection, choices);
      });

      test('a run that was cut short is carried on by the next', async () => {
        const other: Connection = { ...connection, cluster: `${connection.cluster}x` };
        const names = clusterNames(other.cluster, account, region);
        const buckets = createS3Buckets(other, account, region);
        const s3 = createS3(other, account);
        // As if it had stopped before the tags of two buckets: the one with install.json, and one that is empty.
        await buckets.create(names.opsBucket);
        await s3.put(names.opsBucket, installKey, encodeInstall('mine'), 'application/json');
        await buckets.create(names.inputBucket);
        const { changes, installId } = await provision(other, choices);
        expect(installId).toBe('mine');
        expect(
          changes.filter(({ action }) => action === 'update').map(({ name: changed }) => changed),
        ).toEqual([names.opsBucket, names.inputBucket]);
        expect((await provision(other, choices)).changes).toEqual([]);
        buckets.close();
        s3.close();
      });

      test('what somebody else made is not touched, until --adopt says so', async () => {
        const other: Connection = { ...connection, cluster: `${connection.cluster}z` };
        const names = clusterNames(other.cluster, account, region);
        const sqs = createSqs(connection, { account, region });
        await sqs.create(names.requests, { VisibilityTimeout: '77' }, { owner: 'me' });
        await expect(provision(other, choices)).rejects.toMatchObject({
          message: `queue ${names.requests} exists without tags of this cluster`,
          hint: 'choose another --cluster name, or take over what is yours with --adopt',
        });
        expect((await sqs.attributes(names.requests))?.['VisibilityTimeout']).toBe('77');
        expect(await sqs.attributes(names.deadLetters)).toBeUndefined();
        await provision(other, choices, { adopt: true });
        expect((await sqs.attributes(names.requests))?.['VisibilityTimeout']).toBe('30');
        expect(await sqs.tags(names.requests)).toMatchObject({
          owner: 'me',
          'imgrec:cluster': other.cluster,
        });
        sqs.close();
      });

      test.skipIf(name === 'moto')(
        `a deleted install.json is written again, with the id that the tags remember${tlsOnly}`,
        async () => {
          const names = clusterNames(connection.cluster, account, region);
          const s3 = createS3(connection, account);
          const before = await provision(connection, choices);
          await s3.remove(names.opsBucket, installKey);
          const after = await provision(connection, choices);
          expect(after.installId).toBe(before.installId);
          expect(after.changes).toMatchObject([{ name: names.opsBucket, changes: [installKey] }]);
          expect((await s3.get(names.opsBucket, installKey))?.toString()).toBe(
            encodeInstall(before.installId),
          );
          s3.close();
        },
      );

      test('of two that provision at once one wins, and the other says so', async () => {
        const other: Connection = { ...connection, cluster: `${connection.cluster}w` };
        const provisioners = await Promise.all([openProvisioner(other), openProvisioner(other)]);
        const plans = await Promise.all(
          provisioners.map(async (provisioner) =>
            provisioner.plan(await wishOf(provisioner.clouds, choices), { adopt: false }),
          ),
        );
        const both = await Promise.allSettled(
          provisioners.map((provisioner, index) => provisioner.apply(plans[index] ?? never())),
        );
        for (const provisioner of provisioners) provisioner.close();
        const lost = both.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []));
        expect(lost.map(({ message }) => message)).toEqual([
          `somebody else is provisioning cluster ${other.cluster} right now`,
        ]);
        expect((await provision(other, choices)).changes).toEqual([]);
      });

      test('an abort ends it between two steps, and the next run goes on', async () => {
        const other: Connection = { ...connection, cluster: `${connection.cluster}v` };
        const stop = new AbortController();
        const done: string[] = [];
        const stopped = provision(other, choices, {
          signal: stop.signal,
          onDone: (step) => {
            done.push(step.name);
            stop.abort();
          },
        });
        await expect(stopped).rejects.toMatchObject({
          message: expect.stringMatching(/^stopped after 1 of \d+ steps$/),
          hint: expect.stringContaining('run "imgrec provision" again'),
        });
        const { changes } = await provision(other, choices);
        expect(changes.map(({ name: changed }) => changed)).not.toContain(done[0]);
        expect((await provision(other, choices)).changes).toEqual([]);
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

      describe('destroy', () => {
        const open = async (suffix: string) => {
          const other: Connection = { ...connection, cluster: `${connection.cluster}${suffix}` };
          await provision(other, choices);
          const provisioner = await openProvisioner(other);
          const names = clusterNames(other.cluster, account, region);
          return { ...provisioner, provisioner, other, names };
        };

        test('deletes everything, install.json last, and finds nothing the second time', async () => {
          const { provisioner, clouds, keepers, other, names, close: done } = await open('d');
          const sqs = createSqs(other, { account, region });
          const { installId } = await provision(other, choices);
          await sqs.create(
            names.replies('w1'),
            {},
            { 'imgrec:cluster': other.cluster, 'imgrec:install': installId },
          );
          const plan = await planDestroy(clouds, keepers);
          expect(plan.steps.at(-1)?.name).toBe(names.opsBucket);
          expect(plan.steps.map(({ name: gone }) => gone)).toContain(names.replies('w1'));
          await destroy(provisioner, plan, { deleteData: false, graceSeconds: 1 });
          for (const { kind, name: gone } of plan.steps)
            expect(await keepers[kind].find(gone, names), gone).toBeUndefined();
          expect((await planDestroy(clouds, keepers)).steps).toEqual([]);
          sqs.close();
          done();
        });

        test('refuses while a bucket holds data, before anything is gone', async () => {
          const { provisioner, clouds, keepers, other, names, close: done } = await open('e');
          const s3 = createS3(other, account);
          // moto takes the policy, which refuses plain HTTP, for one that refuses everything.
          await clouds.buckets.removePolicy(names.inputBucket);
          await s3.put(names.inputBucket, 'images/1', 'photo', 'image/jpeg');
          const plan = await planDestroy(clouds, keepers);
          await expect(
            destroy(provisioner, plan, { deleteData: false, graceSeconds: 1 }),
          ).rejects.toMatchObject({
            message: `a bucket holds data: ${names.inputBucket}`,
          });
          expect((await provision(other, choices)).changes).toMatchObject([{ changes: ['policy'] }]);
          expect(await destroy(provisioner, plan, { deleteData: true, graceSeconds: 1 })).toHaveLength(
            plan.steps.length,
          );
          s3.close();
          done();
        });

        test('what imgrec keeps in the ops bucket is no data, what others put there is', async () => {
          const { clouds, keepers, other, names, close: done } = await open('f');
          const s3 = createS3(other, account);
          await clouds.buckets.removePolicy(names.opsBucket);
          await s3.put(names.opsBucket, 'web/w1.json', '{}', 'application/json');
          expect((await planDestroy(clouds, keepers)).holdingData).toEqual([]);
          await s3.put(names.opsBucket, 'thesis.tex', 'draft', 'text/plain');
          expect((await planDestroy(clouds, keepers)).holdingData).toEqual([names.opsBucket]);
          s3.close();
          done();
        });

        test('leaves what carries other tags or none', async () => {
          const { provisioner, clouds, keepers, other, names, close: done } = await open('g');
          const sqs = createSqs(other, { account, region });
          await sqs.create(
            names.replies('w1'),
            {},
            { 'imgrec:cluster': other.cluster, 'imgrec:install': 'old' },
          );
          await sqs.create(names.replies('w2'), {}, {});
          await destroy(provisioner, await planDestroy(clouds, keepers), {
            deleteData: false,
            graceSeconds: 1,
          });
          expect((await sqs.list(names.replyPrefix)).toSorted()).toEqual([
            names.replies('w1'),
            names.replies('w2'),
          ]);
          sqs.close();
          done();
        });
      });
    },
  );
});
