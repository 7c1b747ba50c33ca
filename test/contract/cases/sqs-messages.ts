import { createHash } from 'node:crypto';
import {
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  type MessageAttributeValue,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { expect } from 'vitest';
import { expectRefusal, refusal } from '../refusal.ts';
import type { ContractCase, Stage } from '../stage.ts';

const mebibyte = 1_048_576;

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

const receive = async (
  { sqs }: Stage,
  QueueUrl: string,
  input: Partial<ReceiveMessageCommandInput> = {},
): Promise<readonly Message[]> =>
  (await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5, ...input }))).Messages ?? [];

const send = ({ sqs }: Stage, QueueUrl: string, MessageBody: string) =>
  sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));

const entries = (count: number): SendMessageBatchRequestEntry[] =>
  Array.from({ length: count }, (_, at) => ({ Id: `entry-${at}`, MessageBody: `body ${at}` }));

const attributes: Record<string, MessageAttributeValue> = {
  'imgrec.reason': { DataType: 'String', StringValue: 'größe' },
  'imgrec.count': { DataType: 'Number', StringValue: '42' },
  bytes: { DataType: 'Binary', BinaryValue: Uint8Array.of(0, 255, 7) },
};

/**
 * The MD5 of message attributes as the SQS developer guide describes it ("Calculating the MD5 message digest for
 * message attributes"): names sorted; for each name, type and value a big-endian length and the bytes; before the
 * value 1 for text and 2 for binary.
 */
const md5OfAttributes = (values: Record<string, MessageAttributeValue>): string => {
  const hash = createHash('md5');
  const add = (part: string | Uint8Array): void => {
    const bytes = Buffer.from(part as string);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const name of Object.keys(values).toSorted()) {
    const value = values[name];
    add(name);
    add(value?.DataType ?? '');
    hash.update(Uint8Array.of(value?.BinaryValue ? 2 : 1));
    add(value?.BinaryValue ?? value?.StringValue ?? '');
  }
  return hash.digest('hex');
};

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'sqs', name, run });

export const sqsMessageCases: readonly ContractCase[] = [
  test('a message is received as it was sent and gone once deleted', async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '1' });
    const body = '{"name":"größe 日本 🐱.jpg","quote":"\\"<&>\'"}\n\ttail ';
    const sent = await send(stage, QueueUrl, body);
    const [message] = await receive(stage, QueueUrl);
    expect(message).toMatchObject({ Body: body, MessageId: sent.MessageId });
    await stage.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));
    expect(await receive(stage, QueueUrl, { WaitTimeSeconds: 2 })).toEqual([]);
  }),

  test('the MD5 of a body is its MD5, on sending and on receiving', async (stage) => {
    const QueueUrl = await stage.queue();
    const body = 'größe 🐱';
    expect((await send(stage, QueueUrl, body)).MD5OfMessageBody).toBe(md5(body));
    expect((await receive(stage, QueueUrl))[0]?.MD5OfBody).toBe(md5(body));
  }),

  test('message attributes of every type arrive with the documented MD5', async (stage) => {
    const QueueUrl = await stage.queue();
    const sent = await stage.sqs.send(
      new SendMessageCommand({ QueueUrl, MessageBody: 'x', MessageAttributes: attributes }),
    );
    expect(sent.MD5OfMessageAttributes).toBe(md5OfAttributes(attributes));
    const [message] = await receive(stage, QueueUrl, { MessageAttributeNames: ['All'] });
    expect(message?.MessageAttributes).toEqual(attributes);
    expect(message?.MD5OfMessageAttributes).toBe(md5OfAttributes(attributes));
  }),

  test('message attributes come only when they are asked for', async (stage) => {
    const QueueUrl = await stage.queue();
    for (const MessageBody of ['first', 'second'])
      await stage.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, MessageAttributes: attributes }));
    const [none] = await receive(stage, QueueUrl);
    expect(none?.MessageAttributes).toBeUndefined();
    const [one] = await receive(stage, QueueUrl, { MessageAttributeNames: ['bytes', 'absent'] });
    expect(Object.keys(one?.MessageAttributes ?? {})).toEqual(['bytes']);
  }),

  test('message attributes can be asked for by prefix', async (stage) => {
    const QueueUrl = await stage.queue();
    await stage.sqs.send(
      new SendMessageCommand({ QueueUrl, MessageBody: 'x', MessageAttributes: attributes }),
    );
    const [some] = await receive(stage, QueueUrl, { MessageAttributeNames: ['imgrec.*'] });
    expect(Object.keys(some?.MessageAttributes ?? {}).toSorted()).toEqual(['imgrec.count', 'imgrec.reason']);
  }),

  test('system attributes come only when they are asked for', async (stage) => {
    const QueueUrl = await stage.queue();
    for (const body of ['first', 'second']) await send(stage, QueueUrl, body);
    const [none] = await receive(stage, QueueUrl);
    expect(none?.Attributes).toBeUndefined();
    const [one] = await receive(stage, QueueUrl, {
      MessageSystemAttributeNames: ['ApproximateReceiveCount'],
    });
    expect(one?.Attributes).toEqual({ ApproximateReceiveCount: '1' });
  }),

  test('all system attributes tell when a message was sent, first received, and how often', async (stage) => {
    const QueueUrl = await stage.queue();
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl, { MessageSystemAttributeNames: ['All'] });
    const { SentTimestamp, ApproximateFirstReceiveTimestamp, ApproximateReceiveCount, SenderId } =
      message?.Attributes ?? {};
    expect(ApproximateReceiveCount).toBe('1');
    expect(SenderId).toBeTruthy();
    // Milliseconds since the epoch; the clocks of client and server may differ by minutes.
    expect(Math.abs(Number(SentTimestamp) - Date.now())).toBeLessThan(600_000);
    expect(Number(ApproximateFirstReceiveTimestamp)).toBeGreaterThanOrEqual(Number(SentTimestamp));
  }),

  test('the older spelling AttributeNames asks for system attributes too', async (stage) => {
    const QueueUrl = await stage.queue();
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl, { AttributeNames: ['All'] });
    expect(message?.Attributes).toMatchObject({ ApproximateReceiveCount: '1' });
  }),

  test('a batch of ten is sent, received and deleted in one call each', async (stage) => {
    const QueueUrl = await stage.queue({ VisibilityTimeout: '20' });
    const sent = await stage.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: entries(10) }));
    expect(sent.Failed ?? []).toEqual([]);
    expect(sent.Successful?.map(({ Id, MD5OfMessageBody }) => [Id, MD5OfMessageBody])).toEqual(
      entries(10).map(({ Id, MessageBody }) => [Id, md5(MessageBody ?? '')]),
    );
    const received: Message[] = [];
    for (let round = 0; round < 10 && received.length < 10; round += 1)
      received.push(...(await receive(stage, QueueUrl, { MaxNumberOfMessages: 10 })));
    expect(received.map(({ Body }) => Body).toSorted()).toEqual(
      entries(10).map(({ MessageBody }) => MessageBody),
    );
    const deleted = await stage.sqs.send(
      new DeleteMessageBatchCommand({
        QueueUrl,
        Entries: received.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle })),
      }),
    );
    expect(deleted.Successful).toHaveLength(10);
    await stage.eventually(async () => {
      const { Attributes } = await stage.sqs.send(
        new GetQueueAttributesCommand({
          QueueUrl,
          AttributeNames: ['ApproximateNumberOfMessagesNotVisible'],
        }),
      );
      expect(Attributes).toEqual({ ApproximateNumberOfMessagesNotVisible: '0' });
    });
  }),

  test('one bad message of a batch fails alone', async (stage) => {
    const QueueUrl = await stage.queue();
    const Entries = [
      { Id: 'good', MessageBody: 'fine' },
      // SQS takes only the characters that XML 1.0 allows, and U+0000 is not one of them.
      { Id: 'bad', MessageBody: 'zero \u0000 byte' },
    ];
    const sent = await stage.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    expect(sent.Successful?.map(({ Id }) => Id)).toEqual(['good']);
    expect(sent.Failed).toMatchObject([{ Id: 'bad', SenderFault: true }]);
    expect((await receive(stage, QueueUrl)).map(({ Body }) => Body)).toEqual(['fine']);
  }),

  test('one bad receipt handle of a batch of deletes fails alone', async (stage) => {
    const QueueUrl = await stage.queue();
    await send(stage, QueueUrl, 'x');
    const [message] = await receive(stage, QueueUrl);
    const Entries = [
      { Id: 'bad', ReceiptHandle: 'no-such-handle' },
      { Id: 'good', ReceiptHandle: message?.ReceiptHandle },
    ];
    const deleted = await stage.sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    expect(deleted.Successful?.map(({ Id }) => Id)).toEqual(['good']);
    expect(deleted.Failed).toMatchObject([{ Id: 'bad', SenderFault: true, Code: 'ReceiptHandleIsInvalid' }]);
  }),

  test('an empty batch is refused as EmptyBatchRequest', async (stage) => {
    const QueueUrl = await stage.queue();
    await expectRefusal(
      stage.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: [] })),
      'EmptyBatchRequest',
      400,
    );
  }),

  test('a batch of eleven is refused as TooManyEntriesInBatchRequest', async (stage) => {
    const QueueUrl = await stage.queue();
    await expectRefusal(
      stage.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: entries(11) })),
      'TooManyEntriesInBatchRequest',
      400,
    );
    expect(await receive(stage, QueueUrl, { WaitTimeSeconds: 0 })).toEqual([]);
  }),

  test('a batch with the same id twice is refused as BatchEntryIdsNotDistinct', async (stage) => {
    const QueueUrl = await stage.queue();
    const Entries = [...entries(1), ...entries(1)];
    await expectRefusal(
      stage.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries })),
      'BatchEntryIdsNotDistinct',
      400,
    );
  }),

  test('a batch with an id that is no id is refused as InvalidBatchEntryId', async (stage) => {
    const QueueUrl = await stage.queue();
    for (const Id of ['has space', 'x'.repeat(81)])
      await expectRefusal(
        stage.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: [{ Id, MessageBody: 'x' }] })),
        'InvalidBatchEntryId',
        400,
      );
  }),

  test('a batch of more than 1 MiB in all is refused as BatchRequestTooLong', async (stage) => {
    const QueueUrl = await stage.queue();
    const Entries = ['a', 'b'].map((Id) => ({ Id, MessageBody: Id.repeat(mebibyte / 2 + 1) }));
    await expectRefusal(
      stage.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries })),
      'BatchRequestTooLong',
      400,
    );
  }),

  test('a message of exactly 1 MiB passes', async (stage) => {
    const QueueUrl = await stage.queue();
    await send(stage, QueueUrl, 'x'.repeat(mebibyte));
    expect((await receive(stage, QueueUrl))[0]?.Body).toHaveLength(mebibyte);
  }),

  test('a message of 1 MiB and one byte is refused', async (stage) => {
    const QueueUrl = await stage.queue();
    expect((await refusal(send(stage, QueueUrl, 'x'.repeat(mebibyte + 1)))).status).toBe(400);
  }),

  test('message attributes count towards the 1 MiB', async (stage) => {
    const QueueUrl = await stage.queue();
    const MessageAttributes = { a: { DataType: 'String', StringValue: 'b' } };
    const sending = stage.sqs.send(
      new SendMessageCommand({ QueueUrl, MessageBody: 'x'.repeat(mebibyte), MessageAttributes }),
    );
    expect((await refusal(sending)).status).toBe(400);
  }),

  test("a message above the queue's own MaximumMessageSize is refused", async (stage) => {
    const QueueUrl = await stage.queue({ MaximumMessageSize: '1024' });
    await send(stage, QueueUrl, 'x'.repeat(1_024));
    expect((await refusal(send(stage, QueueUrl, 'x'.repeat(1_025)))).status).toBe(400);
  }),

  test('message limits count bytes, not characters', async (stage) => {
    const QueueUrl = await stage.queue({ MaximumMessageSize: '1024' });
    expect((await refusal(send(stage, QueueUrl, 'ü'.repeat(513)))).status).toBe(400);
  }),

  test('an empty body is refused', async (stage) => {
    const QueueUrl = await stage.queue();
    expect((await refusal(send(stage, QueueUrl, ''))).status).toBe(400);
  }),

  test('a body with a character that XML does not allow is refused as InvalidMessageContents', async (stage) => {
    const QueueUrl = await stage.queue();
    await expectRefusal(send(stage, QueueUrl, 'bell \u0007'), 'InvalidMessageContents', 400);
  }),

  test('a delayed message shows only after its delay', async (stage) => {
    const QueueUrl = await stage.queue();
    await stage.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'late', DelaySeconds: 2 }));
    expect(await receive(stage, QueueUrl, { WaitTimeSeconds: 1 })).toEqual([]);
    expect((await receive(stage, QueueUrl)).map(({ Body }) => Body)).toEqual(['late']);
  }),

  test('the counts tell visible, in flight and delayed messages apart', async (stage) => {
    const QueueUrl = await stage.queue();
    await stage.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: entries(3) }));
    await stage.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'late', DelaySeconds: 900 }));
    await receive(stage, QueueUrl);
    await stage.eventually(async () => {
      const { Attributes } = await stage.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
      );
      expect(Attributes).toMatchObject({
        ApproximateNumberOfMessages: '2',
        ApproximateNumberOfMessagesNotVisible: '1',
        ApproximateNumberOfMessagesDelayed: '1',
      });
    });
  }),
];
