import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestCluster, type TestCluster } from '../../test/fixtures/cluster.ts';
import { startTestWeb, type TestWeb } from '../../test/fixtures/web.ts';
import { keyCheck } from '../api-keys.ts';
import { assetPath } from '../package.ts';

const key = 'k'.repeat(20);

describe('a web tier that asks for a key', () => {
  let own: TestCluster;
  let url: string;
  let web: TestWeb;

  beforeAll(async () => {
    own = await startTestCluster();
    web = await startTestWeb(own, {
      waitSeconds: 0.2,
      graceSeconds: 1,
      keyring: { nameOf: keyCheck([{ name: 'phone', key }]) },
    });
    url = web.url;
  });
  afterAll(async () => {
    await web.stop();
    await own.close();
  });

  test.each(['/', '/v1/images', '/healthz', '/favicon.ico', '/key.js', '/?from=bookmark'])(
    'shows everybody %s',
    async (path) => {
      for (const method of ['GET', 'HEAD'])
        expect((await fetch(url + path, { method })).status).toBeLessThan(300);
    },
  );

  test.each([
    ['POST', '/'],
    ['POST', '/v1/images'],
    ['POST', '/healthz'],
    ['GET', '/v1/results/abcdefghijklmnopqrstuvwxyz'],
    ['GET', '/v1/results/'],
    ['GET', '//'],
    ['GET', '/metrics'],
  ])('%s %s without a key is 401, with the way to say it', async (method, path) => {
    const answer = await fetch(url + path, { method, headers: { accept: 'application/json' } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="imgrec"');
    expect(answer.headers.get('imgrec-id')).toMatch(/^[a-z2-7]{26}$/);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(await answer.json()).toMatchObject({ title: 'Unauthorized', status: 401 });
  });

  test.each([
    `Bearer ${key}x`,
    `Bearer ${key.slice(1)}`,
    `Basic ${key}`,
    key,
    'Bearer ',
    `Bearer phone:${key}`,
  ])('nor is an image taken with %j, and nothing of it is stored', async (authorization) => {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { authorization, 'content-type': 'image/jpeg' },
      body: await readFile(assetPath('samples', 'cat.jpg')),
    });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(
      /^Bearer realm="imgrec"(, error="invalid_token")?$/,
    );
    expect(await answer.text()).not.toContain('kkk');
    expect(await own.cluster.s3.list(own.cluster.names.inputBucket, '')).toEqual([]);
  });

  test('takes the image of whoever has one', async () => {
    const send = (authorization: string) =>
      fetch(url, {
        method: 'POST',
        headers: { authorization, 'content-type': 'image/jpeg' },
        body: new Uint8Array([0xff, 0xd8, 0xff, 0xe0]),
      });
    // It is cut off, which only somebody finds who looked at it.
    for (const scheme of ['Bearer', 'bearer']) expect((await send(`${scheme} ${key}`)).status).toBe(422);
  });

  test('gives the page the script that asks for the key, and only that script', async () => {
    const page = await fetch(url);
    expect(await page.text()).toContain('<script src="/key.js"></script>');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'; connect-src 'self'");
  });
});
