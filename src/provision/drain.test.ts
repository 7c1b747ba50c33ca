import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { startTestCloud } from '../../test/fixtures/cluster.ts';
import { idleLauncher } from '../../test/provision/targets.ts';
import { type Clock, systemClock } from '../clock.ts';
import { callAdmin } from '../localcloud/admin-client.ts';
import { type Clouds, openClouds } from './clouds.ts';
import { drain } from './drain.ts';
import { machinesWith } from './machines.ts';
import { provision } from './provision.ts';

/** What a hung worker waits for: it ends when there is this file, and not when it is told to. */
const letGo = path.join(tmpdir(), `imgrec-drain-${process.pid}`);
const deafLauncher = [
  process.execPath,
  '-e',
  `process.send({type:"ready"}); process.on("SIGTERM", () => {});
   setInterval(() => require("node:fs").existsSync(${JSON.stringify(letGo)}) && process.exit(0), 50)`,
];

const graceSeconds = 5;
/** As `drain` has it: for the command to arrive and the machine to power off. */
const deadlineMs = (graceSeconds + 15) * 1_000;

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await writeFile(letGo, '');
  for (const close of closing.splice(0).reverse()) await close();
  await rm(letGo);
});

const start = async (launcher: readonly string[]) => {
  // The cloud itself would end a machine that does not hear.
  const cloud = await startTestCloud({ launcher, graceSeconds: 60 });
  await provision(cloud.connection, {
    retentionSeconds: 7 * 86_400,
    visibilitySeconds: 30,
    workerSettings: {},
    machines: machinesWith({ webInstances: 0 }),
  });
  const clouds: Clouds = await openClouds(cloud.connection);
  const template = await clouds.ec2.templates.find('test-worker');
  const worker = await clouds.ec2.machines.launch({
    templateId: template?.id ?? '',
    subnetId: undefined,
    tags: { 'imgrec:cluster': 'test' },
    clientToken: 'one',
  });
  const id = worker?.id ?? '';
  while ((await clouds.ec2.machines.get(id))?.state !== 'running') await systemClock.sleep(20);
  const { endpoint = '', region = '', credentials } = cloud.connection;
  const access = { endpoint, region, accessKeyId: '', secretAccessKey: '', ...credentials };
  let passedMs = 0;
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => passedMs,
    sleep: async (ms, signal) => {
      await systemClock.sleep(30, signal);
      passedMs += ms;
    },
  };
  closing.push(cloud.close, async () => clouds.close());
  const said: string[] = [];
  return {
    said,
    passedMs: () => passedMs,
    state: async () => (await clouds.ec2.machines.get(id))?.state,
    failing: (operation: string) =>
      callAdmin(access, 'PUT', 'faults', { seed: 1, rules: [{ operation, fault: 'skewed' }] }),
    drain: (document = clouds.names.drainDocument) =>
      drain({ ...clouds, names: { ...clouds.names, drainDocument: document } }, id, graceSeconds, {
        clock,
        signal: new AbortController().signal,
        say: (line) => said.push(line),
      }),
  };
};

describe('draining a worker before it is ended', () => {
  test('waits until its machine has ended itself, and no longer', async () => {
    const worker = await start(idleLauncher);
    await worker.drain();
    expect(['shutting-down', 'terminated']).toContain(await worker.state());
    expect(worker.passedMs()).toBeLessThan(deadlineMs);
    expect(worker.said).toEqual([]);
  });

  test('ends at the deadline where the worker does not', async () => {
    const worker = await start(deafLauncher);
    await worker.drain();
    expect(await worker.state()).toBe('running');
    expect(worker.passedMs()).toBeGreaterThanOrEqual(deadlineMs);
  });

  test('goes by the deadline where SSM does not say what became of the command', async () => {
    const worker = await start(deafLauncher);
    await worker.failing('ssm:GetCommandInvocation');
    await worker.drain();
    expect(worker.passedMs()).toBeGreaterThanOrEqual(deadlineMs);
  });

  test('is given up at once where the worker cannot be told, and never fails', async () => {
    const worker = await start(idleLauncher);
    await worker.drain('no-such-document');
    expect(worker.said).toEqual([expect.stringContaining('cannot be told to drain')]);
    expect(worker.passedMs()).toBe(0);
    expect(await worker.state()).toBe('running');
  });
});
