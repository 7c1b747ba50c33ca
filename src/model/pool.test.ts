import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { getPriority, tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { fixture, imageGoldens } from '../../test/fixtures/image-goldens.ts';
import { assetPath, compiledModule } from '../package.ts';
import { loadModel, type Model } from './model.ts';
import { type ClassifierPool, createClassifierPool, type PoolOptions } from './pool.ts';

const limits = { maxImageBytes: 10 * 2 ** 20, maxPixels: 50_000_000 };
const sample = (name: string): Uint8Array => readFileSync(assetPath('samples', name));

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('the classifier pool', () => {
  const pools: ClassifierPool[] = [];
  const open = async (options: Partial<PoolOptions> = {}): Promise<ClassifierPool> => {
    const model = options.model ?? (await loadModel());
    const pool = createClassifierPool({ classifiers: 1, jobTimeoutMs: 10_000, limits, ...options, model });
    pools.push(pool);
    return pool;
  };
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.close()));
  });

  const labelOf = async (pool: ClassifierPool, name: string): Promise<string> => {
    const outcome = await pool.classify(sample(name), { topK: 1 });
    return outcome.kind === 'classified' ? outcome.classification.label : outcome.reason;
  };
  const onlyPid = (pool: ClassifierPool): number => pool.pids()[0] ?? 0;

  it.each(Object.entries(imageGoldens.samples))(
    'gives %s the labels and probabilities of Python',
    async (name, golden) => {
      const pool = await open();
      const outcome = await pool.classify(sample(name), { topK: 5 });
      if (outcome.kind !== 'classified') throw new Error(outcome.message);
      const { label, probability, top, timings } = outcome.classification;
      expect(top.map((each) => each.label)).toEqual(golden.map(([name]) => name));
      for (const [i, [, expected]] of golden.entries()) expect(top[i]?.probability).toBeCloseTo(expected, 3);
      expect({ label, probability }).toEqual(top[0]);
      expect(Math.min(timings.decodeMs, timings.resizeMs, timings.inferMs)).toBeGreaterThan(0);
    },
  );

  it.each(imageGoldens.planes)('runs a model of planes ($resize) as Python does', async (golden) => {
    const scratch = await mkdtemp(path.join(tmpdir(), 'imgrec-pool-'));
    const labels = path.join(scratch, 'labels.txt');
    await writeFile(labels, 'red\ngreen\nblue\n');
    const { resize, mean, std } = golden;
    const model = await loadModel(fixture('mean-of-planes.onnx').pathname, {
      size: 32,
      resize,
      mean,
      std,
      labels,
    });
    const pool = await open({ model });
    const outcome = await pool.classify(readFileSync(fixture('images/rgb.png')), { topK: 3 });
    await rm(scratch, { recursive: true });
    if (outcome.kind !== 'classified') throw new Error(outcome.message);
    const found = new Map(outcome.classification.top.map(({ label, probability }) => [label, probability]));
    for (const [i, label] of ['red', 'green', 'blue'].entries())
      expect(found.get(label)).toBeCloseTo(golden.probabilities[i] ?? -1, 3);
  });

  it('answers bad images, and goes on', async () => {
    const pool = await open();
    const broken = sample('cat.jpg').subarray(0, 5_000);
    await expect(pool.classify(broken, { topK: 1 })).resolves.toMatchObject({
      kind: 'bad-image',
      reason: 'undecodable',
    });
    const text = pool.classify(Buffer.from('text'), { topK: 1 });
    await expect(text).resolves.toMatchObject({ kind: 'bad-image', reason: 'unsupported-type' });
    await expect(labelOf(pool, 'daisy.jpg')).resolves.toBe('daisy');
  });

  it('fails only the image whose classifier was killed, and replaces the process', async () => {
    const pool = await open();
    await pool.ready();
    const killed = onlyPid(pool);
    process.kill(killed, 'SIGSTOP');
    const first = labelOf(pool, 'cat.jpg');
    const behind = labelOf(pool, 'daisy.jpg');
    process.kill(killed, 'SIGKILL');
    await expect(first).rejects.toMatchObject({ name: 'ClassifierFailure', kind: 'crashed' });
    await expect(behind).resolves.toBe('daisy');
    expect(isAlive(killed)).toBe(false);
    expect(onlyPid(pool)).not.toBe(killed);
  });

  it('kills a classifier that hangs, and what waited behind is done by another', async () => {
    const pool = await open({ classifiers: 2, jobTimeoutMs: 800 });
    const [hung = 0, other = 0] = pool.pids();
    // So that it is the first one that becomes ready, and gets the first image.
    process.kill(other, 'SIGSTOP');
    await pool.ready();
    process.kill(hung, 'SIGSTOP');
    process.kill(other, 'SIGCONT');
    const names = ['cat.jpg', 'daisy.jpg', 'daisy.jpg', 'daisy.jpg', 'daisy.jpg', 'daisy.jpg'];
    const outcomes = await Promise.allSettled(names.map((name) => labelOf(pool, name)));
    expect(outcomes[0]).toMatchObject({ reason: { kind: 'timed-out' } });
    expect(outcomes.slice(1)).toEqual(Array(5).fill({ status: 'fulfilled', value: 'daisy' }));
    expect(isAlive(hung)).toBe(false);
  });

  it('counts the job time-out from when an image is started, not from when it was queued', async () => {
    const pool = await open({ jobTimeoutMs: 600 });
    await pool.ready();
    const started = performance.now();
    const labels: Promise<string>[] = [];
    for (let i = 0; i < 80; i++) labels.push(labelOf(pool, 'daisy.jpg'));
    expect(new Set(await Promise.all(labels))).toEqual(new Set(['daisy']));
    expect(performance.now() - started).toBeGreaterThan(600);
  });

  it('puts an image that must be alone into an idle classifier, and nothing behind it', async () => {
    // Time stands still: nothing is recalled from a classifier for being slow.
    const clock = { monotonicMs: () => 0, wallMs: () => 0, sleep: () => new Promise<void>(() => {}) };
    const pool = await open({ classifiers: 2, clock });
    const [first = 0, second = 0] = pool.pids();
    process.kill(second, 'SIGSTOP');
    await pool.ready();
    process.kill(first, 'SIGSTOP');
    process.kill(second, 'SIGCONT');
    const held = labelOf(pool, 'cat.jpg');
    // The first classifier has an image, so this one waits until the second is ready.
    const suspect = await pool.classify(sample('daisy.jpg'), { topK: 1, alone: true });
    expect(suspect).toMatchObject({ classification: { label: 'daisy' } });

    process.kill(second, 'SIGSTOP');
    const heldAlone = pool.classify(sample('cat.jpg'), { topK: 1, alone: true });
    const ahead = labelOf(pool, 'daisy.jpg');
    const queued = labelOf(pool, 'daisy.jpg');
    process.kill(first, 'SIGCONT');
    expect(await Promise.all([held, ahead, queued])).toEqual(['Egyptian Mau', 'daisy', 'daisy']);
    process.kill(second, 'SIGCONT');
    await expect(heldAlone).resolves.toMatchObject({ kind: 'classified' });
  });

  it('empties one classifier for an image that must be alone, and feeds the others', async () => {
    const clock = { monotonicMs: () => 0, wallMs: () => 0, sleep: () => new Promise<void>(() => {}) };
    const pool = await open({ classifiers: 2, clock });
    const [first = 0, second = 0] = pool.pids();
    process.kill(second, 'SIGSTOP');
    await pool.ready();
    process.kill(first, 'SIGSTOP');
    process.kill(second, 'SIGCONT');
    const held = labelOf(pool, 'cat.jpg');
    // Done by the second, which is ready then.
    await pool.classify(sample('daisy.jpg'), { topK: 1, alone: true });
    process.kill(second, 'SIGSTOP');
    const done: string[] = [];
    const all = [
      labelOf(pool, 'daisy.jpg').then(() => done.push('earlier')),
      pool.classify(sample('daisy.jpg'), { topK: 1, alone: true }).then(() => done.push('alone')),
      labelOf(pool, 'daisy.jpg').then(() => done.push('later')),
    ];
    process.kill(second, 'SIGCONT');
    await Promise.all(all);
    expect(done).toEqual(['earlier', 'later', 'alone']);
    process.kill(first, 'SIGCONT');
    await expect(held).resolves.toBe('Egyptian Mau');
  });

  it('drops an image that is withdrawn while it waits', async () => {
    const pool = await open();
    const withdrawal = new AbortController();
    const kept = labelOf(pool, 'daisy.jpg');
    const withdrawn = pool.classify(sample('cat.jpg'), { topK: 1, signal: withdrawal.signal });
    withdrawal.abort(new Error('no longer wanted'));
    await expect(withdrawn).rejects.toThrow('no longer wanted');
    await expect(kept).resolves.toBe('daisy');
  });

  it('leaves no process when it is closed, and rejects what is open', async () => {
    const pool = await open({ classifiers: 2 });
    await pool.ready();
    const pids = pool.pids();
    const pending = labelOf(pool, 'cat.jpg');
    const rejected = expect(pending).rejects.toThrow(/closed/);
    await pool.close();
    await rejected;
    expect(pids.filter(isAlive)).toEqual([]);
    await expect(labelOf(pool, 'cat.jpg')).rejects.toThrow(/closed/);
  });

  it('leaves no process behind when its own process is killed', async () => {
    const script = `
      const { loadModel } = await import(${JSON.stringify(compiledModule('src/model/model.ts'))});
      const { createClassifierPool } = await import(${JSON.stringify(compiledModule('src/model/pool.ts'))});
      const limits = { maxImageBytes: 1, maxPixels: 1 };
      const pool = createClassifierPool({ model: await loadModel(), classifiers: 2, jobTimeoutMs: 1000, limits });
      await pool.ready();
      console.log(JSON.stringify(pool.pids()));`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pids = JSON.parse(line.toString()) as readonly number[];
    expect(pids.filter(isAlive)).toHaveLength(2);
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), { timeout: 5_000 });
  });

  it('runs classifiers with the nice value asked for, but never above its own priority', async () => {
    const own = getPriority();
    const nicer = await open({ nice: own + 3 });
    const bolder = await open({ nice: own - 3 });
    await Promise.all([nicer.ready(), bolder.ready()]);
    expect(getPriority(onlyPid(nicer))).toBe(own + 3);
    expect(getPriority(onlyPid(bolder))).toBe(own);
  });

  it.runIf(process.platform === 'linux')('gives no credentials to what decodes images', async () => {
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'a-secret');
    vi.stubEnv('IMGREC_API_KEY_FILE', 'a-file');
    vi.stubEnv('NODE_EXTRA_CA_CERTS', '/none');
    vi.stubEnv('SOMETHING_ELSE', 'is-kept');
    onTestFinished(() => void vi.unstubAllEnvs());
    const pool = await open();
    await pool.ready();
    const environment = readFileSync(`/proc/${onlyPid(pool)}/environ`, 'utf8').split('\0');
    expect(environment).toContain('SOMETHING_ELSE=is-kept');
    expect(environment.filter((entry) => /^(AWS|IMGREC)_|^NODE_EXTRA/.test(entry))).toEqual([]);
  });

  it('lets no signal of a terminal end a classifier', async () => {
    const pool = await open();
    await pool.ready();
    const before = onlyPid(pool);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.kill(before, signal);
    await expect(labelOf(pool, 'daisy.jpg')).resolves.toBe('daisy');
    expect(onlyPid(pool)).toBe(before);
  });

  it.each<[string, (model: Model) => Model, RegExp]>([
    [
      'input name',
      (model) => ({
        ...model,
        contract: { ...model.contract, input: { ...model.contract.input, name: 'pixels' } },
      }),
      /described: "pixels" uint8\[1, 224, 224, 3\]\n.*model\.onnx: "image" uint8\[N, 224, 224, 3\]/,
    ],
    [
      'layout',
      (model) => ({
        ...model,
        contract: { ...model.contract, input: { ...model.contract.input, layout: 'nchw-f32' } },
      }),
      /float32\[1, 3, 224, 224\]\n.*uint8\[N, 224, 224, 3\]/,
    ],
    [
      'number of labels',
      (model) => ({ ...model, labels: model.labels.slice(1) }),
      /labels \(999 in the labels file\)\n.*\[1, 999\]\n.*\[N, 1000\]/,
    ],
    [
      'file',
      (model) => ({ ...model, file: assetPath('samples', 'truth.csv') }),
      /truth\.csv is not an ONNX model/,
    ],
  ])('refuses a model whose %s does not fit, showing both sides', async (_, change, message) => {
    const pool = await open({ model: change(await loadModel()) });
    await expect(labelOf(pool, 'cat.jpg')).rejects.toThrow(message);
    await expect(pool.ready()).rejects.toMatchObject({ exitCode: 64 });
  });

  it('says so, and does not spin, when classifiers die before they are ready', async () => {
    const pool = await open();
    const failed = expect(labelOf(pool, 'cat.jpg')).rejects.toThrow(/does not start \(signal SIGKILL\)/);
    let seen = 0;
    let stop = false;
    const killing = (async () => {
      for (let last = 0; !stop; ) {
        const pid = onlyPid(pool);
        if (pid !== 0 && pid !== last) {
          process.kill(pid, 'SIGKILL');
          last = pid;
          seen++;
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    await failed;
    expect(pool.trouble()).toMatchObject({ final: false });
    stop = true;
    await killing;
    expect(seen).toBeLessThan(10);
    await expect(pool.ready()).rejects.toThrow(/does not start/);
    // Nobody kills any more: it recovers by itself.
    await vi.waitFor(() => expect(pool.trouble()).toBeUndefined(), { timeout: 20_000 });
    await expect(labelOf(pool, 'daisy.jpg')).resolves.toBe('daisy');
  });
});
