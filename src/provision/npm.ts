import { spawn } from 'node:child_process';
import { z } from 'zod';
import { ImgrecError } from '../errors.ts';

/** npm's codes for a registry that did not answer; https://docs.npmjs.com/common-errors and Node's own. */
const unreachable = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ERR_SOCKET_TIMEOUT',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'FETCH_ERROR',
  'ENOTCACHED',
]);

/** What npm prints on stdout, with --json, when it fails. */
const failure = z.object({ error: z.object({ code: z.string().nullish(), summary: z.string().nullish() }) });

const failureOf = (stdout: string): { readonly code: string; readonly summary: string } => {
  try {
    const { error } = failure.parse(JSON.parse(stdout));
    return { code: error.code ?? '', summary: error.summary ?? '' };
  } catch {
    return { code: '', summary: '' };
  }
};

const hintFor = (code: string): string => {
  if (unreachable.has(code))
    return 'packing the software needs the npm registry once: try again where it can be reached, or set npm_config_registry to a mirror';
  if (code === 'EINTEGRITY')
    return 'what the registry sent is not what was locked: look at npm_config_registry and at proxies in between';
  return 'run it again with --verbose';
};

/**
 * Runs npm with --json in a folder and returns what it prints. Takes as long as the registry needs; `signal` ends it.
 * @throws ImgrecError saying whether npm is missing, cannot reach its registry, or failed otherwise
 */
export const npm = (args: readonly string[], folder: string, signal: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn('npm', [...args, '--json', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: folder,
      signal,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, npm_config_update_notifier: 'false' },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT') return reject(new ImgrecError(`npm ${args[0]} was ended`, { cause }));
      reject(
        new ImgrecError('there is no npm on the PATH', {
          hint: 'packing the software for instances needs npm, which comes with Node',
          cause,
        }),
      );
    });
    child.once('close', (exitCode) => {
      if (exitCode === 0) return resolve(stdout);
      const { code, summary } = failureOf(stdout);
      const what = summary || stderr.trim().split('\n').at(-1) || `exit code ${exitCode}`;
      const cause = new Error(`${stderr}${stdout}`.slice(-4_000));
      reject(new ImgrecError(`npm ${args[0]} failed: ${what}`, { hint: hintFor(code), cause }));
    });
  });
