import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
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
import type { Register } from '../../src/aws/register.ts';
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
import { type UpdateReport, updateFleet } from '../../src/provision/update.ts';
import type { Order } from '../../src/provision/wish.ts';
import { fleetReport, fleetReportKey } from '../../src/reports/reports.ts';
import { giveOrders } from '../../src/scaling/lease.ts';
import { openRegister } from '../../src/scaling/open.ts';
import { scalerStatus } from '../../src/scaling/status.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { judgeStore, type Photos, writePhotos } from '../fixtures/photos.ts';
import { killStarted, runImgrec, startImgrec, until } from '../fixtures/processes.ts';

const images = 200;
const atOnce = 40;
const graceSeconds = 15;

/** What instances are told, as imgrec.json has it. */
const settings = {
  classifiers: 1,
  'poll-wait': 1,
  port: 0,
  wait: '60s',
  grace: `${graceSeconds}s`,
  'min-workers': 0,
};

/** What `imgrec provision` is told: one web instance, and machines of which this machine makes processes. */
const order: Order = {
  retentionSeconds: 7 * 86_400,
  visibilitySeconds: 30,
  graceSeconds,
  workerSettings: settings,
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
  let register: Register;

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
  /** As an operator types it, in a folder whose imgrec.json says the rest. */
  const command = (grace: number): readonly string[] => [
    ...['provision', 'update', '--local', '--state', cloud.stateFolder, '--cluster', 'test'],
    ...['--grace', `${grace}s`, '--boot-timeout', '60s', '--max-workers', '3', '--yes', '--json'],
  ];
  const update = (bootSeconds: number) =>
    updateFleet(rolling, {
      maxWorkers: 3,
      bootSeconds,
      graceSeconds,
      clock: systemClock,
      signal: new AbortController().signal,
      say: () => {},
    });

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'imgrec-update-'));
    photos = await writePhotos(home, 40);
    await writeFile(path.join(home, 'imgrec.json'), JSON.stringify(settings));
    cloud = await startTestCloud({
      launcher: [process.execPath, compiledModule('bin/imgrec.ts'), 'instance'],
      graceSeconds,
    });
    connection = cloud.connection;
    const { installId } = await provision(connection, order);
    cluster = await openCluster(connection);
    // The web instance runs the scaler as well; what an update does is looked at without it.
    register = openRegister(cluster);
    await giveOrders(register, (orders) => ({ ...orders, paused: true }));
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
    killStarted();
    for (const { close } of [releases, commands, register, cluster]) close();
    ec2?.destroy();
    await cloud?.close();
    await rm(home, { recursive: true, force: true });
  });

  it(`loses none of ${images} images in flight`, async () => {
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
    // Another grace is other user data, and so a version of each template.
    const updated = await runImgrec(command(graceSeconds + 1), { cwd: home, withinMs: 120_000 });
    const answeredDuring = answers.length;
    await asking;

    expect(updated, updated.stderr).toMatchObject({ exitCode: 0 });
    const report = JSON.parse(updated.stdout) as UpdateReport;
    expect(report).toMatchObject({ schema: 'imgrec.provision.update/1', release: versions });
    expect(report.launched).toHaveLength(3);
    expect([...report.left].sort()).toEqual([...before].sort());
    const lines = updated.stderr.split('\n');
    // The roll-out went on while images came and went, and the web tier was the last to be replaced.
    expect(answeredDuring).toBeGreaterThan(images / 10);
    expect(lines.findIndex((line) => line.includes('launched web'))).toBeGreaterThan(
      lines.findLastIndex((line) => line.includes('launched worker')),
    );
    // What an operator had paused stays so, and nothing else holds the scaler any more.
    expect((await scalerStatus(register)).orders).toEqual({ paused: true });

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

  it('is killed: the scaler is free again by itself, and the next run goes on', async () => {
    await giveOrders(register, () => ({ paused: false }));
    const before = (await live()).map(({ id }) => id).sort();
    const run = startImgrec(command(graceSeconds + 2), { cwd: home });
    await until('a worker is launched', () => run.stderr().includes('launched worker'), 60_000);
    run.signal('SIGKILL');
    expect(await run.exit()).toMatchObject({ signal: 'SIGKILL' });
    // Nobody is there to say so; half a minute later S3's clock does.
    const { orders, heldSeconds } = await scalerStatus(register);
    expect(orders.paused).toBe(false);
    expect(heldSeconds).toBeGreaterThan(0);
    expect(heldSeconds).toBeLessThanOrEqual(30);
    const later = {
      read: async () => {
        const { nowMs, version } = await register.read();
        return { nowMs: nowMs + 31_000, version };
      },
    };
    expect((await scalerStatus(later)).heldSeconds).toBe(0);
    if (process.env['IMGREC_TEST_NIGHTLY'] !== '1') return;

    // It waits as long as the other may still be alive.
    const next = await runImgrec(command(graceSeconds + 2), { cwd: home, withinMs: 170_000 });
    expect(next, next.stderr).toMatchObject({ exitCode: 0 });
    expect(next.stderr).toContain('another update has the scaler stopped');
    const { left } = JSON.parse(next.stdout) as UpdateReport;
    expect(left).toEqual(expect.arrayContaining(before));
    expect((await live()).filter(({ tags }) => tags[tagKeys.role] === 'web')).toHaveLength(1);
    expect(await ask((await readdir(photos.folder))[0] ?? '', 'after-the-kill')).not.toBe('');
  });
});
