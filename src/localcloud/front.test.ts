import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalCloud, startLocalCloud } from './server.ts';
import { canonicalRequest, sha256Hex, sign, signingKey, stringToSign } from './sigv4.ts';

let folder = '';
let cloud: LocalCloud;
const failures: object[] = [];

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'imgrec-front-'));
  cloud = await startLocalCloud({
    stateFolder: folder,
    log: (line) => {
      if ('event' in line && line.event === 'failure') failures.push(line);
    },
  });
});
afterAll(async () => {
  await cloud.close();
  rmSync(folder, { recursive: true, force: true });
  expect(failures).toEqual([]);
});

interface Sent {
  readonly service: string;
  readonly method?: string;
  readonly target?: string;
  /** What is sent instead of the target that was signed. */
  readonly wireTarget?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A signed request made by hand, to say what no SDK would. */
const send = async ({
  service,
  method = 'POST',
  target = '/',
  wireTarget = target,
  headers = {},
  body = '',
}: Sent) => {
  const amzDate = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const date = amzDate.slice(0, 8);
  const all: Record<string, string> = {
    host: `127.0.0.1:${cloud.port}`,
    'x-amz-date': amzDate,
    'x-amz-content-sha256': sha256Hex(body),
    ...headers,
  };
  const names = Object.keys(all).sort();
  const [pathname = '', query = ''] = target.split('?', 2);
  const scope = `${date}/${cloud.region}/${service}/aws4_request`;
  const canonical = canonicalRequest(
    { method, path: pathname, query, headers: all },
    service,
    names,
    sha256Hex(body),
  );
  const key = signingKey(cloud.secretAccessKey, date, cloud.region, service);
  const signature = sign(key, stringToSign(amzDate, scope, canonical));
  // Not fetch: it would resolve dots in the path.
  const outgoing = request({
    host: '127.0.0.1',
    port: cloud.port,
    method,
    path: wireTarget,
    headers: {
      ...all,
      'content-length': Buffer.byteLength(body),
      authorization: `AWS4-HMAC-SHA256 Credential=${cloud.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    },
  }).end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = await response.toArray();
  return { status: response.statusCode, text: Buffer.concat(chunks).toString(), headers: response.headers };
};

const sqs = (operation: string, body: string) =>
  send({
    service: 'sqs',
    body,
    headers: { 'x-amz-target': `AmazonSQS.${operation}`, 'content-type': 'application/x-amz-json-1.0' },
  });

test.each<[string, Sent, number, string]>([
  ['S3', { service: 's3', method: 'GET', target: '/bucket?acl=' }, 501, 'NotImplemented'],
  [
    'S3, an unknown sub-resource',
    { service: 's3', method: 'GET', target: '/bucket?constructor=' },
    501,
    'NotImplemented',
  ],
  [
    'S3, of an object',
    { service: 's3', method: 'POST', target: '/bucket/key?uploads=' },
    501,
    'NotImplemented',
  ],
  ['S3, an unknown method', { service: 's3', method: 'PATCH', target: '/bucket/key' }, 404, 'NoSuchBucket'],
  [
    'SQS',
    { service: 'sqs', headers: { 'x-amz-target': 'AmazonSQS.AddPermission' } },
    400,
    'UnknownOperationException',
  ],
  [
    'SQS, a name that every object has',
    { service: 'sqs', headers: { 'x-amz-target': 'AmazonSQS.toString' } },
    400,
    'UnknownOperationException',
  ],
  ['SQS, none', { service: 'sqs' }, 400, 'UnknownOperationException'],
  [
    'SSM',
    { service: 'ssm', headers: { 'x-amz-target': 'AmazonSSM.StartSession' } },
    400,
    'UnknownOperationException',
  ],
  ['EC2', { service: 'ec2', body: 'Action=CreateFleet' }, 400, 'InvalidAction'],
  ['STS', { service: 'sts', body: 'Action=AssumeRole' }, 400, 'InvalidAction'],
  ['IAM', { service: 'iam', body: 'Action=ListUsers' }, 400, 'InvalidAction'],
  ['another service', { service: 'kms', body: 'Action=ListKeys' }, 501, 'NotImplemented'],
])('an operation that is not there is never a silent success: %s', async (_name, sent, status, code) => {
  const answer = await send(sent);
  expect(answer.status).toBe(status);
  expect(answer.text).toContain(code);
});

test.each([
  ['no JSON', '{'],
  ['a list', '[]'],
  ['a number', '5'],
  ['nested without end', `${'['.repeat(200_000)}`],
  ['a name that is no text', '{"QueueName":{"__proto__":1}}'],
  ['attributes that are no map', '{"QueueName":"q","Attributes":"x"}'],
  ['a value that is no text', '{"QueueName":"q","Attributes":{"VisibilityTimeout":30}}'],
])('hostile JSON is a SerializationException: %s', async (_name, body) => {
  const answer = await sqs('CreateQueue', body);
  expect(answer.status).toBe(400);
  expect(answer.text).toContain('SerializationException');
});

test('a queue, attributes and tags named __proto__ are names like any other', async () => {
  expect((await sqs('CreateQueue', '{"QueueName":"__proto__","tags":{"__proto__":"v"}}')).status).toBe(200);
  const url = `${cloud.endpoint}/${cloud.account}/__proto__`;
  expect((await sqs('ListQueueTags', JSON.stringify({ QueueUrl: url }))).text).toBe(
    '{"Tags":{"__proto__":"v"}}',
  );
  const unknown = await sqs('CreateQueue', '{"QueueName":"q2","Attributes":{"__proto__":"v"}}');
  expect(unknown.text).toContain('InvalidAttributeName');
});

test('SQS answers carry the time, the old error code and a request id', async () => {
  const answer = await sqs('GetQueueUrl', '{"QueueName":"nope"}');
  expect(answer.headers['x-amzn-query-error']).toBe('AWS.SimpleQueueService.NonExistentQueue;Sender');
  expect(Math.abs(Date.parse(answer.headers.date ?? '') - Date.now())).toBeLessThan(5_000);
  expect(answer.headers['x-amzn-requestid']).toMatch(/^L[0-9A-Z]{15}$/);
});

test('a body that was not the one signed is refused', async () => {
  const answer = await send({
    service: 's3',
    method: 'PUT',
    target: '/bucket',
    body: 'x',
    headers: { 'x-amz-content-sha256': sha256Hex('y') },
  });
  expect(answer.status).toBe(403);
});

test('without a signature nothing is told', async () => {
  for (const [headers, code] of [
    [{}, 'AccessDenied'],
    [{ 'x-amz-target': 'AmazonSQS.ListQueues' }, 'MissingAuthenticationToken'],
    [{ authorization: 'Bearer x' }, 'AccessDenied'],
  ] as const) {
    const response = await fetch(cloud.endpoint, { headers });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain(code);
  }
  expect(
    (await fetch(`${cloud.endpoint}/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0`)).status,
  ).toBe(501);
});

test('a body that says it is too large is refused before it is read', async () => {
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = createConnection(cloud.port, '127.0.0.1');
    let text = '';
    socket.on('data', (data) => {
      text += data.toString();
    });
    socket.on('close', () => resolve(text)).on('error', reject);
    const scope = `20260101/${cloud.region}/s3/aws4_request`;
    socket.write(
      `PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\nAuthorization: AWS4-HMAC-SHA256 Credential=${cloud.accessKeyId}/${scope}, SignedHeaders=host, Signature=${'0'.repeat(64)}\r\n\r\n`,
    );
  });
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain('EntityTooLarge');
});

test('dots in a path reach a key of that name, not another bucket', async () => {
  const put = (target: string, body = '') => send({ service: 's3', method: 'PUT', target, body });
  await put('/one-bucket');
  expect((await put('/one-bucket/%2e%2e/%2e%2e/x', 'secret')).status).toBe(200);
  const list = await send({ service: 's3', method: 'GET', target: '/one-bucket?list-type=2' });
  expect(list.text).toContain('<Key>../../x</Key>');
  const notUtf8 = await send({ service: 's3', method: 'PUT', target: '/b/k', wireTarget: '/b/%ff' });
  expect(notUtf8.status).toBe(400);
});

test('metadata beyond ASCII comes back byte for byte', async () => {
  const at = (method: string, headers = {}) =>
    send({ service: 's3', method, target: '/meta-bucket/k', headers });
  await send({ service: 's3', method: 'PUT', target: '/meta-bucket' });
  const put = await at('PUT', { 'x-amz-meta-a': 'caf\u00e9' });
  expect(put.status).toBe(200);
  expect((await at('GET')).headers['x-amz-meta-a']).toBe('caf\u00e9');
});
