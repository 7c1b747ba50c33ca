import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/aws/connection.ts';
import { createIam } from '../../src/aws/iam.ts';
import { type LocalCloud, startLocalCloud } from '../../src/localcloud/server.ts';
import { assetPath } from '../../src/package.ts';
import { type Invoked, type InvokeOptions, invoke } from '../fixtures/invoke.ts';

interface PlanReport {
  readonly steps: readonly { readonly action: string; readonly kind: string; readonly name: string }[];
  readonly monthlyCost: { readonly asOf: string; readonly most: number; readonly lines: readonly unknown[] };
}

/** What an operator sees and is asked. What is made, is other tests' subject. */
describe('imgrec provision', { timeout: 60_000 }, () => {
  let home: string;
  let cloud: LocalCloud;
  const run = (line: string, options: InvokeOptions = {}): Promise<Invoked> =>
    invoke(['provision', ...line.split(' ').filter(Boolean), '--local', '--web-instances', '0'], {
      workingFolder: home,
      ...options,
    });
  const plan = async (line = ''): Promise<PlanReport> => {
    const { exitCode, stdout, stderr } = await run(`plan --json ${line}`);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    return JSON.parse(stdout) as PlanReport;
  };
  const changes = async (line = '') => (await plan(line)).steps.filter(({ action }) => action !== 'keep');

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'imgrec-provision-'));
    cloud = await startLocalCloud({ stateFolder: path.join(home, '.imgrec') });
  });
  afterAll(async () => {
    await cloud.close();
    await rm(home, { recursive: true, force: true });
  });

  it('shows the plan and what a month costs, asks, and makes nothing when the answer is no', async () => {
    const all = await changes();
    let shown = '';
    const questions: string[] = [];
    const { exitCode, stderr } = await run('', {
      onStderr: (text) => {
        shown += text;
      },
      ask: async (question) => {
        // Everything that the answer depends on was there before the question.
        for (const { name } of all) expect(shown).toContain(name);
        expect(shown).toMatch(/list prices of us-east-1 as of \d{4}-\d{2}-\d{2}/);
        questions.push(question);
        return false;
      },
    });
    expect(questions).toEqual([`Make these ${all.length} changes?`]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('nothing was changed');
    expect(await changes()).toEqual(all);
  });

  it('does not go on by itself where there is nobody to ask', async () => {
    const all = await changes();
    const { exitCode, stderr } = await run('');
    expect(exitCode).toBe(64);
    expect(stderr).toMatch(/hint: add --yes/);
    expect(await changes()).toEqual(all);
  });

  it('names the prices that it reckons with, and takes others', async () => {
    const built = JSON.parse(await readFile(assetPath('prices.json'), 'utf8')) as Record<string, unknown>;
    const { monthlyCost } = await plan();
    expect(monthlyCost.asOf).toBe(built['asOf']);
    const doubled = JSON.stringify(built, (_key, value: unknown) =>
      typeof value === 'number' ? value * 2 : value,
    );
    await writeFile(path.join(home, 'prices.json'), doubled);
    const { monthlyCost: dearer } = await plan('--prices prices.json');
    expect(dearer.most).toBeCloseTo(monthlyCost.most * 2, 6);
    expect(monthlyCost.lines.length).toBeGreaterThan(2);
  });

  it('is interrupted: finishes what runs, says where it stands, and the next run completes it', async () => {
    const all = await changes();
    const stop = new AbortController();
    const { exitCode, stderr } = await run('--yes', {
      signal: stop.signal,
      // Others are under way when the first queue is made.
      onStderr: (text) => {
        if (text.startsWith('+ queue')) stop.abort();
      },
    });
    expect(exitCode).toBe(1);
    const [, done = ''] = /stopped after (\d+) of \d+ steps/.exec(stderr) ?? [];
    expect(Number(done)).toBeGreaterThan(0);
    expect(Number(done)).toBeLessThan(all.length);
    expect(stderr).toContain('hint: nothing is half done: run "imgrec provision" again to go on');
    expect(stderr.match(/^\+ /gm)).toHaveLength(Number(done));
    expect(await changes()).toHaveLength(all.length - Number(done));

    const rest = await run('--yes');
    expect(rest.exitCode, rest.stderr).toBe(0);
    expect(await changes()).toEqual([]);
  });

  it('tells each step, with its time', async () => {
    const { stderr, stdout } = await run('--yes --visibility 45');
    expect(stderr.match(/^~ queue imgrec-requests\S*: VisibilityTimeout \(\d+\.\d s\)$/gm)).toHaveLength(2);
    expect(stdout).toMatch(/resources, \d+ changed\n$/);
  });

  it('puts roles under the path and the boundary that are chosen, and brings a boundary back', async () => {
    const boundary = 'arn:aws:iam::aws:policy/PowerUserAccess';
    const chosen = `--cluster bound --role-path /teams/vision/ --permissions-boundary ${boundary}`;
    expect((await run(`--yes ${chosen}`)).exitCode).toBe(0);
    const iam = createIam(
      connect({ cluster: 'bound', local: true, state: '.imgrec', region: undefined }, home),
    );
    for (const name of ['bound-web', 'bound-worker'])
      expect(await iam.role(name)).toMatchObject({ path: '/teams/vision/', boundary });
    await iam.setBoundary('bound-web', undefined);
    expect(await changes(chosen)).toMatchObject([
      { action: 'update', kind: 'role', name: 'bound-web', changes: ['boundary'] },
    ]);
    expect((await run(`--yes ${chosen}`)).exitCode).toBe(0);
    expect(await iam.role('bound-web')).toMatchObject({ boundary });
    iam.close();
  });

  it.each([
    ['web', 'SendRequests'],
    ['worker', 'ConsumeRequests'],
    ['scaler', 'LaunchWorkers'],
    ['operator', 'Buckets'],
  ])('prints the policy of %s, as text and as JSON', async (part, sid) => {
    const argv = ['provision', 'policy', part, '--local'];
    const text = await invoke(argv, { workingFolder: home });
    const json = await invoke([...argv, '--json'], { workingFolder: home });
    const { schema, policy } = JSON.parse(json.stdout) as Record<string, { Statement: { Sid: string }[] }>;
    expect(schema).toBe('imgrec.policy/1');
    expect(JSON.parse(text.stdout)).toEqual(policy);
    expect(policy?.Statement.map(({ Sid }) => Sid)).toContain(sid);
  });

  it('says which policies there are', async () => {
    const { exitCode, stderr } = await invoke(['provision', 'policy', 'root', '--local'], {
      workingFolder: home,
    });
    expect(exitCode).toBe(64);
    expect(stderr).toContain('web, worker, scaler, operator');
  });
});
