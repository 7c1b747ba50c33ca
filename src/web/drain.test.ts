import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestCluster, type TestCluster } from '../../test/fixtures/cluster.ts';
import { startTestWeb } from '../../test/fixtures/web.ts';
import { systemClock } from '../clock.ts';
import { assetPath } from '../package.ts';

/** A web process that has one image in flight, which no worker will answer. */
describe('a web process that is told to stop', () => {
  let own: TestCluster;
  let cat: Buffer;
  beforeAll(async () => {
    own = await startTestCluster();
    cat = await readFile(assetPath('samples', 'cat.jpg'));
  });
  afterAll(() => own.close());

  /** Posts over a connection that the client would like to keep. */
  const post = (port: number, agent: Agent, prefer: string) =>
    new Promise<{ status: number | undefined; id: unknown; connection: unknown; text: string }>(
      (resolve, reject) => {
        const headers = { 'content-type': 'image/jpeg', prefer };
        request({ port, host: '127.0.0.1', path: '/', method: 'POST', headers, agent }, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          response.once('end', () => {
            const { 'imgrec-id': id, connection } = response.headers;
            resolve({ status: response.statusCode, id, connection, text });
          });
        })
          .once('error', reject)
          .end(cat);
      },
    );

  const stopWithOneInFlight = async (graceSeconds: number, prefer: string) => {
    const web = await startTestWeb(own, { waitSeconds: 300, graceSeconds });
    const { port } = web;
    const agent = new Agent({ keepAlive: true });
    const answer = post(port, agent, prefer);
    const waiting = async () =>
      ((await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()) as { waiting: number }).waiting;
    while ((await waiting()) === 0) await systemClock.sleep(10);
    const stoppedAtMs = performance.now();
    await web.stop();
    const tookMs = performance.now() - stoppedAtMs;
    agent.destroy();
    return { answer: await answer, tookMs };
  };

  test('is not held by a connection whose client would keep it', async () => {
    const { answer, tookMs } = await stopWithOneInFlight(20, 'wait=1');
    expect(answer).toMatchObject({ status: 504, connection: 'close' });
    expect(tookMs).toBeLessThan(10_000);
  });

  test('tells who still waits when its grace is over where the result will be', async () => {
    const { answer, tookMs } = await stopWithOneInFlight(1, 'wait=300');
    expect(answer).toMatchObject({ status: 504, text: expect.stringContaining(`/v1/results/${answer.id}`) });
    expect(tookMs).toBeLessThan(10_000);
  });
});
