import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Clock, systemClock } from '../../clock.ts';
import { openJournal } from '../journal.ts';
import { createShelves } from '../shelf.ts';
import { createInstances, type Instance, type Instances, type LaunchRequest } from './instances.ts';
import { idleMachines, processMachines, type StartMachine } from './machine.ts';

/** Says ready, prints what it was given and ends on SIGTERM, unless its user data says otherwise. */
const programText = `
import { spawn } from 'node:child_process';
const what = JSON.parse(process.env.IMGREC_USER_DATA);
console.log(JSON.stringify({ id: process.env.IMGREC_INSTANCE_ID, endpoint: process.env.AWS_ENDPOINT_URL, profile: process.env.AWS_PROFILE, argv: process.argv.slice(2) }));
if (what.crash) process.exit(7);
if (what.endAfterMs) setTimeout(() => process.exit(0), what.endAfterMs);
if (what.child) console.log('child ' + spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }).pid);
process.on('SIGTERM', () => { if (!what.stubborn) process.exit(0); console.log('SIGTERM'); });
process.on('disconnect', () => process.exit(0));
setInterval(() => {}, 1000);
if (!what.silent) process.send({ type: 'ready' });
`;

let folder = '';
let clock: Clock;
let instances: Instances;
let closeJournal = (): void => {};
/** Resolves the sleep between SIGTERM and SIGKILL. */
let endGrace = (): void => {};
let agedMs = 0;

/** Instances as a local cloud has them that starts on this folder. */
const open = (startMachine: StartMachine): Instances => {
  const shelves = createShelves(() => journal);
  const opened = createInstances({ startMachine, shelves, clock, graceSeconds: 30, log: () => {} });
  const journal = openJournal({ file: path.join(folder, 'journal.jsonl'), ...shelves });
  closeJournal = journal.close;
  opened.recover();
  return opened;
};

const program = (file = 'program.mjs'): StartMachine =>
  processMachines({
    launcher:
      file === 'program.mjs' ? [process.execPath, path.join(folder, file), 'an argument; $(id)'] : [file],
    logFolder: path.join(folder, 'logs'),
    environment: () => ({ AWS_ENDPOINT_URL: 'http://127.0.0.1:1' }),
    log: () => {},
  });

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'imgrec-instances-'));
  writeFileSync(path.join(folder, 'program.mjs'), programText);
  agedMs = 0;
  clock = {
    ...systemClock,
    wallMs: () => systemClock.wallMs() + agedMs,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        endGrace = resolve;
        signal?.addEventListener('abort', () => resolve());
      }),
  };
  instances = open(program());
});

afterEach(async () => {
  const closed = instances.close();
  endGrace();
  await closed;
  closeJournal();
  rmSync(folder, { recursive: true, force: true });
});

const request: LaunchRequest = {
  reservationId: 'r-1',
  launchIndex: 0,
  imageId: 'ami-1',
  instanceType: 't3.micro',
  clientToken: '',
  requestHash: '',
  tags: {},
  subnetId: 'subnet-1',
  zone: 'us-east-1a',
  groupIds: [],
  hasPublicAddress: true,
  profileArn: '',
  market: 'on-demand',
  onShutdown: 'terminate',
  metadataOptions: {},
  userData: '{}',
};

const launch = (what: object = {}, more: Partial<LaunchRequest> = {}): Instance =>
  instances.launch({ ...request, ...more, userData: JSON.stringify(what) });

const stateOf = ({ id }: Instance) => instances.get(id)?.state;
const reasonOf = ({ id }: Instance) => instances.get(id)?.reason;

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
  expect(stateOf(instance)).toBe('pending');
  await until(() => expect(stateOf(instance)).toBe('running'));
  expect(JSON.parse(logOf(instance.id))).toEqual({
    id: instance.id,
    endpoint: 'http://127.0.0.1:1',
    argv: ['an argument; $(id)'],
  });
});

test('one that never says so stays pending', async () => {
  const instance = launch({ silent: true });
  await until(() => expect(logOf(instance.id)).not.toBe(''));
  expect(stateOf(instance)).toBe('pending');
});

test('terminate asks it to end and it is gone when it has', async () => {
  const instance = launch();
  await until(() => expect(stateOf(instance)).toBe('running'));
  instances.terminate(instance.id);
  expect(stateOf(instance)).toBe('shutting-down');
  await until(() => expect(stateOf(instance)).toBe('terminated'));
  expect(reasonOf(instance)?.code).toBe('Client.UserInitiatedShutdown');
});

test('one that does not listen is killed after the grace, and not before', async () => {
  const instance = launch({ stubborn: true });
  await until(() => expect(stateOf(instance)).toBe('running'));
  instances.terminate(instance.id);
  expect(stateOf(instance)).toBe('shutting-down');
  endGrace();
  await until(() => expect(stateOf(instance)).toBe('terminated'));
});

test('one that exits by itself is terminated, with its exit code as the reason', async () => {
  const instance = launch({ crash: true });
  await until(() => expect(stateOf(instance)).toBe('terminated'));
  expect(reasonOf(instance)?.message).toContain('exit code 7');
});

test('what an instance leaves behind in its process group ends with it', async () => {
  const instance = launch({ child: true });
  await until(() => expect(stateOf(instance)).toBe('running'));
  const child = Number(/child (\d+)/.exec(logOf(instance.id))?.[1]);
  expect(isAlive(child)).toBe(true);
  instances.terminate(instance.id);
  await until(() => expect(isAlive(child)).toBe(false));
});

test('a program that cannot be started is a terminated instance', async () => {
  closeJournal();
  instances = open(program('no-such-program'));
  const instance = launch();
  await until(() => expect(stateOf(instance)).toBe('terminated'));
  expect(reasonOf(instance)?.message).toContain('ENOENT');
});

test('the dead are listed for an hour', async () => {
  const instance = launch({ crash: true });
  await until(() => expect(stateOf(instance)).toBe('terminated'));
  agedMs = 3_590_000;
  expect(instances.list()).toHaveLength(1);
  agedMs = 3_610_000;
  expect(instances.list()).toHaveLength(0);
});

test('closing ends all of them and starts no more', async () => {
  const all = [launch(), launch({ silent: true })];
  await until(() => expect(all.map(stateOf)).toContain('running'));
  const closed = instances.close();
  expect(instances.canLaunch()).toBe(false);
  endGrace();
  await closed;
  expect(all.map(stateOf)).toEqual(['terminated', 'terminated']);
});

test('a stopped one keeps its id and starts again', async () => {
  const instance = launch();
  await until(() => expect(stateOf(instance)).toBe('running'));
  instances.stop(instance.id, false);
  expect(stateOf(instance)).toBe('stopping');
  await until(() => expect(stateOf(instance)).toBe('stopped'));
  instances.start(instance.id);
  expect(stateOf(instance)).toBe('pending');
  await until(() => expect(stateOf(instance)).toBe('running'));
  expect(logOf(instance.id).trim().split('\n')).toHaveLength(2);
  expect(instances.list()).toHaveLength(1);
});

test('one whose program ends by itself is stopped where it was launched so', async () => {
  const instance = launch({ endAfterMs: 50 }, { onShutdown: 'stop' });
  await until(() => expect(stateOf(instance)).toBe('stopped'));
  expect(reasonOf(instance)?.code).toBe('Client.InstanceInitiatedShutdown');
});

test('a stopped one is terminated at once', async () => {
  const instance = launch();
  await until(() => expect(stateOf(instance)).toBe('running'));
  instances.stop(instance.id, false);
  await until(() => expect(stateOf(instance)).toBe('stopped'));
  instances.terminate(instance.id);
  expect(stateOf(instance)).toBe('terminated');
});

test('terminating one that is stopping leaves it its grace', async () => {
  const instance = launch({ stubborn: true });
  await until(() => expect(stateOf(instance)).toBe('running'));
  instances.stop(instance.id, false);
  instances.terminate(instance.id);
  expect(stateOf(instance)).toBe('shutting-down');
  endGrace();
  await until(() => expect(stateOf(instance)).toBe('terminated'));
});

test('one that drains is asked only once: a second SIGTERM would mean at once', async () => {
  const instance = launch({ stubborn: true });
  const asked = () => logOf(instance.id).match(/SIGTERM/g)?.length;
  await until(() => expect(stateOf(instance)).toBe('running'));
  const ended = instances.stopProgram(instance.id);
  await until(() => expect(asked()).toBe(1));
  instances.terminate(instance.id);
  await moment();
  expect(asked()).toBe(1);
  endGrace();
  await ended;
});

test('after a restart they are known with their tags, and what ran has ended as it would with its host', async () => {
  instances = open(idleMachines);
  const [kept, gone, stopped] = [launch({}, { onShutdown: 'stop' }), launch(), launch()];
  await until(() => expect(stateOf(stopped)).toBe('running'));
  instances.setTags(kept.id, { Name: 'kept' });
  instances.stop(stopped.id, false);
  await until(() => expect(stateOf(stopped)).toBe('stopped'));
  closeJournal();
  instances = open(idleMachines);
  expect([kept, gone, stopped].map(stateOf)).toEqual(['stopped', 'terminated', 'stopped']);
  expect(instances.get(kept.id)?.tags).toEqual({ Name: 'kept' });
  expect(reasonOf(gone)?.code).toBe('Server.InternalError');
  instances.start(stopped.id);
  await until(() => expect(stateOf(stopped)).toBe('running'));
});

test('machines that do nothing become ready and end when told', async () => {
  instances = open(idleMachines);
  const all = Array.from({ length: 1_000 }, () => launch());
  await until(() => expect(all.every((one) => stateOf(one) === 'running')).toBe(true));
  for (const { id } of all) instances.terminate(id);
  await until(() => expect(all.every((one) => stateOf(one) === 'terminated')).toBe(true));
});

/** Long enough to tell that something has not happened. */
const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

test('one that boots slowly runs before its program does', async () => {
  const instance = instances.launch(request, { bootDelayMs: 60_000, interruption: undefined });
  const bootNow = endGrace;
  await until(() => expect(stateOf(instance)).toBe('running'));
  expect(() => logOf(instance.id)).toThrow();
  bootNow();
  await until(() => expect(logOf(instance.id)).not.toBe(''));
});

test('one that hangs while it boots runs for ever, and is terminated like any other', async () => {
  const instance = instances.launch(request, {
    bootDelayMs: Number.POSITIVE_INFINITY,
    interruption: undefined,
  });
  await until(() => expect(stateOf(instance)).toBe('running'));
  await moment();
  expect(() => logOf(instance.id)).toThrow();
  instances.terminate(instance.id);
  await until(() => expect(stateOf(instance)).toBe('terminated'));
});

test('a Spot instance gets notice, and is taken back when its time has come', async () => {
  instances = open(idleMachines);
  const instance = instances.launch(
    { ...request, market: 'spot' },
    { bootDelayMs: 0, interruption: { afterMs: 60_000, noticeMs: 120_000 } },
  );
  await until(() => expect(stateOf(instance)).toBe('running'));
  expect(instances.get(instance.id)?.interruptionMs).toBeUndefined();
  endGrace();
  await until(() => expect(instances.get(instance.id)?.interruptionMs).toBeGreaterThan(clock.wallMs()));
  expect(stateOf(instance)).toBe('running');
  endGrace();
  await until(() => expect(stateOf(instance)).toBe('terminated'));
  expect(reasonOf(instance)?.code).toBe('Server.SpotInstanceTermination');
});

test('whoever looks late sees instances as they were', async () => {
  let laterMs = 0;
  clock = { ...clock, monotonicMs: () => laterMs };
  instances = open(idleMachines);
  const instance = launch();
  await until(() => expect(stateOf(instance)).toBe('running'));
  const seen = (lagMs: number) => instances.listAsOf(lagMs).map(({ state }) => state);
  laterMs = 10_000;
  instances.terminate(instance.id);
  await until(() => expect(stateOf(instance)).toBe('terminated'));
  laterMs = 12_000;
  expect(seen(0)).toEqual(['terminated']);
  expect(seen(5_000)).toEqual(['running']);
  expect(seen(12_001)).toEqual([]);
});

test('whoever looks late still sees one that changed often, or that was there before a restart', async () => {
  let laterMs = 0;
  clock = { ...clock, monotonicMs: () => laterMs };
  instances = open(idleMachines);
  const instance = launch();
  await until(() => expect(stateOf(instance)).toBe('running'));
  const seen = (lagMs: number) => instances.listAsOf(lagMs).map(({ tags }) => tags);
  laterMs = 10_000;
  for (let change = 1; change <= 20; change++) instances.setTags(instance.id, { change: String(change) });
  expect(seen(5_000)).toEqual([{}]);
  expect(seen(0)).toEqual([{ change: '20' }]);
  closeJournal();
  instances = open(idleMachines);
  instances.setTags(instance.id, { change: '21' });
  expect(seen(5_000)).toEqual([{ change: '20' }]);
});
