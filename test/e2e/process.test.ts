import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compiledModule } from '../../src/package.ts';
import { processesNaming } from '../fixtures/process-table.ts';
import { allGone, killStarted, readyObject, startImgrec, until } from '../fixtures/processes.ts';

const bin = compiledModule('bin/imgrec.ts');

describe('an imgrec process', { timeout: 60_000 }, () => {
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'imgrec-process-'));
  });
  afterAll(async () => {
    killStarted();
    await rm(home, { recursive: true, force: true });
  });

  it('ends silently when nobody reads its output any more', async () => {
    const child = spawn(process.execPath, [bin, 'config'], { cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.destroy();
    const [code] = await once(child, 'close');
    // 128 + SIGPIPE, as shells report it.
    expect({ code, stderr }).toEqual({ code: 141, stderr: '' });
  });

  it('ends with its supervisor, also when that goes before it is loaded', async () => {
    const argv = ['dev', '--only', 'cloud', '--state', path.join(home, 'orphan')];
    for (const delayMs of [0, 20, 60, 120, 200]) {
      const child = fork(bin, argv, { cwd: home, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
      const ended = once(child, 'exit');
      setTimeout(() => child.disconnect(), delayMs);
      expect(await ended).toEqual([1, null]);
      await until('its local cloud ends', () => processesNaming(home).length === 0);
    }
  });

  it('ends, with its message, where there is no local cloud', async () => {
    const runs = ['provision', 'serve', 'worker', 'instance'].map((verb) =>
      startImgrec([verb, '--local', '--state', 'nowhere'], {
        cwd: home,
        environment: { IMGREC_USER_DATA: '{"v":1,"role":"worker","cluster":"imgrec"}' },
      }),
    );
    for (const run of runs) {
      expect(await run.exit()).toEqual({ code: 3, signal: null });
      expect(run.stderr()).toMatch(/^error: there is no local cloud in .*nowhere\nhint: /);
      expect(run.family()).toEqual([]);
    }
  });

  it('ends with 0 at SIGTERM, also when the cloud has gone', async () => {
    const start = async (...argv: readonly string[]) => {
      const run = startImgrec([...argv, '--state', 'gone', '--json'], { cwd: home });
      await readyObject(run);
      return run;
    };
    const cloud = await start('dev', '--only', 'cloud');
    const provision = startImgrec(
      ['provision', '--yes', '--web-instances', '0', '--local', '--state', 'gone'],
      { cwd: home },
    );
    expect(await provision.exit()).toMatchObject({ code: 0 });
    const serve = await start('serve', '--local', '--port', '0');
    const worker = await start('worker', '--local', '--classifiers', '1');
    const clouds = cloud.family();
    const classifiers = worker.family();
    cloud.signal('SIGKILL');
    await allGone(clouds);
    for (const run of [serve, worker]) run.signal('SIGTERM');
    for (const run of [serve, worker]) expect(await run.exit()).toEqual({ code: 0, signal: null });
    await allGone(classifiers);
  });

  it('leaves no process and no folder when bench --dev is interrupted, once or twice', async () => {
    for (const times of [1, 2]) {
      const run = startImgrec(['bench', '--dev', '--requests', '5000'], {
        cwd: home,
        environment: { TMPDIR: home },
      });
      const temporary = async () => (await readdir(home)).filter((name) => name.startsWith('imgrec-bench-'));
      await until(
        'workers run',
        () => run.family().filter(({ line }) => line.includes('classifier')).length > 0,
      );
      const family = run.family();
      run.interrupt();
      if (times === 2) {
        await until('it stops', async () => (await temporary()).length === 1);
        run.interrupt();
      }
      const { code } = await run.exit();
      expect(code).not.toBe(0);
      await allGone(family);
      expect(await temporary()).toEqual([]);
    }
  });
});
