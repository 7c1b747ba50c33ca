import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { nodeFolder } from './node-binary.ts';
import { npm } from './npm.ts';

/** npm itself, in a folder whose lock file names a package, and a registry that this test decides about. */
describe('npm', () => {
  let folder: string;
  const ci = () => npm(['ci'], folder, new AbortController().signal);
  const useRegistry = (url: string) => {
    vi.stubEnv('npm_config_registry', url);
    vi.stubEnv('npm_config_cache', path.join(folder, 'cache'));
    vi.stubEnv('npm_config_fetch_retries', '0');
  };
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'imgrec-npm-'));
    const { manifest, lock } = nodeFolder('linux-x64');
    await writeFile(path.join(folder, 'package.json'), JSON.stringify(manifest));
    await writeFile(path.join(folder, 'package-lock.json'), JSON.stringify(lock));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true, force: true });
  });

  test('a registry that cannot be reached is said to be that, with what to do', async () => {
    useRegistry('http://127.0.0.1:9/');
    await expect(ci()).rejects.toMatchObject({
      message: expect.stringContaining('npm ci failed'),
      hint: expect.stringContaining('npm registry'),
    });
  });

  test('a registry that sends something else than what is locked is refused', async () => {
    const body = Buffer.from('another Node');
    const server = createServer((_request, response) => void response.end(body));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    useRegistry(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    try {
      const error = await ci().catch((caught: unknown) => caught);
      expect(error).toMatchObject({ hint: expect.stringContaining('not what was locked') });
      expect(nodeFolder('linux-x64').integrity).not.toContain(
        createHash('sha512').update(body).digest('base64'),
      );
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('a machine without npm is told where it comes from', async () => {
    vi.stubEnv('PATH', folder);
    await expect(ci()).rejects.toMatchObject({
      message: 'there is no npm on the PATH',
      hint: expect.stringContaining('comes with Node'),
    });
  });
});
