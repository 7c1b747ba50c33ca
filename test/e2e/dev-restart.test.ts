import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assetPath } from '../../src/package.ts';
import { answers, newHome, partsOf, post, startDev } from '../fixtures/dev.ts';
import { allGone, killStarted, runImgrec, until } from '../fixtures/processes.ts';

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

describe('imgrec dev, as a supervisor', { timeout: 60_000 }, () => {
  it('leaves no process when it is killed, and starts again at once', async () => {
    const home = await newHome(root, 'killed');
    const { run } = await startDev(home, ['--classifiers', '1']);
    const family = run.family();
    expect(family.length).toBeGreaterThanOrEqual(4);
    run.signal('SIGKILL');
    const again = await startDev(home, ['--classifiers', '1']);
    await allGone(family, 10_000);
    again.run.interrupt();
    expect(await again.run.exit()).toEqual({ code: 0, signal: null });
  });

  it('starts again whatever is killed, at the same address', async () => {
    const home = await newHome(root, 'again');
    const { run, url } = await startDev(home, ['--classifiers', '1']);
    for (const name of ['worker', 'serve', 'cloud'] as const) {
      const [{ pid } = { pid: 0 }] = partsOf(run, name);
      process.kill(pid, 'SIGKILL');
      await until(`another ${name}`, () => partsOf(run, name).find((each) => each.pid !== pid));
      await answers(url, daisy, 'daisy');
    }
    const family = run.family();
    run.interrupt();
    expect(await run.exit()).toEqual({ code: 0, signal: null });
    await allGone(family, 2_000);
  });

  it('runs beside another one, but not on the same state folder', async () => {
    const [first, second] = [await newHome(root, 'first'), await newHome(root, 'second')];
    const clusters = await Promise.all([first, second].map((home) => startDev(home, ['--classifiers', '1'])));
    for (const { url } of clusters) expect(await post(url, daisy)).toEqual({ status: 200, text: 'daisy' });
    const refused = await runImgrec(['dev', '--port', '0'], { cwd: first });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(
      /^error: a local cloud already runs on .*first\/\.imgrec \(process \d+\)\nhint: .*--state\n$/,
    );
    for (const { url } of clusters) expect(await post(url, daisy)).toEqual({ status: 200, text: 'daisy' });
    const families = clusters.flatMap(({ run }) => run.family());
    for (const { run } of clusters) run.interrupt();
    for (const { run } of clusters) expect(await run.exit()).toEqual({ code: 0, signal: null });
    await allGone(families, 2_000);
  });
});
