import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSsm } from '../../src/aws/ssm.ts';
import { packageRoot } from '../../src/package.ts';
import { machinesWith, policySubject } from '../../src/provision/machines.ts';
import { scalerPolicy, webPolicy, workerPolicy } from '../../src/provision/policies.ts';
import { startTestCluster, type TestCluster } from '../fixtures/cluster.ts';
import { killStarted, readyObject, startImgrec, until } from '../fixtures/processes.ts';
import { judges, without } from './judges.ts';
import { openRecorder, type Recorder } from './recorder.ts';
import { requestsOf } from './requests.ts';
import { openSimulator } from './simulate.ts';

const apiKey = 'r'.repeat(32);
const authorization = { authorization: `Bearer ${apiKey}` };

const parts = ['serve', 'worker', 'scale'] as const;
type Part = (typeof parts)[number];

/**
 * Each part runs as on an instance, with the SDK's own settings, and its calls go through a recorder of its own. IAM's simulator
 * then judges what was really sent by the policy of that part.
 */
describe.skipIf(without.iamSimulate !== '')(
  `the rights that the parts use${without.iamSimulate}`,
  { timeout: 90_000 },
  () => {
    let home: string;
    let cluster: TestCluster;
    const recorders = new Map<Part, Recorder>();

    const start = async (part: Part, ...args: readonly string[]) => {
      const recorder = await openRecorder(cluster.connection.endpoint ?? '');
      recorders.set(part, recorder);
      const { accessKeyId = '', secretAccessKey = '' } = cluster.connection.credentials ?? {};
      return startImgrec([part, '--cluster', 'test', '--json', ...args], {
        cwd: home,
        environment: {
          AWS_ENDPOINT_URL: recorder.endpoint,
          AWS_ACCESS_KEY_ID: accessKeyId,
          AWS_SECRET_ACCESS_KEY: secretAccessKey,
          AWS_REGION: 'us-east-1',
          AWS_EC2_METADATA_DISABLED: 'true',
        },
      });
    };

    beforeAll(async () => {
      home = await mkdtemp(path.join(tmpdir(), 'imgrec-rights-'));
      cluster = await startTestCluster();
      const ssm = createSsm(cluster.connection);
      await ssm.createSecret(cluster.cluster.names.apiKeysParameter, `rights:${apiKey}`, {});
      ssm.close();
      const { sqs, names } = cluster.cluster;
      // Something that no worker understands: it goes to the dead letters.
      await sqs.send(names.requests, 'neither a request nor JSON', {});
      const [serve, worker] = await Promise.all([
        start('serve', '--port', '0', '--wait', '20', '--api-keys'),
        start('worker', '--classifiers', '1', '--poll-wait', '1'),
      ]);
      const { url = '' } = await readyObject(serve);
      await readyObject(worker);
      const image = await readFile(path.join(packageRoot, 'assets', 'samples', 'espresso.jpg'));
      const answer = await fetch(url, {
        method: 'POST',
        headers: { ...authorization, 'content-type': 'image/jpeg' },
        body: new Uint8Array(image),
      });
      expect(await answer.text()).toBe('espresso');
      const result = `${url}v1/results/${answer.headers.get('imgrec-id')}`;
      expect((await fetch(result, { headers: authorization })).status).toBe(200);
      const scale = await start('scale', '--once', '--min-workers', '0', '--max-workers', '1');
      await scale.exit();
      await until('the dead letter', async () => {
        const found = await sqs.attributes(names.deadLetters, ['ApproximateNumberOfMessages']);
        return found?.['ApproximateNumberOfMessages'] === '1';
      });
      for (const run of [serve, worker]) run.signal('SIGTERM');
      await Promise.all([serve.exit(), worker.exit()]);
    });
    afterAll(async () => {
      killStarted();
      for (const recorder of recorders.values()) await recorder.close();
      await cluster.close();
      await rm(home, { recursive: true, force: true });
    });

    test.each(parts)('%s does nothing that its policy does not allow', async (part) => {
      const { account, region } = cluster.cluster.identity;
      const place = { account, region, partition: 'aws' };
      const subject = policySubject(
        { names: cluster.cluster.names, place },
        { ...machinesWith({}), apiKeys: true },
      );
      const policy = { serve: webPolicy, worker: workerPolicy, scale: scalerPolicy }[part](subject);
      const { allows } = await openSimulator(judges.iamSimulate ?? '');
      const asked = new Map(
        (recorders.get(part)?.sent ?? [])
          .flatMap((call) => requestsOf(call, account))
          .map((request) => [JSON.stringify(request), request]),
      );
      expect(asked.size, 'it made calls').toBeGreaterThan(3);
      const refused: string[] = [];
      for (const request of asked.values())
        if (!(await allows(policy, request, account)))
          refused.push(`${request.action} on ${request.resource} ${JSON.stringify(request.context)}`);
      expect(refused).toEqual([]);
    });
  },
);
