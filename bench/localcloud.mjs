#!/usr/bin/env node
/**
 * What an image costs the local cloud, in CPU milliseconds of its process: two puts (the photograph and its result), one get
 * of the photograph, and the SQS calls of a web tier and a worker that handles messages four at a time. The clients run in
 * another process. Build first.
 *
 *     node bench/localcloud.mjs [--rounds 7] [--images 400] [--bytes 100000] [--lanes 8] [--json]
 *
 * With --json the last line is [{figure, value, must, aim}]. Exits 4 when a must is missed. Linux only: it reads /proc.
 */
import { fork } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request as openRequest } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readCalls } from '../dist/src/localcloud/admin-client.js';
import { median, rounded } from './figures.mjs';
import { statOf } from './processes.mjs';

const self = fileURLToPath(import.meta.url);
const main = fileURLToPath(new URL('../dist/src/localcloud/main.js', import.meta.url));
const group = 4;

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const hmac = (key, data) => createHmac('sha256', key).update(data).digest();

/** A client of one local cloud that signs as src/aws does, over connections that it keeps. */
const createClient = ({ endpoint, region, account, accessKeyId, secretAccessKey }) => {
  const { hostname, port, host } = new URL(endpoint);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const keys = new Map();
  const keyFor = (date, service) => {
    const name = `${date}/${service}`;
    if (!keys.has(name))
      keys.set(name, [region, service, 'aws4_request'].reduce(hmac, hmac(`AWS4${secretAccessKey}`, date)));
    return keys.get(name);
  };
  const call = async (service, method, target, headers, body) => {
    const amzDate = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
    const date = amzDate.slice(0, 8);
    const payload = sha256(body);
    const all = {
      host,
      'x-amz-date': amzDate,
      ...(service === 's3' ? { 'x-amz-content-sha256': payload } : {}),
      ...headers,
    };
    const names = Object.keys(all).sort();
    const canonical = `${method}\n${target}\n\n${names.map((name) => `${name}:${all[name]}\n`).join('')}\n${names.join(';')}\n${payload}`;
    const scope = `${date}/${region}/${service}/aws4_request`;
    const signature = hmac(
      keyFor(date, service),
      `AWS4-HMAC-SHA256\n${amzDate}\n${scope}\n${sha256(canonical)}`,
    ).toString('hex');
    const outgoing = openRequest({
      agent,
      hostname,
      port,
      method,
      path: target,
      headers: {
        ...all,
        'content-length': Buffer.byteLength(body),
        authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
      },
    });
    outgoing.end(body);
    const [response] = await once(outgoing, 'response');
    const chunks = [];
    for await (const chunk of response) chunks.push(chunk);
    const answer = Buffer.concat(chunks);
    if (response.statusCode >= 300)
      throw new Error(`${method} ${target}: ${response.statusCode} ${answer.toString()}`);
    return answer;
  };
  return {
    s3: (method, target, body = '', headers = {}) => call('s3', method, target, headers, body),
    sqs: async (operation, input) => {
      const headers = {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `AmazonSQS.${operation}`,
      };
      return JSON.parse(await call('sqs', 'POST', '/', headers, JSON.stringify(input)));
    },
    queueUrl: (name) => `${endpoint}/${account}/${name}`,
  };
};

const result = (id) =>
  JSON.stringify({ v: 1, id, status: 'ok', label: 'tabby, tabby cat', probability: 0.4711 }).padEnd(600);

/** What happens to `group` images between a web tier and a worker. */
const handleGroup = async ({ s3, sqs, queueUrl }, lane, photo) => {
  const ids = Array.from({ length: group }, () => randomBytes(16).toString('hex'));
  const once_ = { 'if-none-match': '*' };
  const requests = queueUrl(`requests-${lane}`);
  const responses = queueUrl(`responses-${lane}`);
  for (const id of ids) {
    await s3('PUT', `/input/images/${id}`, photo, { ...once_, 'content-type': 'image/jpeg' });
    await sqs('SendMessage', { QueueUrl: requests, MessageBody: JSON.stringify({ v: 1, id }).padEnd(400) });
  }
  const receive = async (QueueUrl) =>
    (
      await sqs('ReceiveMessage', {
        QueueUrl,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: 20,
        MessageSystemAttributeNames: ['SentTimestamp', 'ApproximateReceiveCount'],
      })
    ).Messages;
  const remove = (QueueUrl, messages) =>
    sqs('DeleteMessageBatch', {
      QueueUrl,
      Entries: messages.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle })),
    });
  const messages = await receive(requests);
  for (const { Body } of messages) {
    const { id } = JSON.parse(Body);
    const bytes = await s3('GET', `/input/images/${id}`);
    if (bytes.length !== photo.length) throw new Error('a photograph came back with another length');
    await s3('PUT', `/output/results/${id}.json`, result(id), {
      ...once_,
      'content-type': 'application/json',
    });
  }
  await sqs('SendMessageBatch', {
    QueueUrl: responses,
    Entries: messages.map(({ Body }, at) => ({ Id: String(at), MessageBody: Body })),
  });
  await remove(requests, messages);
  await remove(responses, await receive(responses));
  return messages.length;
};

/** The client process: `{images}` by IPC starts a round, its answer ends it. */
const runClient = () => {
  const { cloud, lanes, bytes } = JSON.parse(process.env.BENCH_LOCALCLOUD ?? '{}');
  const client = createClient(cloud);
  const photo = randomBytes(bytes);
  const prepared = (async () => {
    for (const bucket of ['input', 'output']) await client.s3('PUT', `/${bucket}`);
    for (let lane = 0; lane < lanes; lane++)
      for (const kind of ['requests', 'responses'])
        await client.sqs('CreateQueue', { QueueName: `${kind}-${lane}` });
  })();
  const round = async (images) => {
    await prepared;
    let done = 0;
    await Promise.all(
      Array.from({ length: lanes }, async (_, lane) => {
        while (done < images) {
          done += group;
          await handleGroup(client, lane, photo);
        }
      }),
    );
    return done;
  };
  process.on('message', ({ images }) => {
    round(images).then(
      (done) => process.send({ done }),
      (error) => process.send({ error: error.stack }),
    );
  });
  process.on('disconnect', () => process.exit(0));
};

const runBench = async () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '7' },
      images: { type: 'string', default: '400' },
      bytes: { type: 'string', default: '100000' },
      lanes: { type: 'string', default: '8' },
      json: { type: 'boolean', default: false },
    },
  });
  const [rounds, images, bytes, lanes] = ['rounds', 'images', 'bytes', 'lanes'].map((name) =>
    Number(values[name]),
  );
  const stateFolder = mkdtempSync(path.join(tmpdir(), 'imgrec-bench-cloud-'));
  const cloudProcess = fork(main, ['--state', stateFolder], {
    execArgv: (process.env.BENCH_CLOUD_FLAGS ?? '').split(' ').filter(Boolean),
  });
  let client;
  try {
    await once(cloudProcess, 'message');
    const cloud = JSON.parse(readFileSync(path.join(stateFolder, 'cloud.json'), 'utf8'));
    client = fork(self, ['--client'], {
      env: { ...process.env, BENCH_LOCALCLOUD: JSON.stringify({ cloud, lanes, bytes }) },
    });
    const round = async () => {
      const before = statOf(cloudProcess.pid);
      const start = performance.now();
      client.send({ images });
      const [{ done, error }] = await once(client, 'message');
      if (error) throw new Error(error);
      const seconds = (performance.now() - start) / 1000;
      const after = statOf(cloudProcess.pid);
      const user = (after.user - before.user) / done;
      const system = (after.system - before.system) / done;
      return { user, system, cpu: user + system, perSecond: done / seconds, done };
    };
    await round();
    const callsBefore = (await readCalls(cloud)).calls;
    const measured = [];
    for (let nth = 0; nth < rounds; nth++) {
      measured.push(await round());
      const { user, system, cpu, perSecond } = measured.at(-1);
      process.stderr.write(
        `round ${nth + 1}: ${cpu.toFixed(2)} CPU ms an image (user ${user.toFixed(2)}, system ${system.toFixed(2)}), ${perSecond.toFixed(0)} images/s\n`,
      );
    }
    const { calls } = await readCalls(cloud);
    const total = measured.reduce((sum, { done }) => sum + done, 0);
    for (const [operation, count] of Object.entries(calls)) {
      const each = (count - (callsBefore[operation] ?? 0)) / total;
      if (each > 0.001) process.stderr.write(`${operation.padEnd(26)} ${each.toFixed(2)} an image\n`);
    }
    const value = rounded(median(measured.map(({ cpu }) => cpu)));
    const figures = [{ figure: 'local cloud, CPU ms an image', value, must: 1.8, aim: 0.9 }];
    if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
    else process.stdout.write(`local cloud: ${value} CPU ms an image (must <= 1.8, aim 0.9)\n`);
    process.exitCode = value <= 1.8 ? 0 : 4;
  } finally {
    client?.disconnect();
    cloudProcess.kill('SIGTERM');
    await once(cloudProcess, 'exit');
    rmSync(stateFolder, { recursive: true, force: true });
  }
};

if (process.argv.includes('--client')) runClient();
else await runBench();
