import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { largeObjectLimits } from '../../src/aws/connection.ts';
import { createS3, type S3 } from '../../src/aws/s3.ts';
import { type Assignment, readBootScript, renderUserData } from '../../src/fleet/user-data.ts';
import { assetPath } from '../../src/package.ts';
import { type Artifact, ensureArtifact } from '../../src/provision/artifact.ts';
import { type FleetReport, fleetReport, fleetReportKey } from '../../src/reports/reports.ts';
import { startTestCluster, type TestCluster } from '../fixtures/cluster.ts';
import {
  bootMachine,
  type Machine,
  type MetadataService,
  startMetadataService,
} from '../fixtures/machine.ts';
import { descendantsOf } from '../fixtures/process-table.ts';
import { killStarted, readyObject, startImgrec, until } from '../fixtures/processes.ts';

/** Folder of a root file system with what an image has and no systemd; `.ci/run` makes one with debootstrap. */
const image = process.env['IMGREC_TEST_DEBIAN'];

const why =
  image === undefined
    ? 'IMGREC_TEST_DEBIAN names no root file system'
    : process.platform !== 'linux' || process.getuid?.() !== 0
      ? 'only root on Linux can mount one'
      : undefined;

const instanceId = 'i-0123456789abcdef0';
const cpu = process.arch === 'arm64' ? 'arm64' : 'x64';

/** The boot script is executed, not read: what a fresh machine ends as when it gets nothing but user data. */
describe.skipIf(why !== undefined)(
  `user data on a bare machine${why ? ` (${why})` : ''}`,
  { timeout: 240_000 },
  () => {
    let test: TestCluster;
    let metadata: MetadataService;
    let store: S3;
    let artifact: Artifact;
    let machine: Machine | undefined;
    let scratch: string;
    /** Of the machine that became a worker. */
    let baked = '';
    const signal = new AbortController().signal;

    const stored = () =>
      ensureArtifact({
        s3: store,
        opsBucket: test.cluster.names.opsBucket,
        target: `linux-${cpu}`,
        say: () => {},
        signal,
      });
    const boot = async (given: Partial<Assignment>, layers: readonly string[] = []): Promise<Machine> => {
      const assigned: Assignment = { v: 1, role: 'worker', cluster: 'test', ...given };
      const userData = renderUserData(readBootScript(), assigned, { graceSeconds: 20 });
      machine = await bootMachine([...layers, image ?? ''], scratch, userData, {
        AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url,
        AWS_ENDPOINT_URL: test.connection.endpoint ?? '',
      });
      return machine;
    };
    const ready = (booted: Machine) =>
      until(
        'the worker is ready',
        async () => {
          if (booted.process.exitCode !== null) throw new Error(`the machine ended:\n${booted.output()}`);
          return (await report())?.state === 'ready';
        },
        120_000,
      );
    const report = async (): Promise<FleetReport | undefined> => {
      const { s3, names } = test.cluster;
      const text = await s3.get(names.opsBucket, fleetReportKey(instanceId), { deniedIsAbsent: true });
      return text === undefined ? undefined : fleetReport.parse(JSON.parse(text.toString()));
    };
    const programOf = ({ process: { pid = 0 } }: Machine) =>
      descendantsOf(pid).find(({ line }) => line.includes('imgrec.js instance'));
    const put = (key: string, body: string) =>
      test.cluster.s3.put(test.cluster.names.opsBucket, key, body, 'application/gzip');

    beforeAll(async () => {
      scratch = await mkdtemp(path.join(tmpdir(), 'imgrec-boot-'));
      test = await startTestCluster();
      const { account, region } = test.cluster.identity;
      const { credentials } = test.connection;
      if (credentials === undefined) throw new Error('the local cloud has credentials');
      metadata = await startMetadataService({ account, region, instanceId, credentials });
      store = createS3(test.connection, account, { direct: false, limits: largeObjectLimits });
      artifact = await stored();
    }, 240_000);
    afterEach(async () => {
      await machine?.close();
      await test.cluster.s3.remove(test.cluster.names.opsBucket, fleetReportKey(instanceId));
    });
    afterAll(async () => {
      killStarted();
      store?.close();
      await metadata?.close();
      await test?.close();
      await rm(scratch, { recursive: true, force: true });
    });

    it('the software is packed and stored once', async () => {
      expect(artifact.made).toBe('uploaded');
      expect(await stored()).toEqual({ ...artifact, made: 'found' });
      // Of the size that docs/design/boot.md states.
      expect(artifact.bytes).toBeLessThan(110e6);
      expect(artifact.unpackedBytes).toBeLessThan(320e6);
    });

    it('ends as an unprivileged worker that classifies, drains and says so', async () => {
      const booted = await boot({ artifact: artifact.sha256 });
      await ready(booted);
      const serve = startImgrec(
        ['serve', '--local', '--state', test.stateFolder, '--cluster', 'test', '--port', '0', '--json'],
        { cwd: test.stateFolder },
      );
      const { url = '' } = await readyObject(serve);
      const body = await readFile(assetPath('samples', 'daisy.jpg'));
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'image/jpeg' }, body });
      expect([response.status, await response.text()]).toEqual([200, 'daisy']);

      const family = descendantsOf(booted.process.pid ?? 0);
      const parent = programOf(booted);
      const status = readFileSync(`/proc/${parent?.pid}/status`, 'utf8');
      expect(status).not.toMatch(/^Uid:\s+0\b/m);
      expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
      // Whoever lists processes sees no secret.
      const secrets = Object.values(test.connection.credentials ?? {});
      for (const { line } of family) for (const secret of secrets) expect(line).not.toContain(secret);

      process.kill(parent?.pid ?? 0, 'SIGTERM');
      expect(await booted.ended).toBe(0);
      expect(await report()).toMatchObject({ state: 'stopped', imagesDone: 1 });
      expect(metadata.refused).toEqual([]);
      baked = booted.changes;
    });

    it('does not run software whose digest is another, and says why it ended', async () => {
      const sha256 = 'b'.repeat(64);
      await put(`artifacts/${sha256}.tgz`, 'something else');
      expect(await (await boot({ artifact: sha256 })).ended).not.toBe(0);
      expect(await report()).toMatchObject({
        state: 'stopped',
        reason: expect.stringMatching(/^failed while verifying artifact b+: .*did NOT match/),
      });
    });

    it('says so when there is no such software', async () => {
      expect(await (await boot({ artifact: 'c'.repeat(64) })).ended).not.toBe(0);
      expect((await report())?.reason).toMatch(/^failed while fetching artifact c+: .*40[34]/);
    });

    it('says so when the image should have the software and has none', async () => {
      expect(await (await boot({})).ended).not.toBe(0);
      expect((await report())?.reason).toMatch(/^failed while looking for the software of this image/);
    });

    it('tries the software of an image before it says that it is ready, and waits', async () => {
      const booted = await boot({ role: 'image', artifact: artifact.sha256 }, [baked]);
      await ready(booted);
      expect(booted.output()).toContain('the software works');
      process.kill(programOf(booted)?.pid ?? 0, 'SIGTERM');
      expect(await booted.ended).toBe(0);
    });

    it.each(['that artifact', 'no artifact'])(
      'fetches nothing on an image of such a machine, given %s',
      async (given) => {
        const booted = await boot(given === 'no artifact' ? {} : { artifact: artifact.sha256 }, [baked]);
        await ready(booted);
        expect(booted.output()).not.toContain('fetching');
      },
    );
  },
);
