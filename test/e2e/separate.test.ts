import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, openCluster } from '../../src/aws/cluster.ts';
import { connect } from '../../src/aws/connection.ts';
import type { BenchReport } from '../../src/bench/report.ts';
import { judgeStore, type Photos, writePhotos } from '../fixtures/photos.ts';
import { processesNaming } from '../fixtures/process-table.ts';
import {
  allGone,
  killStarted,
  readyObject,
  runImgrec,
  type Started,
  startImgrec,
  until,
} from '../fixtures/processes.ts';

/** The parts of a cluster as on five machines: each a process that somebody started by hand, against one local cloud. */
describe('a cluster whose processes run separately', { timeout: 60_000 }, () => {
  let home: string;
  let photos: Photos;
  let cloud: Started;
  let serve: Started;
  const workers: Started[] = [];
  let url: string;
  let cluster: Cluster;

  const start = async (...args: readonly string[]) => {
    const run = startImgrec([...args, '--json'], { cwd: home });
    return { run, details: await readyObject(run) };
  };
  const startWorker = async () => {
    const { run } = await start(
      'worker',
      '--local',
      '--classifiers',
      '1',
      '--visibility',
      '5',
      '--poll-wait',
      '1',
    );
    workers.push(run);
    return run;
  };
  const stored = async () => (await cluster.s3.list(cluster.names.outputBucket, 'results/')).length;

  /** Runs bench, and `disturb` when a third of its images has a result. */
  const bench = async (requests: number, disturb?: () => Promise<void>) => {
    const before = await stored();
    const running = startImgrec(
      [
        ...['bench', '--url', url, '--images', photos.folder, '--truth', photos.truthFile],
        ...['--requests', String(requests), '--concurrency', '16', '--min-accuracy', '1', '--json'],
        ...['--lost-after', '15'],
      ],
      { cwd: home },
    );
    if (disturb !== undefined) {
      await until('a third is done', async () => (await stored()) - before >= requests / 3);
      expect(running.stdout()).toBe('');
      await disturb();
    }
    const { code } = await running.exit(45_000);
    return { exitCode: code, report: JSON.parse(running.stdout()) as BenchReport };
  };

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'imgrec-separate-'));
    photos = await writePhotos(home, 60);
    cloud = (await start('dev', '--only', 'cloud')).run;
    const provisioned = await runImgrec(['provision', '--yes', '--web-instances', '0', '--local'], {
      cwd: home,
    });
    expect(provisioned).toMatchObject({ exitCode: 0 });
    const [web] = await Promise.all([
      start('serve', '--local', '--port', '0', '--wait', '20'),
      startWorker(),
      startWorker(),
    ]);
    serve = web.run;
    url = String(web.details['url']);
    cluster = await openCluster(
      connect({ cluster: 'imgrec', local: true, state: '.imgrec', region: undefined }, home),
    );
  });
  afterAll(async () => {
    cluster?.close();
    killStarted();
    await rm(home, { recursive: true, force: true });
  });

  it('answers every image with its label', async () => {
    const { exitCode, report } = await bench(120);
    expect(report).toMatchObject({
      sent: 120,
      answered: 120,
      refused: 0,
      failed: 0,
      lost: 0,
      duplicates: 0,
      accuracy: 1,
    });
    expect(exitCode).toBe(0);
    expect(await judgeStore(cluster, photos)).toEqual({ results: 120, wrong: [] });
  });

  it('loses nothing when a worker is killed', async () => {
    const [victim] = workers;
    const family = victim?.family() ?? [];
    expect(family).toHaveLength(1);
    const before = await stored();
    const { exitCode, report } = await bench(150, async () => victim?.signal('SIGKILL'));
    expect(report).toMatchObject({
      sent: 150,
      answered: 150,
      refused: 0,
      failed: 0,
      lost: 0,
      duplicates: 0,
      accuracy: 1,
    });
    expect(exitCode).toBe(0);
    expect(await judgeStore(cluster, photos)).toEqual({ results: before + 150, wrong: [] });
    await allGone(family);
    workers.shift();
    await startWorker();
  });

  it('loses nothing when the local cloud is killed and started again', async () => {
    const [process_] = cloud.family();
    expect(process_?.line).toContain('localcloud');
    const { exitCode, report } = await bench(150, async () => {
      // The supervisor first, so that it cannot start another.
      cloud.signal('SIGKILL');
      process.kill(process_?.pid ?? 0, 'SIGKILL');
      await cloud.exit();
      cloud = (await start('dev', '--only', 'cloud')).run;
    });
    expect(report).toMatchObject({ sent: 150, failed: 0, lost: 0, duplicates: 0, accuracy: 1 });
    // Uploads that met no cloud are refused, unless it was back before the web tier's last attempt.
    expect(report.answered + report.refused).toBe(150);
    expect(exitCode).toBe(0);
    const { results, wrong } = await judgeStore(cluster, photos);
    expect(wrong).toEqual([]);
    expect(results).toBeGreaterThanOrEqual(120 + 150 + report.answered);
    // What was in flight is done and deleted: nothing is left behind in the queues.
    const { requests, deadLetters } = cluster.names;
    const counts = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
    for (const queue of [requests, deadLetters])
      await until(`${queue} is empty`, async () =>
        Object.values((await cluster.sqs.attributes(queue, counts)) ?? {}).every((count) => count === '0'),
      );
  });

  it('ends every process with exit code 0 at SIGTERM, and leaves no process and no reply queue', async () => {
    const processes = [serve, ...workers];
    const families = processes.flatMap(({ family }) => family());
    for (const each of processes) each.signal('SIGTERM');
    for (const each of processes) expect(await each.exit()).toEqual({ code: 0, signal: null });
    await allGone(families);
    expect(await cluster.sqs.list(cluster.names.replyPrefix)).toEqual([]);
    cloud.interrupt();
    expect(await cloud.exit()).toEqual({ code: 0, signal: null });
    expect(processesNaming(home)).toEqual([]);
  });
});
