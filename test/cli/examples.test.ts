import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openCluster } from '../../src/aws/cluster.ts';
import { connect } from '../../src/aws/connection.ts';
import { createS3Buckets } from '../../src/aws/s3-buckets.ts';
import { type LocalCloud, startLocalCloud } from '../../src/localcloud/server.ts';
import { packageRoot } from '../../src/package.ts';
import { type InvokedService, invoke, invokeService } from '../fixtures/invoke.ts';

const verbs = [
  'provision',
  'provision plan',
  'provision destroy',
  'provision update',
  'provision image',
  'provision api-key',
  'serve',
  'worker',
  'bench',
  'dev',
  'classify',
  'config',
  'instance',
] as const;

interface Example {
  readonly line: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Splits a line as a shell does, as far as the examples need: single quotes, and variables before the command. */
const parse = (line: string): Example => {
  const words = (line.match(/(?:'[^']*'|[^\s'])+/g) ?? []).map((word) => word.replaceAll("'", ''));
  const command = words.indexOf('imgrec');
  const assignments = words.slice(0, command).map((word): [string, string] => {
    const [name = '', ...value] = word.split('=');
    return [name, value.join('=')];
  });
  return { line, argv: words.slice(command + 1), environment: Object.fromEntries(assignments) };
};

const examplesOf = async (verb: string): Promise<Example[]> => {
  const { exitCode, stdout, stderr } = await invoke([...verb.split(' '), '--help']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const [, examples = ''] = stdout.split('\nExamples:\n');
  return [...examples.matchAll(/^ {2}# .+\n {2}\$ (.+)$/gm)].map(([, line = '']) => parse(line));
};

/** The examples of --help, against a local cloud of this test, in a folder that has the repository's assets. */
describe('the examples of --help', { timeout: 60_000 }, () => {
  let home: string;
  let cloud: LocalCloud;
  let services: readonly InvokedService[] = [];
  let url = '';

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'imgrec-examples-'));
    await symlink(path.join(packageRoot, 'assets'), path.join(home, 'assets'));
    cloud = await startLocalCloud({ stateFolder: path.join(home, '.imgrec') });
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop()));
    await cloud.close();
    vi.unstubAllEnvs();
    await rm(home, { recursive: true, force: true });
  });

  /** What a team of the course has made by hand, by the names in the examples. */
  const makeCourseResources = async () => {
    const stateFolder = path.join(home, '.imgrec');
    const connection = connect(
      { cluster: 'imgrec', local: true, state: stateFolder, region: undefined },
      home,
    );
    const { identity, sqs, close } = await openCluster(connection);
    const buckets = createS3Buckets(connection, identity.account, identity.region);
    for (const queue of ['requests', 'responses']) await sqs.create(queue, {}, {});
    for (const bucket of ['images', 'labels']) await buckets.create(bucket);
    buckets.close();
    close();
  };

  const start = ({ argv, environment }: Example, ...more: readonly string[]) =>
    invokeService([...argv, ...more], { environment, workingFolder: home });
  /** As a user runs it, but at the port that this test's web tier has. */
  const runAtUrl = ({ argv, environment }: Example, ...more: readonly string[]) => {
    const local = argv.map((word) => (word.startsWith('http:') ? url : word));
    return invoke([...local, ...more], { environment, workingFolder: home });
  };

  it('are two or more for every verb, and each is of that verb', async () => {
    for (const verb of verbs) {
      const examples = await examplesOf(verb);
      expect(examples.length, verb).toBeGreaterThanOrEqual(2);
      expect(new Set(examples.map(({ line }) => line)).size).toBe(examples.length);
      for (const { argv } of examples) expect(argv.slice(0, verb.split(' ').length).join(' ')).toBe(verb);
    }
  });

  it('provision plan and destroy: show and delete what provision made', async () => {
    // SQS keeps the name of a deleted queue for 60 s: not the name that the other examples use.
    const cluster = ['--cluster', 'gone'];
    const [provision] = await examplesOf('provision');
    const [plan, scripted] = await examplesOf('provision plan');
    const [destroy, withData] = await examplesOf('provision destroy');
    const planned = await runAtUrl(scripted as Example, ...cluster);
    expect(planned.exitCode).toBe(2);
    const { schema, steps } = JSON.parse(planned.stdout) as { schema: string; steps: { action: string }[] };
    expect(schema).toBe('imgrec.plan/1');
    expect(new Set(steps.map(({ action }) => action))).toEqual(new Set(['create']));
    expect(await runAtUrl(provision as Example, ...cluster)).toMatchObject({ exitCode: 0 });
    expect(await runAtUrl(plan as Example, ...cluster)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^nothing to change\n/),
    });
    expect(await runAtUrl(scripted as Example, ...cluster)).toMatchObject({ exitCode: 0 });
    const destroyed = await runAtUrl(withData as Example, ...cluster, '--json');
    expect(destroyed.exitCode).toBe(0);
    expect(JSON.parse(destroyed.stdout)).toMatchObject({ schema: 'imgrec.destroy/1' });
    const again = await runAtUrl(destroy as Example, ...cluster);
    expect(again).toMatchObject({ exitCode: 0, stderr: '' });
    expect(again.stdout).toMatch(/nothing to delete\n$/);
  });

  it('provision: makes everything, the second time nothing', async () => {
    const [local, aws] = await examplesOf('provision');
    const twice = [await runAtUrl(local as Example, '--json'), await runAtUrl(local as Example, '--json')];
    const [first, second] = twice.map(({ exitCode, stdout }) => {
      expect(exitCode).toBe(0);
      return JSON.parse(stdout) as {
        schema: string;
        changes: unknown[];
        resources: unknown[];
        installId: string;
      };
    });
    expect(first?.schema).toBe('imgrec.provision/1');
    expect(first?.changes).toHaveLength(first?.resources.length ?? 0);
    expect(second).toEqual({ ...first, changes: [] });
    const { exitCode, stdout, stderr } = await runAtUrl(local as Example);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/^cluster imgrec in account \d+, us-east-1: \d+ resources, nothing to change\n$/);

    // The one that goes to AWS is sent to an address where nobody answers.
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:9');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
    const unreachable = await runAtUrl(aws as Example);
    vi.unstubAllEnvs();
    expect(unreachable).toMatchObject({ exitCode: 3, stdout: '' });
    expect(unreachable.stderr).toContain('ECONNREFUSED');
    expect(unreachable.stderr).not.toMatch(/^\s+at /m);
  });

  it('provision update: finds every instance of the newest version where there is none', async () => {
    const [local] = await examplesOf('provision update');
    const [provision] = await examplesOf('provision');
    expect(await runAtUrl(provision as Example)).toMatchObject({ exitCode: 0 });
    const updated = await runAtUrl(local as Example, '--json');
    expect(updated).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(updated.stdout)).toMatchObject({
      schema: 'imgrec.provision.update/1',
      launched: [],
      left: [],
    });
  });

  it('provision image: says what is missing where no program runs behind instances', async () => {
    const [local] = await examplesOf('provision image');
    const refused = await runAtUrl(local as Example);
    expect(refused.exitCode).toBe(3);
    expect(refused.stderr).toContain('without a program for its instances');
  });

  it('provision --api-keys and api-key: make a key, print it, make another, and leave only that', async () => {
    const [, , withKeys] = await examplesOf('provision');
    const made = await runAtUrl(withKeys as Example);
    expect(made.exitCode).toBe(0);
    expect(made.stderr).toContain('imgrec provision api-key');
    const [show, rotate, revoke] = await examplesOf('provision api-key');
    const first = await runAtUrl(show as Example);
    expect(first).toMatchObject({
      exitCode: 0,
      stderr: '',
      stdout: expect.stringMatching(/^key-\w{8}:\S{43}\n$/),
    });
    const rotated = await runAtUrl(rotate as Example);
    const { schema, keys } = JSON.parse(rotated.stdout) as {
      schema: string;
      keys: { name: string; key: string }[];
    };
    expect(schema).toBe('imgrec.provision.api-key/1');
    expect(keys.map(({ name, key }) => `${name}:${key}\n`)).toEqual([expect.anything(), first.stdout]);
    const left = await runAtUrl(revoke as Example);
    expect(left.stdout).toBe(`${keys[0]?.name}:${keys[0]?.key}\n`);
    expect(await invoke(['provision', 'api-key', 'sell', '--local'], { workingFolder: home })).toMatchObject({
      exitCode: 64,
      stderr: expect.stringContaining('show, rotate, revoke'),
    });
  });

  it('serve, worker and instance: get ready, and end with 0 at Ctrl-C', async () => {
    await makeCourseResources();
    expect(
      await invoke(['provision', '--yes', '--web-instances', '0', '--local', '--cluster', 'demo'], {
        workingFolder: home,
      }),
    ).toMatchObject({ exitCode: 0 });
    for (const verb of ['serve', 'worker', 'instance'] as const)
      for (const example of await examplesOf(verb)) {
        const service = await start(
          example,
          ...(verb === 'serve' ? ['--port', '0'] : ['--poll-wait', '1'].slice(verb === 'instance' ? 2 : 0)),
        );
        const { exitCode, stdout, stderr } = await service.stop();
        expect({ exitCode, stdout }, example.line).toEqual({ exitCode: 0, stdout: '' });
        expect(stderr).toMatch(
          verb === 'serve' || example.argv.at(-1) === 'serve'
            ? /^serving on http:/
            : /^classifying with \S+ in \d+ processes\n/,
        );
      }
  });

  it('bench: measures the web tier it is pointed at', async () => {
    const [serve] = await examplesOf('serve');
    const [, worker] = await examplesOf('worker');
    services = await Promise.all([start(serve as Example, '--port', '0'), start(worker as Example)]);
    url = String(services[0]?.details['url']);
    const examples = (await examplesOf('bench')).filter(({ argv }) => argv.includes('--url'));
    expect(examples).toHaveLength(2);
    for (const example of examples) {
      const { exitCode, stdout, stderr } = await runAtUrl(example);
      expect({ exitCode, stderr }, example.line).toEqual({ exitCode: 0, stderr: '' });
      expect(stdout.trimEnd().split('\n').at(-1)).toBe('passed');
    }
  });

  it('bench --dev: brings its own cluster, whatever else runs; with --max-workers one that grows and shrinks', {
    // A minute for the fleet to shrink is what bench itself allows.
    timeout: 120_000,
  }, async () => {
    const examples = (await examplesOf('bench')).filter(({ argv }) => argv.includes('--dev'));
    const runs: Awaited<ReturnType<typeof runAtUrl>>[] = [];
    for (const example of examples) runs.push(await runAtUrl(example, '--json'));
    for (const { exitCode, stdout } of runs) {
      expect(exitCode).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        schema: 'imgrec.bench/1',
        sent: 100,
        answered: 100,
        passed: true,
      });
    }
    const [plain = '', elastic = ''] = runs.map(({ stderr }) => stderr);
    expect(plain).not.toContain('scale:');
    const sizes = [...elastic.matchAll(/^scale: (\d+) -> (\d+): /gm)].map(([, from, to]) => [from, to]);
    expect(sizes[0]?.[0]).toBe('0');
    expect(sizes.at(-1)?.[1]).toBe('0');
    expect(elastic).not.toContain('warning');
  });

  it('dev: gets ready, and ends with 0 at Ctrl-C', async () => {
    for (const example of await examplesOf('dev')) {
      const workingFolder = path.join(home, `dev-${example.argv.length}-${example.argv[1]}`);
      await mkdir(workingFolder);
      const service = await invokeService([...example.argv, '--port', '0'], { workingFolder });
      const { exitCode, stdout, stderr } = await service.stop();
      expect({ exitCode, stdout }, example.line).toEqual({ exitCode: 0, stdout: '' });
      expect(stderr).toMatch(/^(ready: http:|local cloud at http:).*Ctrl-C/);
    }
  });

  it('classify and config: print their results', async () => {
    for (const verb of ['classify', 'config'])
      for (const example of await examplesOf(verb)) {
        const { exitCode, stdout, stderr } = await runAtUrl(example);
        expect({ exitCode, stderr }, example.line).toEqual({ exitCode: 0, stderr: '' });
        if (example.argv.includes('--json'))
          expect(JSON.parse(stdout)).toHaveProperty('schema', `imgrec.${verb}/1`);
        else expect(stdout).toMatch(/^[┌╭]/);
      }
  });

  it.each(['serve', 'worker', 'instance', 'dev'] as const)(
    '%s --json: one object when it is ready',
    async (verb) => {
      const examples = await examplesOf(verb);
      const example = examples.at(-1) as Example;
      const more = verb === 'dev' ? ['--state', 'json'] : verb === 'serve' ? ['--port', '0'] : [];
      const service = await start(example, ...more, '--json', '--quiet');
      const { exitCode, stdout, stderr } = await service.stop();
      expect(exitCode).toBe(0);
      expect(stdout.trimEnd().split('\n')).toHaveLength(1);
      expect(JSON.parse(stdout)).toHaveProperty('schema', `imgrec.${verb}/1`);
      // With --quiet not even what is happening is told.
      if (verb !== 'instance') expect(stderr).toBe('');
    },
  );
});
