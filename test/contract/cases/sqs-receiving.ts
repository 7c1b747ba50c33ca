import { setTimeout as sleep } from 'node:timers/promises';
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { expect } from 'vitest';
import { expectRefusal, refusal } from '../refusal.ts';
import { arnOf, type ContractCase, type Stage } from '../stage.ts';

const receive = async (
  { sqs }: Stage,
  QueueUrl: string,
  input: Partial<ReceiveMessageCommandInput> = {},
): Promise<readonly Message[]> =>
  (
    await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl,
        WaitTimeSeconds: 5,
        MessageSystemAttributeNames: ['All'],
        ...input,
      }),
    )
  ).Messages ?? [];

const send = (stage: Stage, QueueUrl: string, MessageBody: string) =>
  stage.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));

const hold = (stage: Stage, QueueUrl: string, message: Message | undefined, VisibilityTimeout: number) =>
  stage.sqs.send(
    new ChangeMessageVisibilityCommand({
      QueueUrl,
      ReceiptHandle: message?.ReceiptHandle,
      VisibilityTimeout,
    }),
  );

const remove = (stage: Stage, QueueUrl: string, message: Message | undefined) =>
  stage.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));

const countOf = (message: Message | undefined) => message?.Attributes?.ApproximateReceiveCount;

/** How long `work` took, in seconds. */
const timed = async <T>(work: Promise<T>): Promise<{ seconds: number; value: T }> => {
  const start = performance.now();
  const value = await work;
  return { value, seconds: (performance.now() - start) / 1_000 };
};

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'sqs', name, run });

export const sqsReceivingCases: readonly ContractCase[] = [
  test('an empty short poll returns at once without messages', async (stage) => {
    const QueueUrl = await stage.queue();
    const { value, seconds } = await timed(
      stage.sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 0 })),
    );
    expect(value.Messages ?? []).toEqual([]);
    expect(seconds).toBeLessThan(3);
  }),

  test('an empty long poll returns after its wait', async (stage) => {
    const QueueUrl = await stage.queue();
    const { value, seconds } = await timed(receive(stage, QueueUrl, { WaitTimeSeconds: 1 }));
    expect(value).toEqual([]);
    expect(seconds).toBeGreaterThan(0.9);
    expect(seconds).toBeLessThan(3);
  }),

  test("a poll without a wait of its own uses the queue's", async (stage) => {
    const QueueUrl = await stage.queue({ ReceiveMessageWaitTimeSeconds: '1' });
    const { seconds } = await timed(stage.sqs.send(new ReceiveMessageCommand({ QueueUrl })));
    expect(seconds).toBeGreaterThan(0.9);
    expect(seconds).toBeLessThan(3);
  }),

  test('a long poll wakes up when a message arrives', async (stage) => {
    const QueueUrl = await stage.queue();
    const polling = timed(receive(stage, QueueUrl, { WaitTimeSeconds: 10 }));
    await sleep(300);
    await send(stage, QueueUrl, 'wake');
    const { value, seconds } = await polling;
    expect(value.map(({ Body }) => Body)).toEqual(['wake']);
    expect(seconds).toBeLessThan(4);
  }),

  test('a long poll wakes up when a message becomes visible again', async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '1' });
    await send(stage, QueueUrl, 'x');
    await receive(stage, QueueUrl);
    const { value, seconds } = await timed(receive(stage, QueueUrl, { WaitTimeSeconds: 10 }));
    expect(value.map(countOf)).toEqual(['2']);
    expect(seconds).toBeLessThan(4);
  }),

  test('of two long polls one gets the message and the other nothing', async (stage) => {
    const QueueUrl = await stage.queue();
    const polls = [1, 2].map(() => receive(stage, QueueUrl, { WaitTimeSeconds: 2 }));
    await sleep(300);
    await send(stage, QueueUrl, 'only');
    const lengths = (await Promise.all(polls)).map((messages) => messages.length);
    expect(lengths.toSorted()).toEqual([0, 1]);
  }),

  test('an aborted long poll loses no message', async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '2' });
    const aborted = new AbortController();
    const polling = stage.sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10 }), {
      abortSignal: aborted.signal,
    });
    await sleep(300);
    aborted.abort();
    await expect(polling).rejects.toThrow();
    await send(stage, QueueUrl, 'kept');
    // AWS may hand the message to the poll nobody reads; its visibility then brings it back.
    expect((await receive(stage, QueueUrl, { WaitTimeSeconds: 10 })).map(({ Body }) => Body)).toEqual([
      'kept',
    ]);
  }),

  test('more messages or a longer wait than SQS allows are refused', async (stage) => {
    const QueueUrl = await stage.queue();
    for (const input of [{ MaxNumberOfMessages: 11 }, { MaxNumberOfMessages: 0 }, { WaitTimeSeconds: 21 }])
      expect((await refusal(receive(stage, QueueUrl, { WaitTimeSeconds: 0, ...input }))).status).toBe(400);
  }),

  test('concurrent receivers share twenty messages and none gets one twice', async (stage) => {
    const QueueUrl = await stage.queue();
    for (const half of [0, 1])
      await stage.sqs.send(
        new SendMessageBatchCommand({
          QueueUrl,
          Entries: Array.from({ length: 10 }, (_, at) => ({ Id: String(at), MessageBody: `${half}-${at}` })),
        }),
      );
    const receiver = async (): Promise<string[]> => {
      const bodies: string[] = [];
      for (let round = 0; round < 25; round += 1) {
        const messages = await receive(stage, QueueUrl, { WaitTimeSeconds: 1, MaxNumberOfMessages: 3 });
        if (messages.length === 0) break;
        bodies.push(...messages.map(({ Body }) => Body ?? ''));
      }
      return bodies;
    };
    const bodies = (await Promise.all([receiver(), receiver(), receiver(), receiver()])).flat();
    expect(bodies).toHaveLength(20);
    expect(new Set(bodies).size).toBe(20);
  }),

  test('a message in flight is not received by anybody else', async (stage) => {
    const QueueUrl = await stage.queue();
    await send(stage, QueueUrl, 'x');
    await receive(stage, QueueUrl);
    expect(await receive(stage, QueueUrl, { WaitTimeSeconds: 1 })).toEqual([]);
  }),

  test('after its visibility timeout a message comes again, counted and with another handle', async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '1' });
    await send(stage, QueueUrl, 'x');
    const [first] = await receive(stage, QueueUrl);
    const [second] = await receive(stage, QueueUrl);
    expect([countOf(first), countOf(second)]).toEqual(['1', '2']);
    expect(second?.MessageId).toBe(first?.MessageId);
    expect(second?.ReceiptHandle).not.toBe(first?.ReceiptHandle);
    expect(second?.Attributes?.SentTimestamp).toBe(first?.Attributes?.SentTimestamp);
    expect(second?.Attributes?.ApproximateFirstReceiveTimestamp).toBe(
      first?.Attributes?.ApproximateFirstReceiveTimestamp,
    );
  }),

  test("the visibility of a receive wins over the queue's", async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '600' });
    await send(stage, QueueUrl, 'x');
    await receive(stage, QueueUrl, { VisibilityTimeout: 1 });
    expect((await receive(stage, QueueUrl)).map(countOf)).toEqual(['2']);
  }),

  test('visibility 0 hands a message back at once', async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '600' });
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl);
    await hold(stage, QueueUrl, message, 0);
    const { value, seconds } = await timed(receive(stage, QueueUrl));
    expect(value.map(countOf)).toEqual(['2']);
    expect(seconds).toBeLessThan(2);
  }),

  test('an extended message stays away until the extension ends', async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '1' });
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl);
    await hold(stage, QueueUrl, message, 3);
    expect(await receive(stage, QueueUrl, { WaitTimeSeconds: 2 })).toEqual([]);
    expect((await receive(stage, QueueUrl)).map(countOf)).toEqual(['2']);
  }),

  test('a visibility above twelve hours is refused', async (stage) => {
    const QueueUrl = await stage.queue();
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl);
    expect((await refusal(hold(stage, QueueUrl, message, 43_201))).status).toBe(400);
  }),

  test('a batch extends what it can and names what it cannot', async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '600' });
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl);
    const changed = await stage.sqs.send(
      new ChangeMessageVisibilityBatchCommand({
        QueueUrl,
        Entries: [
          { Id: 'good', ReceiptHandle: message?.ReceiptHandle, VisibilityTimeout: 0 },
          { Id: 'bad', ReceiptHandle: 'no-such-handle', VisibilityTimeout: 0 },
        ],
      }),
    );
    expect(changed.Successful?.map(({ Id }) => Id)).toEqual(['good']);
    expect(changed.Failed).toMatchObject([{ Id: 'bad', SenderFault: true, Code: 'ReceiptHandleIsInvalid' }]);
    expect((await receive(stage, QueueUrl)).map(countOf)).toEqual(['2']);
  }),

  test('a stale receipt handle does not delete the redelivered message', async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '1' });
    await send(stage, QueueUrl, 'x');
    const [stale] = await receive(stage, QueueUrl);
    const [current] = await receive(stage, QueueUrl, { VisibilityTimeout: 600 });
    // Whether this answers success or an error is left open by AWS; what counts is that nothing is deleted.
    await remove(stage, QueueUrl, stale).catch(() => {});
    await hold(stage, QueueUrl, current, 0);
    expect((await receive(stage, QueueUrl)).map(countOf)).toEqual(['3']);
  }),

  test('a stale receipt handle does not take the lease of the redelivered message away', async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '1' });
    await send(stage, QueueUrl, 'x');
    const [stale] = await receive(stage, QueueUrl);
    await receive(stage, QueueUrl, { VisibilityTimeout: 600 });
    await hold(stage, QueueUrl, stale, 0).catch(() => {});
    expect(await receive(stage, QueueUrl, { WaitTimeSeconds: 1 })).toEqual([]);
  }),

  test('the latest receipt handle deletes even after its visibility ran out', async (stage) => {
    const QueueUrl = await stage.queue();
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl, { VisibilityTimeout: 1 });
    await sleep(1_200);
    await remove(stage, QueueUrl, message);
    expect(await receive(stage, QueueUrl, { WaitTimeSeconds: 1 })).toEqual([]);
  }),

  test('deleting a message twice is no error', async (stage) => {
    const QueueUrl = await stage.queue();
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl);
    await remove(stage, QueueUrl, message);
    await remove(stage, QueueUrl, message);
  }),

  test('the visibility of a message that is no longer in flight cannot be changed: MessageNotInflight', async (stage) => {
    const QueueUrl = await stage.queue();
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl, { VisibilityTimeout: 1 });
    await sleep(1_200);
    await expectRefusal(hold(stage, QueueUrl, message, 30), 'MessageNotInflight', 400);
  }),

  test('the visibility of a deleted message cannot be changed', async (stage) => {
    const QueueUrl = await stage.queue();
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl);
    await remove(stage, QueueUrl, message);
    expect((await refusal(hold(stage, QueueUrl, message, 30))).status).toBe(400);
  }),

  test('a receipt handle that SQS never gave is refused as ReceiptHandleIsInvalid', async (stage) => {
    const QueueUrl = await stage.queue();
    const made = { ReceiptHandle: 'no-such-handle' };
    const calls = [remove(stage, QueueUrl, made), hold(stage, QueueUrl, made, 30)];
    for (const { name } of await Promise.all(calls.map(refusal))) expect(name).toBe('ReceiptHandleIsInvalid');
  }),

  test('a message received too often goes to the dead-letter queue as it is', async (stage) => {
    const deadUrl = await stage.queue();
    const deadLetterTargetArn = await arnOf(stage, deadUrl);
    const QueueUrl = await stage.queue({
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 }),
    });
    const MessageAttributes = { origin: { DataType: 'String', StringValue: 'contract' } };
    const sent = await stage.sqs.send(
      new SendMessageCommand({ QueueUrl, MessageBody: 'poison', MessageAttributes }),
    );
    for (const count of ['1', '2']) {
      const [message] = await receive(stage, QueueUrl);
      expect(countOf(message)).toBe(count);
      await hold(stage, QueueUrl, message, 0);
    }
    expect(await receive(stage, QueueUrl, { WaitTimeSeconds: 1 })).toEqual([]);
    const dead = await receive(stage, deadUrl, { MessageAttributeNames: ['All'] });
    expect(dead).toMatchObject([{ Body: 'poison', MessageId: sent.MessageId, MessageAttributes }]);
  }),
];
