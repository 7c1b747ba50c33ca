import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { afterAll, describe, expect, test } from 'vitest';
import { clientConfig, connect } from '../../src/aws/connection.ts';
import { packageRoot } from '../../src/package.ts';
import { killStarted, readyObject, runImgrec, startImgrec } from '../fixtures/processes.ts';

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** Why each worker of a cluster came to its end. */
const endsOfWorkers = async (home: string): Promise<readonly (string | undefined)[]> => {
  const connection = connect({ cluster: 'imgrec', local: true, state: '.imgrec', region: undefined }, home);
  const client = new EC2Client(clientConfig(connection));
  const { Reservations = [] } = await client.send(
    new DescribeInstancesCommand({ Filters: [{ Name: 'tag:imgrec:role', Values: ['worker'] }] }),
  );
  client.destroy();
  return Reservations.flatMap(({ Instances = [] }) => Instances.map(({ StateReason }) => StateReason?.Code));
};

/** Which files of a state folder have the key in them: the one where the local cloud keeps its parameters, and nothing that was logged. */
const secretsIn = async (folder: string, key: string): Promise<readonly string[]> => {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const holding: string[] = [];
  for (const { parentPath, name } of files)
    if ((await readFile(path.join(parentPath, name))).includes(key))
      holding.push(path.relative(folder, path.join(parentPath, name)));
  return holding;
};

/** From nothing to a classified image and back, as on AWS: what runs is what the instances start by themselves. */
describe('imgrec provision on the local cloud', { timeout: 120_000 }, () => {
  let home = '';
  afterAll(async () => {
    killStarted();
    await rm(home, { recursive: true, force: true });
  });

  test('makes a cluster whose web instance classifies an image, and takes it away again', async () => {
    home = await mkdtemp(path.join(tmpdir(), 'imgrec-provision-'));
    const cloud = startImgrec(['dev', '--only', 'cloud', '--json'], { cwd: home });
    await readyObject(cloud);
    const port = await freePort();
    const choices = ['--local', '--port', String(port), '--max-workers', '1', '--api-keys'];
    const made = await runImgrec(['provision', ...choices, '--yes', '--wait'], {
      cwd: home,
      withinMs: 60_000,
    });
    expect(made, made.stderr).toMatchObject({ exitCode: 0 });
    const again = await runImgrec(['provision', 'plan', ...choices, '--detailed-exitcode'], { cwd: home });
    expect(again, again.stderr).toMatchObject({ exitCode: 0 });

    const image = await readFile(path.join(packageRoot, 'assets', 'samples', 'espresso.jpg'));
    const send = (headers: Readonly<Record<string, string>>) =>
      fetch(`http://127.0.0.1:${port}/`, {
        method: 'POST',
        headers: { 'content-type': 'image/jpeg', ...headers },
        body: new Uint8Array(image),
      });
    // Its instance reads the keys with the role that was made for it.
    const stranger = await send({});
    expect([stranger.status, stranger.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="imgrec"',
    ]);
    const shown = await runImgrec(['provision', 'api-key', '--local'], { cwd: home });
    const key = shown.stdout.trim().split(':')[1] ?? '';
    expect((await send({ authorization: `Bearer ${key}x` })).status).toBe(401);
    expect(await (await send({ authorization: `Bearer ${key}` })).text()).toBe('espresso');
    await writeFile(path.join(home, 'keys'), shown.stdout);
    const url = `http://127.0.0.1:${port}/`;
    const samples = path.join(packageRoot, 'assets', 'samples');
    const bench = ['bench', '--url', url, '--images', samples, '--requests', '2', '--json'];
    const measured = await runImgrec([...bench, '--api-key-file', 'keys'], { cwd: home });
    expect(measured, measured.stderr).toMatchObject({ exitCode: 0 });
    // Nothing that is printed or logged has the key in it, and the key was at least as long as it should be.
    expect(key.length).toBe(43);
    for (const { stdout, stderr } of [made, again, measured]) expect(stdout + stderr).not.toContain(key);
    expect(cloud.stdout() + cloud.stderr()).not.toContain(key);
    expect(await secretsIn(path.join(home, '.imgrec'), key)).toEqual(['journal.jsonl']);

    const destroy = ['provision', 'destroy', '--local', '--yes'];
    const refused = await runImgrec(destroy, { cwd: home });
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.stderr).toContain('--delete-data');
    const gone = await runImgrec([...destroy, '--delete-data'], { cwd: home, withinMs: 60_000 });
    expect(gone, gone.stderr).toMatchObject({ exitCode: 0 });
    // The worker was told to drain, and its machine ended itself: nobody had to terminate it.
    expect(await endsOfWorkers(home)).toEqual(['Client.InstanceInitiatedShutdown']);
    const twice = await runImgrec(destroy, { cwd: home });
    expect(twice.stdout).toContain('nothing to delete');
    cloud.signal('SIGTERM');
    await cloud.exit();
  });
});
