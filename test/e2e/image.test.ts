import {
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  EC2Client,
  ModifyLaunchTemplateCommand,
} from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, openCluster } from '../../src/aws/cluster.ts';
import type { Connection } from '../../src/aws/connection.ts';
import { createImages, type Images } from '../../src/aws/images.ts';
import { type Ec2Setup, openEc2Setup } from '../../src/aws/machines.ts';
import { tagKeys } from '../../src/aws/names.ts';
import { createRunCommand, type RunCommand } from '../../src/aws/run-command.ts';
import { createS3Buckets } from '../../src/aws/s3-buckets.ts';
import { createSsm } from '../../src/aws/ssm.ts';
import { systemClock } from '../../src/clock.ts';
import { reportOwnState } from '../../src/fleet/own-report.ts';
import { compiledModule } from '../../src/package.ts';
import { type BakeRequest, bakeImage, outdatedImages } from '../../src/provision/image.ts';
import { machinesWith } from '../../src/provision/machines.ts';
import { provision } from '../../src/provision/provision.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { runImgrec, until } from '../fixtures/processes.ts';
import { moto, motoConnection } from '../provision/targets.ts';

interface Target {
  readonly name: string;
  readonly why: string;
  /** Whether a program runs behind an instance and reports; otherwise the test reports for it. */
  readonly hasPrograms: boolean;
  readonly open: () => Promise<{
    readonly connection: Connection;
    readonly stateFolder?: string;
    close(): Promise<void>;
  }>;
}

const targets: readonly Target[] = [
  {
    name: 'the local cloud',
    why: '',
    hasPrograms: true,
    open: () => startTestCloud({ launcher: [process.execPath, compiledModule('bin/imgrec.ts'), 'instance'] }),
  },
  {
    name: 'moto',
    why: moto === undefined ? '(IMGREC_TEST_MOTO does not say where it is)' : '',
    hasPrograms: false,
    open: async () => ({ connection: motoConnection(), close: async () => {} }),
  },
];

describe.each(targets)('an image, on $name $why', ({ why, hasPrograms, open }) => {
  const noProgram = hasPrograms ? '' : ' (no program runs behind these instances)';
  describe.skipIf(why !== '')('baked', { timeout: 60_000 }, () => {
    let connection: Connection;
    let close: () => Promise<void>;
    let stateFolder = '';
    let cluster: Cluster;
    let images: Images;
    let commands: RunCommand;
    let ec2: EC2Client;
    let setup: Ec2Setup;
    let installId: string;
    let baseImageId: string;

    const builders = async () => {
      const { Reservations = [] } = await ec2.send(
        new DescribeInstancesCommand({
          Filters: [
            { Name: `tag:${tagKeys.cluster}`, Values: [connection.cluster] },
            { Name: `tag:${tagKeys.role}`, Values: ['builder'] },
            { Name: 'instance-state-name', Values: ['pending', 'running', 'stopping', 'stopped'] },
          ],
        }),
      );
      return Reservations.flatMap(({ Instances = [] }) => Instances.map(({ InstanceId = '' }) => InstanceId));
    };
    const ours = async () =>
      (await images.find({ [tagKeys.cluster]: connection.cluster })).map(({ id }) => id).sort();
    const parameter = async () => {
      const ssm = createSsm(connection);
      try {
        return await ssm.get(cluster.names.imageParameter);
      } finally {
        ssm.close();
      }
    };
    const bake = async (
      changes: Partial<BakeRequest> = {},
      state: 'ready' | 'stopped' | 'silent' = 'ready',
    ): ReturnType<typeof bakeImage> => {
      const ssm = createSsm(connection);
      const { s3, names } = cluster;
      try {
        const baking = bakeImage(
          { images, commands, s3, ssm, templates: setup.templates, names, installId },
          {
            baseImageId,
            artifact: undefined,
            graceSeconds: 5,
            keep: 2,
            clock: systemClock,
            signal: new AbortController().signal,
            say: () => {},
            ...changes,
          },
        );
        if (!hasPrograms && state !== 'silent') {
          const [builder = ''] = await until('a builder is there', async () => {
            const found = await builders();
            return found.length > 0 && found;
          });
          await reportOwnState(cluster, builder, state, state === 'ready' ? {} : { reason: 'no space left' });
        }
        return await baking;
      } finally {
        ssm.close();
      }
    };

    beforeAll(async () => {
      ({ connection, close, stateFolder = '' } = await open());
      cluster = await openCluster(connection);
      if (hasPrograms)
        ({ installId } = await provision(connection, {
          retentionSeconds: 7 * 86_400,
          visibilitySeconds: 30,
          workerSettings: {},
          graceSeconds: 5,
          machines: machinesWith({ webInstances: 0 }),
        }));
      else {
        // moto takes "TLS only" at its word, and would refuse the reports.
        const buckets = createS3Buckets(connection, cluster.identity.account, cluster.identity.region);
        await buckets.create(cluster.names.opsBucket);
        buckets.close();
        installId = connection.cluster;
      }
      images = createImages(connection);
      setup = openEc2Setup(connection);
      commands = createRunCommand(connection);
      const { endpoint = '', region = '', credentials } = connection;
      ec2 = new EC2Client({ endpoint, region, ...(credentials && { credentials }) });
      const { Images: bases = [] } = await ec2.send(
        new DescribeImagesCommand({
          Owners: ['amazon'],
          Filters: [
            { Name: 'architecture', Values: ['x86_64'] },
            { Name: 'name', Values: ['al2023-ami-2023*', 'amzn2-ami-hvm-*'] },
          ],
        }),
      );
      baseImageId = bases[0]?.ImageId ?? '';
      if (!hasPrograms)
        await ec2.send(
          new CreateLaunchTemplateCommand({
            LaunchTemplateName: cluster.names.workerName,
            LaunchTemplateData: {
              ImageId: baseImageId,
              InstanceType: 't3.micro',
              InstanceInitiatedShutdownBehavior: 'terminate',
              UserData: Buffer.from('#!/bin/bash\n# imgrec {}\n').toString('base64'),
            },
          }),
        );
    });
    afterAll(async () => {
      for (const each of [images, setup, commands, cluster]) each?.close();
      ec2?.destroy();
      await close();
    });

    it('is made of a builder that has installed and tried the software, and named in the parameter', async () => {
      const { imageId, removed } = await bake();
      expect(removed).toEqual([]);
      expect(await parameter()).toBe(imageId);
      expect(await ours()).toEqual([imageId]);
      expect(await builders()).toEqual([]);
      const [image] = await images.find({ [tagKeys.cluster]: connection.cluster });
      expect(image).toMatchObject({
        state: 'available',
        tags: { [tagKeys.install]: installId, [tagKeys.role]: 'image' },
      });
      expect(image?.snapshotIds).toHaveLength(1);
    });

    it('keeps the last two and removes what is older, snapshots too', async () => {
      const first = await parameter();
      const second = await bake();
      const third = await bake();
      expect(third.removed).toEqual([first]);
      expect(await ours()).toEqual([second.imageId, third.imageId].sort());
    });

    it('that workers are launched from stays until an update takes another, however few are kept', async () => {
      const inUse = (await parameter()) ?? '';
      const named = { LaunchTemplateName: cluster.names.workerName };
      const { LaunchTemplateVersion } = await ec2.send(
        new CreateLaunchTemplateVersionCommand({
          ...named,
          SourceVersion: '1',
          LaunchTemplateData: { ImageId: inUse },
        }),
      );
      const DefaultVersion = String(LaunchTemplateVersion?.VersionNumber);
      await ec2.send(new ModifyLaunchTemplateCommand({ ...named, DefaultVersion }));
      const newest = await bake({ keep: 1 });
      expect(newest.removed).not.toContain(inUse);
      expect(await ours()).toEqual([inUse, newest.imageId].sort());
    });

    it.skipIf(!hasPrograms)(`is made by the command${noProgram}`, async () => {
      const args = ['provision', 'image', '--local', '--state', stateFolder, '--cluster', 'test', '--json'];
      const { exitCode, stdout, stderr } = await runImgrec(args, { cwd: stateFolder });
      expect(exitCode, stderr).toBe(0);
      const { schema, imageId } = JSON.parse(stdout) as Record<string, string>;
      expect(schema).toBe('imgrec.provision.image/1');
      expect(await parameter()).toBe(imageId);
    });

    it('leaves nothing behind when the software does not come up', async () => {
      const before = { images: await ours(), parameter: await parameter() };
      const failing = hasPrograms
        ? bake({}, 'ready').catch((error: unknown) => error)
        : bake({}, 'stopped').catch((error: unknown) => error);
      if (hasPrograms) {
        // The machine goes down while it installs.
        const [builder = ''] = await until('a builder is there', async () => {
          const found = await builders();
          return found.length > 0 && found;
        });
        await images.terminate(builder);
      }
      expect(await failing).toMatchObject({
        message: expect.stringMatching(
          /does not come up on i-\w+: no space left|has ended before an image could be made of it/,
        ),
      });
      expect({ images: await ours(), parameter: await parameter() }).toEqual(before);
      expect(await builders()).toEqual([]);
    });

    it('leaves nothing behind when it is interrupted', async () => {
      const before = await ours();
      const interruption = new AbortController();
      const { signal } = interruption;
      // The builder is there, and nothing else yet.
      const say = (line: string) => line.includes('installs') && interruption.abort();
      await expect(bake({ signal, say }, 'silent')).rejects.toThrow(/interrupted while/);
      expect(await ours()).toEqual(before);
      expect(await builders()).toEqual([]);
    });

    it.skipIf(!hasPrograms)(
      `goes with everything else when the cluster is destroyed${noProgram}`,
      async () => {
        const args = [
          'provision',
          'destroy',
          '--local',
          '--state',
          stateFolder,
          '--cluster',
          'test',
          '--yes',
        ];
        const { exitCode, stderr } = await runImgrec([...args, '--delete-data'], { cwd: stateFolder });
        expect(exitCode, stderr).toBe(0);
        expect(await ours()).toEqual([]);
        expect(await parameter()).toBeUndefined();
        const { Snapshots } = await ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'] }));
        expect(Snapshots ?? []).toEqual([]);
      },
    );
  });
});

describe('which images may go', () => {
  const image = (id: string, createdAt: string) =>
    ({ id, name: id, state: 'available', createdAt, snapshotIds: [], tags: {} }) as const;
  const three = [image('b', '2026-02'), image('c', '2026-03'), image('a', '2026-01')];

  it.each([
    ['the oldest beyond those kept', ['c'], 2, ['a']],
    ['all but the newest', ['c'], 1, ['b', 'a']],
    ['never one in use', ['a'], 1, ['b']],
    ['none when there are no more than are kept', ['c'], 3, []],
  ])('%s', (_name, inUse, keep, expected) => {
    expect(outdatedImages(three, inUse, keep).map(({ id }) => id)).toEqual(expected);
  });
});
