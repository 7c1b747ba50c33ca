import { PassThrough } from 'node:stream';
import { afterAll, expect, it, vi } from 'vitest';
import { run } from '../../commands/program.ts';
import { packageRoot } from '../../src/package.ts';

// Before ora is loaded, which asks once: a terminal with colours, not the log of a CI run, where ora shows no spinner.
vi.hoisted(() => {
  process.env['FORCE_COLOR'] = '1';
  for (const name of ['NO_COLOR', 'CI']) Reflect.deleteProperty(process.env, name);
});
afterAll(() => {
  Reflect.deleteProperty(process.env, 'FORCE_COLOR');
});

/** As much of a terminal as a spinner needs. */
const terminal = () => {
  const stream = new PassThrough();
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const cursor = { cursorTo: () => true, moveCursor: () => true, clearLine: () => true };
  return { stream: Object.assign(stream, { isTTY: true, columns: 80, ...cursor }), text: () => text };
};

const classify = async (more: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
  const stderr = terminal();
  const stdout = terminal();
  const exitCode = await run({
    argv: ['classify', 'assets/samples', ...more],
    environment,
    workingFolder: packageRoot,
    stdout: stdout.stream,
    stderr: stderr.stream,
    signal: new AbortController().signal,
  });
  expect(exitCode).toBe(0);
  return { stdout: stdout.text(), stderr: stderr.text() };
};

// The escape sequences of colours: ECMA-48, "select graphic rendition".
const colours = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[1-9][0-9;]*m`);

it('shows progress in colour on a terminal, and results without', async () => {
  const { stdout, stderr } = await classify([]);
  expect(stderr).toMatch(/\d of 6 images/);
  expect(stderr).toMatch(colours);
  expect(stdout).not.toMatch(colours);
});

it('shows it without colours where NO_COLOR is set', async () => {
  const { stderr } = await classify([], { NO_COLOR: '1' });
  expect(stderr).toMatch(/\d of 6 images/);
  expect(stderr).not.toMatch(colours);
});

it.each(['--quiet', '--json'])('shows none with %s', async (flag) => {
  expect((await classify([flag])).stderr).toBe('');
});
