import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Clock, systemClock } from '../../clock.ts';
import { createInstances, type Instances } from './instances.ts';

/** Says ready, prints what it was given and ends on SIGTERM, unless its user data says otherwise. */
const program = `
import { spawn } from 'node:child_process';
const what = JSON.parse(process.env.IMGREC_USER_DATA);
console.log(JSON.stringify({ id: process.env.IMGREC_INSTANCE_ID, endpoint: process.env.AWS_ENDPOINT_URL, profile: process.env.AWS_PROFILE, argv: process.argv.slice(2) }));
if (what.crash) process.exit(7);
if (what.child) console.log('child ' + spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }).pid);
process.on('SIGTERM', () => { if (!what.stubborn) process.exit(0); });
process.on('disconnect', () => process.exit(0));
setInterval(() => {}, 1000);
if (!what.silent) process.send({ type: 'ready' });
`;

let folder = '';
let instances: Instances;
/** Resolves the sleep between SIGTERM and SIGKILL. */
let endGrace = (): void => {};
let agedMs = 0;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'imgrec-instances-'));
  writeFileSync(path.join(folder, 'program.mjs'), program);
  agedMs = 0;
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() + agedMs,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        endGrace = resolve;
        signal?.addEventListener('abort', () => resolve());
      }),
  };
  instances = createInstances({
    launcher: [process.execPath, path.join(folder, 'program.mjs'), 'an argument; $(id)'],
    clock,
    graceSeconds: 30,
    logFolder: path.join(folder, 'logs'),
    environment: () => ({ AWS_ENDPOINT_URL: 'http://127.0.0.1:1' }),
    log: () => {},
  });
});

afterEach(async () => {
  const closed = instances.close();
  endGrace();
  await closed;
  rmSync(folder, { recursive: true, force: true });
});

const launch = (what: object = {}) =>
  instances.launch({
    reservationId: 'r-1',
    launchIndex: 0,
    imageId: 'ami-1',
    instanceType: 't3.micro',
    clientToken: '',
    tags: {},
    userData: JSON.stringify(what),
  });

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 10 });
const logOf = (id: string): string => readFileSync(path.join(folder, 'logs', `${id}.log`), 'utf8');

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // A killed grandchild stays a zombie where nothing reaps orphans.
  return process.platform !== 'linux' || !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
};

test('an instance is pending until it says that it is ready, and gets its id, endpoint and no other account', async () => {
  process.env['AWS_PROFILE'] = 'mine';
  const instance = launch();
  delete process.env['AWS_PROFILE'];
  expect(instance.state).toBe('pending');
  await until(() => expect(instance.state).toBe('running'));
  expect(JSON.parse(logOf(instance.id))).toEqual({
    id: instance.id,
    endpoint: 'http://127.0.0.1:1',
    argv: ['an argument; $(id)'],
  });
});

test('one that never says so stays pending', async () => {
  const instance = launch({ silent: true });
  await until(() => expect(logOf(instance.id)).not.toBe(''));
  expect(instance.state).toBe('pending');
});

test('terminate asks it to end and it is gone when it has', async () => {
  const instance = launch();
  await until(() => expect(instance.state).toBe('running'));
  instances.terminate(instance.id);
  expect(instance.state).toBe('shutting-down');
  await until(() => expect(instance.state).toBe('terminated'));
  expect(instance.reason).toBe('User initiated');
});

test('one that does not listen is killed after the grace, and not before', async () => {
  const instance = launch({ stubborn: true });
  await until(() => expect(instance.state).toBe('running'));
  instances.terminate(instance.id);
  expect(instance.state).toBe('shutting-down');
  endGrace();
  await until(() => expect(instance.state).toBe('terminated'));
});

test('one that exits by itself is terminated, with its exit code as the reason', async () => {
  const instance = launch({ crash: true });
  await until(() => expect(instance.state).toBe('terminated'));
  expect(instance.reason).toContain('exit code 7');
});

test('what an instance leaves behind in its process group ends with it', async () => {
  const instance = launch({ child: true });
  await until(() => expect(instance.state).toBe('running'));
  const child = Number(/child (\d+)/.exec(logOf(instance.id))?.[1]);
  expect(isAlive(child)).toBe(true);
  instances.terminate(instance.id);
  await until(() => expect(isAlive(child)).toBe(false));
});

test('a program that cannot be started is a terminated instance', async () => {
  const broken = createInstances({
    launcher: [path.join(folder, 'no-such-program')],
    clock: systemClock,
    graceSeconds: 1,
    logFolder: folder,
    environment: () => ({}),
    log: () => {},
  });
  const instance = broken.launch({
    reservationId: 'r-1',
    launchIndex: 0,
    imageId: '',
    instanceType: '',
    clientToken: '',
    tags: {},
    userData: '{}',
  });
  await until(() => expect(instance.state).toBe('terminated'));
  expect(instance.reason).toContain('ENOENT');
  await broken.close();
});

test('the dead are listed for an hour', async () => {
  const instance = launch({ crash: true });
  await until(() => expect(instance.state).toBe('terminated'));
  agedMs = 3_590_000;
  expect(instances.list()).toHaveLength(1);
  agedMs = 3_610_000;
  expect(instances.list()).toHaveLength(0);
});

test('closing ends all of them and starts no more', async () => {
  const all = [launch(), launch({ silent: true })];
  await until(() => expect(all[0]?.state).toBe('running'));
  const closed = instances.close();
  expect(instances.canLaunch()).toBe(false);
  endGrace();
  await closed;
  expect(all.map(({ state }) => state)).toEqual(['terminated', 'terminated']);
});
