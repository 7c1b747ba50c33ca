import { createServer } from 'node:net';
import { PurgeQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { draftRequest, sendBody } from '../direct.ts';
import type { Operation } from '../history.ts';
import { becomesTrue, type Lab } from '../lab.ts';
import type { Random } from '../random.ts';
import { openTap } from '../tap.ts';
import { conclude, equals, type FaultTest, isTrue } from '../trial.ts';

type Request = Readonly<Record<string, unknown>>;

/** Not one of these is a value that any field of a request may have. */
const wrongValues = [null, -1, 1.5, true, {}, [], 'x'.repeat(5_000), '\u0000', Number.MAX_VALUE] as const;
const fields = ['id', 'image', 'replyTo', 'topK', 'v'] as const;
const imageFields = ['sha256', 'bytes'] as const;

/** A request with one field that nobody may send. */
const damaged = (request: Request, random: Random): Request => {
  // A number that is too large for a version is a newer one.
  const value = random.pick(wrongValues.slice(0, -1));
  if (random.next() < 0.5) return { ...request, [random.pick(fields)]: value };
  return { ...request, image: { ...(request['image'] as object), [random.pick(imageFields)]: value } };
};

/** The reasons of all dead letters, each taken once. */
const deadLetterReasons = async (lab: Lab): Promise<string[]> => {
  const { connection, names, identity } = lab.cluster;
  const sqs = new SQSClient({
    region: identity.region,
    ...(connection.endpoint === undefined ? {} : { endpoint: connection.endpoint }),
    ...(connection.credentials === undefined ? {} : { credentials: connection.credentials }),
    useQueueUrlAsEndpoint: false,
  });
  const url = (queue: string) => `https://sqs.${identity.region}.amazonaws.com/${identity.account}/${queue}`;
  const reasons: string[] = [];
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: url(names.deadLetters),
        MaxNumberOfMessages: 10,
        // Each once: the queue's own wait would outlast the visibility of those that were read first.
        WaitTimeSeconds: 0,
        VisibilityTimeout: 600,
        MessageAttributeNames: ['All'],
      }),
    );
    if (Messages.length === 0) break;
    for (const { MessageAttributes } of Messages)
      reasons.push(MessageAttributes?.['reason']?.StringValue ?? '');
  }
  // What is of a newer version stays until a newer worker comes.
  await sqs.send(new PurgeQueueCommand({ QueueUrl: url(names.requests) }));
  sqs.destroy();
  return reasons;
};

const hostileMessages: FaultTest = {
  name: 'F28',
  title: 'messages that nobody should have sent',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 10 });
    const tap = await openTap(lab.endpoint);
    trial.atEnd(tap.close);
    const worker = await lab.startWorker({ via: tap });
    let foreign = 0;
    const host = createServer((socket) => {
      foreign++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
    trial.atEnd(() => void host.close());
    const address = host.address();
    const port = typeof address === 'object' ? address?.port : 0;

    const operations: Operation[] = [];
    let malformed = 0;
    const draft = () => draftRequest(lab, trial.random.pick(trial.photos));
    const sendMalformed = async (body: string) => {
      malformed++;
      await sendBody(lab, body);
    };
    const sendGood = async (change: (request: Request) => string, expected?: Operation['expected']) => {
      const { request, operation } = await draft();
      operations.push(expected === undefined ? operation : { ...operation, expected });
      await sendBody(lab, change(request));
    };

    for (const body of [
      '{',
      'null',
      '[]',
      '""',
      '0',
      '{"v":1}',
      '{"__proto__":{"v":1}}',
      'x'.repeat(1_000_000),
    ])
      await sendMalformed(body);
    const urls = [`http://127.0.0.1:${port}/000000000000/replies`, `127.0.0.1:${port}`, '../requests', 'A'];
    for (const replyTo of urls) await sendMalformed(JSON.stringify({ ...(await draft()).request, replyTo }));
    for (let n = trial.pick(40, 1_000); n > 0; n--)
      await sendMalformed(JSON.stringify(damaged((await draft()).request, trial.random)));
    await sendBody(lab, JSON.stringify({ ...(await draft()).request, v: 2, everything: 'else' }));

    await sendGood(JSON.stringify);
    await sendGood((request) => JSON.stringify({ ...request, colour: 'red' }));
    await sendGood((request) =>
      JSON.stringify(request).replace('{"v":1', '{"__proto__":{"topK":0},"constructor":{},"v":1'),
    );
    await sendGood(
      (request) =>
        JSON.stringify({ ...request, image: { ...(request['image'] as object), sha256: 'ab'.repeat(32) } }),
      { kind: 'failed' },
    );
    await sendGood(
      (request) =>
        JSON.stringify({ ...request, image: { ...(request['image'] as object), key: '../../etc/passwd' } }),
      { kind: 'failed' },
    );

    // What is left is the message of a newer version, handed back.
    const done = await becomesTrue(async () => {
      const { visible, inFlight, delayed } = await lab.depth();
      return visible === 0 && inFlight + delayed <= 1;
    }, 60_000);
    const left = await lab.depth();
    const reasons = await deadLetterReasons(lab);
    return conclude(lab, operations, undefined, async () => [
      isTrue('every message was dealt with', done),
      equals('newer messages kept', left.inFlight + left.delayed, 1),
      equals('dead letters', reasons.length, malformed),
      equals('dead letters without a reason', reasons.filter((reason) => reason === '').length, 0),
      equals('connections to a foreign host', foreign, 0),
      isTrue('the worker goes on', worker.isRunning()),
    ]);
  },
};

export const messageTests: readonly FaultTest[] = [hostileMessages];
