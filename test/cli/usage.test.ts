import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLocalCloud } from '../../src/localcloud/server.ts';
import { version } from '../../src/package.ts';
import { type InvokeOptions, invoke } from '../fixtures/invoke.ts';

/** Nothing on stdout, exit 64 (EX_USAGE), and a message that names what is wrong. */
const refused = async (argv: readonly string[], options?: InvokeOptions) => {
  const { exitCode, stdout, stderr } = await invoke(argv, options);
  expect({ exitCode, stdout }).toEqual({ exitCode: 64, stdout: '' });
  expect(stderr).not.toMatch(/^\s+at /m);
  return stderr;
};

describe('imgrec', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'imgrec-usage-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const settingsFile = async (content: unknown) => {
    const file = path.join(folder, 'imgrec.json');
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    return { workingFolder: folder };
  };

  it('prints its version', async () => {
    expect(await invoke(['--version'])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('prints every verb with --help, and the same on stderr, with exit 64, when nothing is asked', async () => {
    const { exitCode, stdout, stderr } = await invoke(['--help']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const verb of ['provision', 'serve', 'worker', 'bench', 'dev', 'classify', 'config'])
      expect(stdout).toMatch(new RegExp(`^  ${verb} \\[options\\]`, 'm'));
    expect(await refused([])).toBe(stdout);
  });

  it.each([
    [['frobnicate'], "unknown command 'frobnicate'"],
    [['config', '--frobnicate'], "unknown option '--frobnicate'"],
    [['--json', 'config'], "unknown option '--json'"],
    [['config', 'extra'], "too many arguments for 'config'"],
    [['classify'], "missing required argument 'image'"],
    [['config', '--port'], "option '--port <PORT>' argument missing"],
    [['config', '--port', 'eighty'], '--port must be a whole number, not "eighty"'],
    [['config', '--port', '65536'], '--port must be at most 65535, not "65536"'],
    [['config', '--port', ''], '--port is empty'],
    [['config', '--port', '0x50'], '--port must be a whole number'],
    [['config', '--cluster', 'Two Words'], '--cluster must be 1 to 20 of'],
    [['config', '--wait', 'soon'], '--wait must be a time such as 30, 30s, 5m or 7d, not "soon"'],
    [['config', '--reply', 'xml'], '--reply must be one of label, stem:label, tuple, json, not "xml"'],
    [['config', '--config', ''], '--config is empty'],
    [['config', '--config', 'nowhere.json'], 'nowhere.json'],
    [['serve', '--local', '--host', '0.0.0.0'], '--host 0.0.0.0 can be reached from other machines'],
    [['serve', '--local', '--host', '::'], '--host :: can be reached from other machines'],
    [['serve', '--local', '--host', '127.0.0.1.example.com'], 'can be reached from other machines'],
    [['bench', '--dev', '--url', 'http://127.0.0.1:1/'], '--dev and --url are both given'],
    [['dev', '--only', 'serve'], '--only must be one of cloud, not "serve"'],
    [['dev', '--model', 'nowhere'], 'there is no model at'],
    [['provision', 'sideways'], "too many arguments for 'provision'"],
    [['provision', 'plan', '--delete-data'], "unknown option '--delete-data'"],
    [['instance'], 'IMGREC_USER_DATA does not say what this instance is'],
  ])('refuses %j', async (argv, message) => {
    expect(await refused(argv, { workingFolder: folder })).toContain(message);
  });

  it.each([
    ['{}', 'IMGREC_USER_DATA does not say'],
    ['not JSON', 'IMGREC_USER_DATA does not say'],
    ['{"v":1,"role":"king","cluster":"imgrec"}', 'IMGREC_USER_DATA does not say'],
  ])('refuses the user data %j', async (line, message) => {
    expect(await refused(['instance'], { environment: { IMGREC_USER_DATA: line } })).toContain(message);
  });

  it.each([
    [{ prot: 80 }, 'unknown key "prot" in'],
    [{ waitSeconds: 5 }, 'unknown key "waitSeconds" in'],
    [{ port: 'eighty' }, '"port" in'],
    [{ port: '' }, '"port" in'],
    [{ port: null }, '"port" in'],
    [{ port: true }, '"port" in'],
    [{ local: 'perhaps' }, '"local" in'],
    [{ constructor: 1 }, 'unknown key "constructor" in'],
    ['{"__proto__": 1}', 'unknown key "__proto__" in'],
    ['{', 'is not JSON'],
    ['[]', 'must hold one JSON object'],
  ])('refuses the imgrec.json %j', async (content, message) => {
    const stderr = await refused(['config'], await settingsFile(content));
    expect(stderr).toContain(message);
    expect(stderr).toContain(path.join(folder, 'imgrec.json'));
  });

  it.each([
    [{ IMGREC_PROT: '80' }, 'unknown environment variable IMGREC_PROT'],
    [{ IMGREC_PORT: '' }, 'IMGREC_PORT is empty'],
    [{ IMGREC_PORT: '-1' }, 'IMGREC_PORT must be at least 0, not "-1"'],
    [{ IMGREC_LOCAL: 'perhaps' }, 'IMGREC_LOCAL must be true or false, not "perhaps"'],
    [{ IMGREC_CONFIG: '' }, 'IMGREC_CONFIG is empty'],
  ])('refuses the environment %j', async (environment, message) => {
    expect(await refused(['config'], { ...(await settingsFile({})), environment })).toContain(message);
  });

  it('says what to do next, exits 3, and shows no stack, where there is no local cloud', async () => {
    await settingsFile({});
    for (const verb of ['provision', 'serve', 'worker']) {
      const { exitCode, stdout, stderr } = await invoke([verb, '--local'], { workingFolder: folder });
      expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
      expect(stderr).toBe(
        `error: there is no local cloud in ${folder}/.imgrec\n` +
          'hint: start one with "imgrec dev --only cloud", or name its folder with --state\n',
      );
    }
  });

  it('says that the local cloud does not answer, and exits 3, where it has been stopped', async () => {
    const stateFolder = path.join(folder, 'stopped');
    const cloud = await startLocalCloud({ stateFolder });
    await cloud.close();
    const argv = ['provision', '--yes', '--web-instances', '0', '--local', '--state', stateFolder];
    const { exitCode, stdout, stderr } = await invoke(argv, { workingFolder: folder });
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
    expect(stderr).toMatch(/^error: .*ECONNREFUSED.*\nhint: is the cloud running and reachable\?.*\n$/);
  });

  it('waits for a local cloud that has been stopped, as a service, and ends with 0 at Ctrl-C', async () => {
    const stateFolder = path.join(folder, 'stopped-too');
    const cloud = await startLocalCloud({ stateFolder });
    await cloud.close();
    const stopping = new AbortController();
    const argv = ['serve', '--local', '--state', stateFolder, '--port', '0'];
    const { exitCode, stdout, stderr } = await invoke(argv, {
      workingFolder: folder,
      signal: stopping.signal,
      onStderr: () => stopping.abort('SIGINT'),
    });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(stderr).toContain('waiting for the cloud');
  });

  it('shows a stack with --verbose, and only then, also for what it did not foresee', async () => {
    // A folder where a file should be: nobody wrote a message of our own for that.
    const argv = ['dev', '--only', 'cloud', '--state', '/dev/null/state'];
    const plain = await invoke(argv, { workingFolder: folder });
    expect(plain).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: the state folder cannot be made: ENOTDIR.*\nhint: .*--state\n$/),
    });
    const verbose = await invoke([...argv, '--verbose'], { workingFolder: folder });
    expect(verbose.stderr).toMatch(/^\s+at .*dev-cluster/m);
  });
});
