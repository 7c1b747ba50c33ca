import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openCluster } from '../../src/aws/cluster.ts';
import { createS3Buckets } from '../../src/aws/s3-buckets.ts';
import { assetPath, packageRoot } from '../../src/package.ts';
import { startTestCloud } from '../fixtures/cluster.ts';
import { type Started, startImgrec, until } from '../fixtures/processes.ts';

/** Python with boto3 lives in the folder of the moto peer: scripts/peers.mjs says where that is. */
const toolCache =
  process.env['IMGREC_TOOL_CACHE'] ||
  path.join(process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache'), 'imgrec-tools');
const python = path.join(toolCache, 'moto', 'bin', 'python');
const absent = existsSync(path.join(toolCache, 'moto', '.installed')) ? '' : 'skipped: no Python with boto3';

const names = {
  requests: 'course-requests',
  responses: 'course-responses',
  images: 'course-in',
  labels: 'course-out',
};
const resources = [
  ...['--request-queue', names.requests, '--response-queue', names.responses],
  ...['--input-bucket', names.images, '--output-bucket', names.labels],
];

describe.skipIf(absent !== '')(`the course project's messages ${absent}`, { timeout: 90_000 }, () => {
  let cloud: Awaited<ReturnType<typeof startTestCloud>>;
  let cluster: Awaited<ReturnType<typeof openCluster>>;
  let folder = '';
  const parts: { stop(): Promise<unknown> }[] = [];

  beforeAll(async () => {
    cloud = await startTestCloud();
    cluster = await openCluster(cloud.connection);
    folder = await mkdtemp(path.join(tmpdir(), 'imgrec-seed-'));
    const buckets = createS3Buckets(cloud.connection, cluster.identity.account, cluster.identity.region);
    await Promise.all([names.images, names.labels].map((bucket) => buckets.create(bucket)));
    buckets.close();
    await cluster.sqs.create(names.requests, { VisibilityTimeout: '5' }, {});
    await cluster.sqs.create(names.responses, { VisibilityTimeout: '5' }, {});
  });
  afterEach(async () => {
    await Promise.all(parts.splice(0).map((part) => part.stop()));
  });
  afterAll(async () => {
    cluster.close();
    await cloud.close();
    await rm(folder, { recursive: true, force: true });
  });

  const startPython = (script: string, args: readonly string[]): ChildProcess => {
    const { endpoint = '', region = '', credentials } = cloud.connection;
    return spawn(python, [path.join(packageRoot, 'test', 'fixtures', 'seed', script), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        AWS_ENDPOINT_URL: endpoint,
        AWS_DEFAULT_REGION: region,
        AWS_ACCESS_KEY_ID: credentials?.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials?.secretAccessKey,
      },
    });
  };

  const startAppTier = async (...args: readonly string[]): Promise<void> => {
    const child = startPython('app_tier.py', [...resources, ...args]);
    parts.push({
      stop: async () => {
        child.kill('SIGKILL');
        await once(child, 'close');
      },
    });
    await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
  };

  const startOurs = async (verb: 'serve' | 'worker', ...args: readonly string[]): Promise<Started> => {
    const started = startImgrec(
      [verb, '--local', '--state', cloud.stateFolder, '--transport', 'seed', ...resources, ...args],
      { cwd: folder },
    );
    parts.push({
      stop: async () => {
        started.signal('SIGKILL');
        await started.exit();
      },
    });
    await until(`${verb} is ready`, () => /serving on|classifying with/.test(started.stderr()));
    return started;
  };
  const urlOf = (web: Started): string => /serving on (\S+)/.exec(web.stderr())?.[1] ?? '';

  const messagesIn = async (queue: string): Promise<number> => {
    const found = await cluster.sqs.attributes(queue);
    return (
      Number(found?.['ApproximateNumberOfMessages']) +
      Number(found?.['ApproximateNumberOfMessagesNotVisible'])
    );
  };
  const textOf = async (bucket: string, key: string) => String(await cluster.s3.get(bucket, key));

  describe('our worker behind a Python web tier', () => {
    it.each(['plain', 'tuple', 'json'])('which sends them as %s', async (form) => {
      const images = path.join(folder, `images-${form}`);
      await mkdir(images);
      for (const name of ['cat', 'daisy', 'espresso'])
        await copyFile(assetPath('samples', `${name}.jpg`), path.join(images, `${form}_${name}.JPEG`));
      await writeFile(path.join(images, `${form}_bad.JPEG`), 'no image at all');
      await startOurs(
        'worker',
        '--classifiers',
        '1',
        '--poll-wait',
        '1',
        '--seed-form',
        form === 'tuple' ? 'tuple' : 'plain',
      );
      const web = startPython('web_tier.py', [
        ...['--request-queue', names.requests, '--response-queue', names.responses],
        ...['--images', images, '--form', form],
      ]);
      let output = '';
      web.stdout?.on('data', (text: Buffer) => {
        output += text.toString();
      });
      await once(web, 'close');
      const { replies, ids } = JSON.parse(output) as Record<'replies' | 'ids', Record<string, string>>;
      expect(replies).toEqual({
        [`${form}_cat.JPEG`]: 'Egyptian Mau',
        [`${form}_daisy.JPEG`]: 'daisy',
        [`${form}_espresso.JPEG`]: 'espresso',
        [`${form}_bad.JPEG`]: 'error: image-unsupported',
      });
      // Attributes come back with the reply of the image that they were sent with.
      expect(ids).toEqual(Object.fromEntries(Object.keys(replies).map((name) => [name, name])));
      expect(await textOf(names.labels, `${form}_daisy`)).toBe('daisy');
      expect(await cluster.s3.get(names.labels, `${form}_bad`, { deniedIsAbsent: true })).toBeUndefined();
      expect(await cluster.s3.get(names.images, `${form}_cat.JPEG`)).toEqual(
        await readFile(assetPath('samples', 'cat.jpg')),
      );
      await until('every request is deleted', async () => (await messagesIn(names.requests)) === 0);
      expect(await messagesIn(names.responses)).toBe(0);
    });
  });

  it('a worker of ours that dies in the middle loses no image of a Python web tier', async () => {
    const images = path.join(folder, 'images-of-a-death');
    await mkdir(images);
    const count = 12;
    for (let n = 0; n < count; n++)
      await copyFile(assetPath('samples', 'daisy.jpg'), path.join(images, `death_${n}.JPEG`));
    const ours = ['--classifiers', '1', '--poll-wait', '1', '--visibility', '3'];
    const first = await startOurs('worker', ...ours);
    const web = startPython('web_tier.py', [
      ...['--request-queue', names.requests, '--response-queue', names.responses, '--images', images],
    ]);
    let output = '';
    web.stdout?.on('data', (text: Buffer) => {
      output += text.toString();
    });
    const ended = once(web, 'close');
    await until('the first label', async () => (await cluster.s3.list(names.labels, 'death_')).length > 0);
    first.signal('SIGKILL');
    await first.exit();
    await startOurs('worker', ...ours);
    await ended;
    const { replies } = JSON.parse(output) as { readonly replies: Record<string, string> };
    expect(Object.keys(replies)).toHaveLength(count);
    expect(new Set(Object.values(replies))).toEqual(new Set(['daisy']));
    expect(await cluster.s3.list(names.labels, 'death_')).toHaveLength(count);
    await until('every request is deleted', async () => (await messagesIn(names.requests)) === 0);
    // What was said twice nobody took: the next test starts without it.
    for (const { handle } of await cluster.sqs.receive(names.responses, 10, 1))
      await cluster.sqs.remover(names.responses).add(handle);
  });

  describe('our web tier before a Python app tier', () => {
    const labelOf = (bytes: Buffer) =>
      `label ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;

    /** Photographs that differ, sent at the same time under the names given. */
    const post = async (url: string, fileNames: readonly string[], salt: string) => {
      const cat = await readFile(assetPath('samples', 'cat.jpg'));
      return Promise.all(
        fileNames.map(async (name, index) => {
          const bytes = Buffer.concat([cat, Buffer.from(`${salt} ${index}`)]);
          const body = new FormData();
          body.append('myfile', new Blob([new Uint8Array(bytes)]), name);
          const answer = await fetch(url, { method: 'POST', body });
          return { status: answer.status, text: await answer.text(), wanted: labelOf(bytes) };
        }),
      );
    };

    it.each([
      ['that gives attributes back', ['--echo'], []],
      ['that does not', [], []],
      ['that writes tuples', ['--form', 'tuple'], ['--seed-form', 'tuple']],
      ['that says everything twice', ['--twice'], []],
    ])('%s: everybody gets his own label, equal names at the same time too', async (what, theirs, ours) => {
      const url = urlOf(await startOurs('serve', '--port', '0', '--reply', 'tuple', ...ours));
      await startAppTier(...theirs);
      const fileNames = [...Array(8).fill('test_0.JPEG'), 'test_1.JPEG', 'test_0.png'];
      for (const { status, text, wanted } of await post(url, fileNames, what))
        expect({ status, text: text.replace('test_1', 'test_0') }).toEqual({
          status: 200,
          text: `(test_0, ${wanted})`,
        });
      expect(await textOf(names.labels, 'test_1')).toMatch(/^label /);
      await until('every reply is deleted', async () => (await messagesIn(names.responses)) === 0);
      expect(await messagesIn(names.requests)).toBe(0);
    });
  });
});
