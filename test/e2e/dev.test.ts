import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assetPath } from '../../src/package.ts';
import { newHome, partsOf, post, startDev, waiting } from '../fixtures/dev.ts';
import { fixture } from '../fixtures/image-goldens.ts';
import { processesNaming } from '../fixtures/process-table.ts';
import { allGone, killStarted, runImgrec, startImgrec, until } from '../fixtures/processes.ts';

let root: string;
let daisy: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'imgrec-dev-'));
  daisy = new Uint8Array(await readFile(assetPath('samples', 'daisy.jpg')));
});
afterAll(async () => {
  killStarted();
  await rm(root, { recursive: true, force: true });
});

describe('imgrec dev', { timeout: 60_000 }, () => {
  it('answers what is in flight at Ctrl-C, exits 0, and leaves nothing but its state folder', async () => {
    const home = await newHome(root, 'drain');
    // Settings for other commands in the same folder must not lead its parts to another cloud.
    await writeFile(
      path.join(home, 'imgrec.json'),
      JSON.stringify({ local: true, state: 'elsewhere', workers: 2 }),
    );
    const { run, url } = await startDev(home, ['--state', 'here', '--classifiers', '1'], {
      IMGREC_LOCAL: '1',
    });
    expect(run.stderr()).toContain(`ready: ${url}`);
    expect(partsOf(run, 'worker')).toHaveLength(2);
    let done = 0;
    const answered = Promise.all(
      Array.from({ length: 40 }, () =>
        post(url, daisy).finally(() => {
          done++;
        }),
      ),
    );
    // All have been taken, and some are not answered yet: a connection that is still being opened may well be refused.
    await until('all images are taken', async () => done + (await waiting(url)) >= 40);
    const family = run.family();
    run.interrupt();
    expect(new Set((await answered).map(({ status, text }) => `${status} ${text}`))).toEqual(
      new Set(['200 daisy']),
    );
    expect(await run.exit()).toEqual({ code: 0, signal: null });
    expect(family.length).toBeGreaterThanOrEqual(6);
    await allGone(family, 2_000);
    expect((await readdir(home)).sort()).toEqual(['here', 'imgrec.json']);
    expect(run.stdout().trim().split('\n')).toHaveLength(1);
  });

  it('stops at once at a second Ctrl-C', async () => {
    const home = await newHome(root, 'twice');
    const { run, url } = await startDev(home, ['--workers', '0']);
    const unanswered = post(url, daisy).catch(() => undefined);
    await until('an image waits', async () => (await waiting(url)) === 1);
    const family = run.family();
    run.interrupt();
    await until('it drains', () => run.stderr().includes('draining'));
    run.interrupt();
    expect(await run.exit(3_000)).toEqual({ code: 130, signal: null });
    await allGone(family, 3_000);
    await unanswered;
  });

  it('stops at Ctrl-C before it is ready', async () => {
    const home = await newHome(root, 'early');
    const run = startImgrec(['dev', '--port', '0'], { cwd: home });
    const [cloud] = await until('the local cloud is started', () => {
      const family = run.family();
      return family.length > 0 && family;
    });
    run.interrupt();
    expect(await run.exit()).toEqual({ code: 0, signal: null });
    expect(run.stderr()).not.toContain('error');
    await allGone([cloud].flatMap((each) => each ?? []));
    expect(processesNaming(home)).toEqual([]);
  });

  it('says that a port is taken, exits 1, and leaves no process', async () => {
    const home = await newHome(root, 'port');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const { exitCode, stdout, stderr } = await runImgrec(['dev', '--port', port, '--json'], { cwd: home });
    server.close();
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toBe(`error: port ${port} on 127.0.0.1 is taken\nhint: choose another with --port\n`);
    expect(processesNaming(home)).toEqual([]);
  });

  it('says that no worker starts, and why to look where, exits 1, and leaves no process', async () => {
    const home = await newHome(root, 'misfit');
    const model = fixture('mean-of-planes.onnx').pathname;
    const { exitCode, stderr } = await runImgrec(['dev', '--port', '0', '--model', model], {
      cwd: home,
      // Three launches that fail, each later than the one before.
      withinMs: 50_000,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('error: no worker starts');
    const [, log = ''] = /hint: see the log of the last: (.*)/.exec(stderr) ?? [];
    expect(await readFile(log, 'utf8')).toContain('mean-of-planes.onnx');
    expect(processesNaming(home)).toEqual([]);
  });
});
