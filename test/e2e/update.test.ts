import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  CreateLaunchTemplateVersionCommand,
  EC2Client,
  ModifyLaunchTemplateCommand,
} from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, openCluster } from '../../src/aws/cluster.ts';
import type { Connection } from '../../src/aws/connection.ts';
import { tagKeys } from '../../src/aws/names.ts';
import { createReleases, type Releases } from '../../src/aws/releases.ts';
import { createRunCommand, type RunCommand } from '../../src/aws/run-command.ts';
import { systemClock } from '../../src/clock.ts';
import type { Role } from '../../src/fleet/rolling.ts';
import { readBootScript, renderUserData } from '../../src/fleet/user-data.ts';
import { compiledModule } from '../../src/package.ts';
import { machinesWith } from '../../src/provision/machines.ts';
import { provision } from '../../src/provision/provision.ts';
import type { RollingCloud } from '../../src/provision/rolling-fleet.ts';
import { nameOf } from '../../src/provision/site.ts';
import { updateFleet } from '../../src/provision/update.ts';
import type { Order } from '../../src/provision/wish.ts';
import { fleetReport, fleetReportKey } from '../../src/reports/reports.ts';
import { giveOrders } from '../../src/scaling/lease.ts';
import { openRegister } from '../../src/scaling/open.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { judgeStore, type Photos, writePhotos } from '../fixtures/photos.ts';
import { until } from '../fixtures/processes.ts';

const images = 200;
const atOnce = 40;
const graceSeconds = 15;

/** What `imgrec provision` is told: one web instance, and machines of which this machine makes processes. */
const order: Order = {
  retentionSeconds: 7 * 86_400,
  visibilitySeconds: 30,
  graceSeconds,
  workerSettings: {
    classifiers: 1,
    'poll-wait': 1,
    port: 0,
    wait: '60s',
    grace: `${graceSeconds}s`,
    'min-workers': 0,
  },
  machines: machinesWith({ webInstances: 1 }),
};

/** Two workers and a web instance, launched from templates as on AWS; what runs behind them is this checkout, twice. */
describe('an update of a cluster at work', { timeout: 180_000 }, () => {
  let home: string;
  let photos: Photos;
  let cloud: Awaited<ReturnType<typeof startTestCloud>>;
  let connection: Connection;
  let cluster: Cluster;
  let releases: Releases;
  let commands: RunCommand;
  let rolling: RollingCloud;
  let ec2: EC2Client;
  const said: string[] = [];

  const userData = (role: Role, name = 'test') =>
    Buffer.from(renderUserData(readBootScript(), { v: 1, role, cluster: name }, { graceSeconds })).toString(
      'base64',
    );
  const template = (role: Role) => nameOf(cluster.names, role);
  /** A release that nobody should make. */
  const newVersion = async (role: Role, data: string) => {
    const { LaunchTemplateVersion } = await ec2.send(
      new CreateLaunchTemplateVersionCommand({
        LaunchTemplateName: template(role),
        LaunchTemplateData: { UserData: data },
        SourceVersion: '1',
      }),
    );
    const version = String(LaunchTemplateVersion?.VersionNumber);
    await ec2.send(
      new ModifyLaunchTemplateCommand({ LaunchTemplateName: template(role), DefaultVersion: version }),
    );
    return version;
  };
  const live = async () =>
    (await releases.instances({ [tagKeys.cluster]: 'test' })).filter(({ state }) => state === 'running');
  const reportOf = async (id: string) => {
    const text = await cluster.s3.get(cluster.names.opsBucket, fleetReportKey(id), { deniedIsAbsent: true });
    return text === undefined ? undefined : fleetReport.parse(JSON.parse(text.toString()));
  };
  const isReady = (id: string) =>
    until(`${id} is ready`, async () => (await reportOf(id))?.state === 'ready', 60_000);
  const launchWorker = async () => {
    const id = await releases.launch({
      template: template('worker'),
      version: '$Default',
      subnetId: undefined,
      clientToken: `worker-${Math.random()}`,
      tags: {
        [tagKeys.cluster]: 'test',
        [tagKeys.install]: rolling.installId,
        [tagKeys.role]: 'worker',
        [tagKeys.slot]: '1',
      },
    });
    await isReady(id);
  };
  /** Where the fixed address leads now; on AWS this is an address, here the port of the instance that has it. */
  const currentUrl = async (): Promise<string> => {
    const [address] = await releases.addresses({ [tagKeys.slot]: '1' });
    const port = (await reportOf(address?.instanceId ?? ''))?.port;
    return `http://127.0.0.1:${port}/`;
  };
  /** As a client does that must have its answer: the same key until there is one, wherever the address leads. */
  const ask = async (file: string, key: string): Promise<string> => {
    const body = await readFile(path.join(photos.folder, file));
    return until(
      `${file} is answered`,
      async () => {
        try {
          const response = await fetch(await currentUrl(), {
            method: 'POST',
            headers: { 'content-type': 'image/jpeg', 'idempotency-key': key },
            body,
          });
          const text = await response.text();
          return response.status === 200 ? text : undefined;
        } catch {
          return undefined;
        }
      },
      120_000,
    );
  };
  const update = (bootSeconds: number) =>
    updateFleet(rolling, {
      maxWorkers: 3,
      bootSeconds,
      graceSeconds,
      clock: systemClock,
      signal: new AbortController().signal,
      say: (line) => said.push(line),
    });

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'imgrec-update-'));
    photos = await writePhotos(home, 40);
    cloud = await startTestCloud({
      launcher: [process.execPath, compiledModule('bin/imgrec.ts'), 'instance'],
      graceSeconds,
    });
    connection = cloud.connection;
    const { installId } = await provision(connection, order);
    cluster = await openCluster(connection);
    // The web instance runs the scaler as well; what an update does is looked at without it.
    const register = openRegister(cluster);
    await giveOrders(register, (orders) => ({ ...orders, paused: true }));
    register.close();
    releases = createReleases(connection);
    commands = createRunCommand(connection);
    rolling = { releases, commands, s3: cluster.s3, names: cluster.names, installId };
    const { endpoint = '', region = '', credentials } = connection;
    const access = { endpoint, region, ...(credentials && { credentials }) };
    ec2 = new EC2Client(access);
    const [web] = (await live()).filter(({ tags }) => tags[tagKeys.role] === 'web');
    await Promise.all([isReady(web?.id ?? ''), launchWorker(), launchWorker()]);
  }, 120_000);
  afterAll(async () => {
    for (const { close } of [releases, commands, cluster]) close();
    ec2?.destroy();
    await cloud?.close();
    await rm(home, { recursive: true, force: true });
  });

  it(`loses none of ${images} images in flight`, async () => {
    // Another grace is other user data, and so a version of each template.
    await provision(connection, { ...order, graceSeconds: graceSeconds + 1 });
    const versions = { worker: '2', web: '2' };
    const before = (await live()).map(({ id }) => id);
    const files = (await readdir(photos.folder)).sort();
    const answers: { readonly file: string; readonly label: string }[] = [];
    let next = 0;
    const client = async () => {
      while (next < images) {
        const index = next++;
        const file = files[index % files.length] ?? '';
        answers.push({ file, label: await ask(file, `image-${index}`) });
      }
    };
    const asking = Promise.all(Array.from({ length: atOnce }, client));
    await until('a tenth is answered', () => answers.length >= images / 10, 60_000);
    const report = await update(60);
    const answeredDuring = answers.length;
    await asking;

    expect(report).toMatchObject({ release: versions });
    expect(report.launched).toHaveLength(3);
    expect([...report.left].sort()).toEqual([...before].sort());
    // The roll-out went on while images came and went, and the web tier was the last to be replaced.
    expect(answeredDuring).toBeGreaterThan(images / 10);
    expect(said.findIndex((line) => line.includes('launched web'))).toBeGreaterThan(
      said.findLastIndex((line) => line.includes('launched worker')),
    );

    const after = await live();
    expect(after.map(({ version }) => version)).toEqual(['2', '2', '2']);
    const web = after.find(({ tags }) => tags[tagKeys.role] === 'web');
    expect((await releases.addresses({ [tagKeys.slot]: '1' }))[0]?.instanceId).toBe(web?.id);

    // Each image answered, each with its label; each stored once.
    expect(answers).toHaveLength(images);
    const truth = new Map(
      (await readFile(photos.truthFile, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => [
          line.slice(0, line.indexOf(',')),
          line.slice(line.indexOf(',') + 1).replaceAll('"', ''),
        ]),
    );
    expect(answers.filter(({ file, label }) => truth.get(file) !== label)).toEqual([]);
    expect((await judgeStore(cluster, photos)).wrong).toEqual([]);
  });

  it('a second run has nothing to do', async () => {
    expect(await update(60)).toMatchObject({ launched: [], left: [] });
  });

  it('goes back when a new worker does not come up, and no worker of the release before was touched', async () => {
    const before = (await live()).map(({ id }) => id).sort();
    await newVersion('worker', userData('worker', 'nobody'));
    await expect(update(60)).rejects.toMatchObject({
      message: expect.stringContaining('the release before runs again'),
      exitCode: 4,
    });
    expect(await releases.defaultVersion(template('worker'))).toBe('2');
    expect((await live()).map(({ id }) => id).sort()).toEqual(before);
  });

  it('goes back when a new web instance does not come up, with the address where it was', async () => {
    await newVersion('web', userData('web', 'nobody'));
    await expect(update(60)).rejects.toMatchObject({ exitCode: 4 });
    expect(await releases.defaultVersion(template('web'))).toBe('2');
    const web = (await live()).find(({ tags }) => tags[tagKeys.role] === 'web');
    expect((await releases.addresses({ [tagKeys.slot]: '1' }))[0]?.instanceId).toBe(web?.id);
    expect(await ask((await readdir(photos.folder))[0] ?? '', 'after')).not.toBe('');
  });
});
