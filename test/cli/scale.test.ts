import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCluster } from '../../src/aws/cluster.ts';
import { connect } from '../../src/aws/connection.ts';
import { resolveSettings } from '../../src/config/resolve.ts';
import { type LocalCloud, startLocalCloud } from '../../src/localcloud/server.ts';
import { packageRoot } from '../../src/package.ts';
import { journalKey } from '../../src/scaling/journal.ts';
import type { Observation } from '../../src/scaling/observation.ts';
import { decide, type PolicyConfig } from '../../src/scaling/policy.ts';
import { type Invoked, invoke, invokeService } from '../fixtures/invoke.ts';

interface Example {
  readonly line: string;
  readonly argv: readonly string[];
}

const livedConfig: PolicyConfig = {
  policy: 'balanced',
  min: 0,
  max: 3,
  schedules: [],
  intervalSeconds: 10,
  priorRatePerSecond: 1,
  priorBootSeconds: 60,
};

const subcommands = ['cron', 'pause', 'resume', 'set', 'status', 'explain', 'simulate', 'forecast'] as const;

const examplesOf = async (...words: readonly string[]): Promise<Example[]> => {
  const { stdout } = await invoke([...words, '--help']);
  const [, examples = ''] = stdout.split('\nExamples:\n');
  return [...examples.matchAll(/^ {2}# .+\n {2}\$ imgrec (.+)$/gm)].map(([, line = '']) => ({
    line,
    argv: line.split(' '),
  }));
};

describe('imgrec scale', { timeout: 60_000 }, () => {
  let home: string;
  let cloud: LocalCloud;
  const run = (argv: readonly string[]): Promise<Invoked> => invoke(argv, { workingFolder: home });
  const json = async (...argv: readonly string[]): Promise<Record<string, unknown>> => {
    const { exitCode, stdout, stderr } = await run([...argv, '--local', '--json']);
    expect({ exitCode, stderr }, argv.join(' ')).toEqual({ exitCode: 0, stderr: '' });
    return JSON.parse(stdout) as Record<string, unknown>;
  };

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'imgrec-scale-'));
    await symlink(path.join(packageRoot, 'assets'), path.join(home, 'assets'));
    // An instance that does nothing and stays.
    const launcher = [process.execPath, '-e', 'process.send({ type: "ready" }); setInterval(() => {}, 1e6)'];
    cloud = await startLocalCloud({ stateFolder: path.join(home, '.imgrec'), launcher, graceSeconds: 1 });
    for (const cluster of ['imgrec', 'demo'])
      expect(await run(['provision', '--local', '--yes', '--cluster', cluster])).toMatchObject({
        exitCode: 0,
      });
  });
  afterAll(async () => {
    await cloud.close();
    await rm(home, { recursive: true, force: true });
  });

  it('says so where the cluster is not provisioned', async () => {
    const { exitCode, stderr } = await run(['scale', '--once', '--local', '--cluster', 'none']);
    expect(exitCode).toBe(3);
    expect(stderr).toBe('error: cluster none is not provisioned\nhint: run "imgrec provision" first\n');
  });

  it.each([
    [['--min-workers', '3', '--max-workers', '2'], '--min-workers 3 is more than --max-workers 2'],
    [['--scale-in', 'stop', '--spot'], '--scale-in stop cannot be had with --spot'],
    [['--once', '--for', '10s'], '--once and --for are both given'],
    [['--schedule', 'now = 3'], '--schedule must be entries such as'],
    [['--instance-types', 'c7a medium'], '--instance-types must be instance types between commas'],
  ])('refuses %j', async (argv, message) => {
    const { exitCode, stderr } = await run(['scale', '--local', ...argv]);
    expect(exitCode).toBe(64);
    expect(stderr).toContain(`error: ${message}`);
  });

  it('does nothing with --dry-run, and says what it would do', async () => {
    const would = await json('scale', '--dry-run', '--min-workers', '2');
    expect(would).toMatchObject({ schema: 'imgrec.scale/1', dryRun: true, desired: 2 });
    expect(would['acts']).toHaveLength(2);
    const status = await json('scale', 'status');
    expect(status).not.toHaveProperty('owner');
    expect(status).not.toHaveProperty('fleet');
  });

  it('takes one decision with --once; the status and the journal have it', async () => {
    const done = await json('scale', '--once', '--min-workers', '2', '--max-workers', '3');
    expect(done).toMatchObject({ kind: 'decided', desired: 2 });
    expect(done['acts']).toHaveLength(2);
    expect(await json('scale', 'status')).toMatchObject({
      schema: 'imgrec.scale.status/1',
      fleet: { desired: 2, booting: 2, ready: 0 },
    });
    const { decisions } = await json('scale', 'explain', '--last', '1');
    expect(decisions).toMatchObject([{ desired: 2, replay: 'same', acts: done['acts'] }]);
    const later = await json('scale', 'explain', '--at', '2990-01-01T00:00:00Z');
    expect(later['decisions']).toEqual(decisions);
    const earlier = await json('scale', 'explain', '--at', '1990-01-01T00:00:00Z');
    expect(earlier['decisions']).toEqual([]);
  });

  it('launches nothing a second time, nor while paused, and follows "set" up to its maximum', async () => {
    const decide = () => json('scale', '--once', '--min-workers', '2', '--max-workers', '3');
    expect((await decide())['acts']).toEqual([]);
    await json('scale', 'set', '9');
    await json('scale', 'pause');
    expect(await decide()).toMatchObject({ overruled: 'paused', acts: [] });
    expect((await run(['scale', 'status', '--local'])).stdout).toContain('paused: nothing is launched');
    await json('scale', 'set', '9');
    const grown = await decide();
    expect(grown).toMatchObject({ desired: 3, overruled: 'set' });
    expect(grown['acts']).toHaveLength(1);
    expect(await json('scale', 'resume')).toMatchObject({ orders: { paused: false } });
    const { decisions } = await json('scale', 'explain', '--last', '1');
    expect(decisions).toMatchObject([{ overruled: 'set', desired: 3, replay: 'same' }]);
  });

  it('refuses a number of workers that is none', async () => {
    const { exitCode, stderr } = await run(['scale', 'set', 'many', '--local']);
    expect(exitCode).toBe(64);
    expect(stderr).toContain('must be a whole number, not "many"');
  });

  it('serves its metrics for Prometheus', async () => {
    const service = await invokeService(
      ['scale', '--local', '--every', '1s', '--min-workers', '2', '--metrics-port', '0'],
      { workingFolder: home },
    );
    const answer = await (await fetch(String(service.details['metrics']))).text();
    await service.stop();
    expect(answer).toMatch(/^# TYPE imgrec_scale_desired_workers gauge\nimgrec_scale_desired_workers \d+$/m);
  });

  it('prints a line for crontab that a shell runs as it is', async () => {
    const { line } = await json('scale', 'cron', '--schedule', '0 8 * * 1-5 = 3', '--max-workers', '8');
    expect(line).toMatch(
      /^\* \* \* \* \* .*imgrec\.js scale --for 55s --max-workers 8 --schedule '0 8 \* \* 1-5 = 3' /,
    );
    expect(line).toContain(`--state ${path.join(home, '.imgrec')}`);
  });

  it('simulates what the cluster has lived through, and says so where that is nothing', async () => {
    const nothing = await run([
      'scale',
      'simulate',
      '--trace-from',
      'journal',
      '--local',
      '--cluster',
      'demo',
    ]);
    expect(nothing).toMatchObject({ exitCode: 1, stdout: '' });
    expect(nothing.stderr).toContain('the journal knows of no image yet');

    const { values } = resolveSettings({
      flags: { local: true, cluster: 'demo' },
      environment: {},
      file: {},
    });
    const demo = await openCluster(connect(values, home));
    const entry = (second: number) => {
      const observation: Observation = {
        nowSeconds: second,
        visible: 0,
        inFlight: 0,
        delayed: 0,
        arrivals: [{ from: second - 10, to: second, count: 20 }],
        launchFailures: 0,
        instances: [],
      };
      const { state: before, why } = decide(undefined, observation, livedConfig);
      const at = new Date(second * 1_000).toISOString();
      return JSON.stringify({
        v: 1,
        at,
        config: livedConfig,
        before,
        observation,
        decided: 0,
        desired: 0,
        terminate: [],
        why,
        acts: [],
      });
    };
    const lines = Array.from({ length: 30 }, (_, run) => entry(1_800_000_000 + 10 * run));
    await demo.s3.put(
      demo.names.opsBucket,
      journalKey('2027-01-15T08:00:00.000Z'),
      `${lines.join('\n')}\n`,
      'application/x-ndjson',
    );
    demo.close();

    const { rows } = (await json('scale', 'simulate', '--trace-from', 'journal', '--cluster', 'demo')) as {
      rows: readonly Record<string, unknown>[];
    };
    expect(rows).toMatchObject([{ trace: 'journal', policy: 'balanced', unserved: 0 }]);
    expect(Number(rows[0]?.['peakWorkers'])).toBeGreaterThan(1);
    const { forecasts } = (await json(
      'scale',
      'forecast',
      '--trace-from',
      'journal',
      '--cluster',
      'demo',
      '--policy',
      'keda',
    )) as {
      forecasts: readonly Record<string, unknown>[];
    };
    expect(forecasts.map(({ trace, policy }) => [trace, policy])).toEqual([
      ['journal', 'always on (2)'],
      ['journal', 'keda'],
    ]);
  });

  it('is looked for by workers with --idle-exit: without one they end', async () => {
    const argv = ['worker', '--local', '--classifiers', '1', '--poll-wait', '1', '--idle-exit', '1s'];
    const { exitCode, stderr } = await run(argv);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('neither work nor a scaler was seen: ending');
  });

  it('has examples that work as printed', async () => {
    const own = await examplesOf('scale');
    expect(own.length).toBeGreaterThanOrEqual(2);
    for (const { argv, line } of own) {
      if (argv.includes('--dry-run') || argv.includes('--for'))
        expect(await run(argv), line).toMatchObject({ exitCode: 0 });
      else {
        const service = await invokeService(argv, { workingFolder: home });
        expect(await service.stop(), line).toMatchObject({ exitCode: 0, stdout: '' });
      }
    }
    for (const name of subcommands) {
      const examples = await examplesOf('scale', name);
      expect(examples.length, name).toBeGreaterThanOrEqual(2);
      for (const { argv, line } of examples) {
        const { exitCode, stderr, stdout } = await run(argv);
        expect({ exitCode, stderr }, line).toEqual({ exitCode: 0, stderr: '' });
        expect(stdout, line).not.toBe('');
      }
    }
  });
});
