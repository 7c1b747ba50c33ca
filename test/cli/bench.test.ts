import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../commands/program.ts';
import { packageRoot } from '../../src/package.ts';

const collector = () => {
  const written: string[] = [];
  return { write: (text: string) => written.push(text) > 0, text: () => written.join('') };
};

const imgrec = async (...argv: readonly string[]) => {
  const stdout = collector();
  const stderr = collector();
  const exitCode = await run({
    argv: ['bench', ...argv],
    environment: {},
    workingFolder: packageRoot,
    stdout,
    stderr,
    signal: new AbortController().signal,
  });
  return { exitCode, stdout: stdout.text(), stderr: stderr.text() };
};

/** A web tier that takes everything for a daisy, or fails. */
const server = createServer((request, response) => {
  request.resume().once('end', () => {
    response.writeHead(request.url === '/broken' ? 500 : 200, { 'content-type': 'text/plain' }).end('daisy');
  });
});
let url = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const samples = ['--images', 'assets/samples', '--truth', 'assets/samples/truth.csv', '--requests', '12'];

describe('imgrec bench', () => {
  it('prints the counts and the verdict, and exits 0', async () => {
    const { exitCode, stdout, stderr } = await imgrec('--url', url, ...samples);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('│ 12   │ 12       │ 2       │ 10    │ 0        │');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('passed');
  });

  it('prints one object with --json', async () => {
    const { exitCode, stdout } = await imgrec('--url', url, ...samples, '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'imgrec.bench/1',
      sent: 12,
      answered: 12,
      correct: 2,
      wrong: 10,
      unjudged: 0,
      refused: 0,
      failed: 0,
      lost: 0,
      duplicates: 0,
      accuracy: 2 / 12,
      durationSeconds: expect.any(Number),
      throughputPerSecond: expect.any(Number),
      latencyMs: {
        mean: expect.any(Number),
        p50: expect.any(Number),
        p90: expect.any(Number),
        p95: expect.any(Number),
        p99: expect.any(Number),
        max: expect.any(Number),
      },
      passed: true,
      invalid: null,
    });
  });

  it('takes the flags of the course project', async () => {
    const folder = ['--image_folder', 'assets/samples', '--prediction_file', 'assets/samples/truth.csv'];
    const { exitCode, stdout } = await imgrec('--url', url, ...folder, '--num_request', '6', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ sent: 6, correct: 1, wrong: 5 });
  });

  it('sends the sample photographs when no images are named, and wants 0.8 of them right', async () => {
    const { exitCode, stdout } = await imgrec('--url', url, '--json');
    expect(exitCode).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({
      sent: 100,
      unjudged: 0,
      passed: false,
      checks: expect.arrayContaining([
        { name: 'accuracy', value: expect.any(Number), limit: { least: 0.8 }, passed: false },
      ]),
    });
  });

  it('exits 4 when fewer are right than asked for', async () => {
    const { exitCode, stdout } = await imgrec('--url', url, ...samples, '--min-accuracy', '0.5');
    expect(exitCode).toBe(4);
    expect(stdout).toContain('FAILED accuracy 0.1667 (>= 0.5)');
  });

  it('exits 5 when nothing is answered, or nobody is there', async () => {
    const failed = await imgrec('--url', `${url}broken`, ...samples);
    expect(failed.exitCode).toBe(5);
    expect(failed.stdout).toContain('failed 12x: HTTP 500 daisy (first: cameraman.jpg)');
    expect(failed.stdout).toContain('not a valid measurement: nothing was answered');
    // Port 9 (discard) of the loopback interface is not in use on any machine that runs these tests.
    const absent = await imgrec('--url', 'http://127.0.0.1:9/', ...samples);
    expect(absent.exitCode).toBe(5);
    expect(absent.stdout).toContain('not a valid measurement: the server could not be reached');
  });

  it.each([
    [[], '--url is missing'],
    [['--url', 'localhost:8081'], '--url must be an http or https URL'],
    [['--url', 'ftp://127.0.0.1/'], '--url must be an http or https URL'],
    [['--url', 'http://127.0.0.1:1/', '--requests', '0'], '--requests must be at least 1'],
    [['--url', 'http://127.0.0.1:1/', '--ip_addr', '127.0.0.1'], 'is given twice'],
    [['--url', 'http://127.0.0.1:1/', '--images', 'nowhere'], 'cannot read the folder'],
    [['--url', 'http://127.0.0.1:1/', '--truth', 'assets/samples/truth.csv'], '--truth without --images'],
  ])('refuses %j with exit 64', async (argv, message) => {
    const { exitCode, stdout, stderr } = await imgrec(...argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 64, stdout: '' });
    expect(stderr).toContain(message);
  });
});
