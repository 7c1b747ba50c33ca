import { setTimeout as sleep } from 'node:timers/promises';
import {
  CancelMessageMoveTaskCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ListDeadLetterSourceQueuesCommand,
  ListMessageMoveTasksCommand,
  ListQueueTagsCommand,
  type Message,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  StartMessageMoveTaskCommand,
  TagQueueCommand,
  UntagQueueCommand,
} from '@aws-sdk/client-sqs';
import { expect } from 'vitest';
import { expectRefusal, refusal } from '../refusal.ts';
import { arnOf, type ContractCase, type Stage } from '../stage.ts';

const receive = async ({ sqs }: Stage, QueueUrl: string, WaitTimeSeconds = 5): Promise<readonly Message[]> =>
  (
    await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl,
        WaitTimeSeconds,
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ['All'],
      }),
    )
  ).Messages ?? [];

const send = ({ sqs }: Stage, QueueUrl: string, MessageBody: string) =>
  sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));

const countsOf = async ({ sqs }: Stage, QueueUrl: string) => {
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
    }),
  );
  return [Attributes?.ApproximateNumberOfMessages, Attributes?.ApproximateNumberOfMessagesNotVisible].map(
    Number,
  );
};

const redrive = (deadLetterTargetArn: string, maxReceiveCount: number) =>
  JSON.stringify({ deadLetterTargetArn, maxReceiveCount });

/** A queue and its dead-letter queue that holds `bodies`, which came there by being received once. */
const withDeadLetters = async (stage: Stage, bodies: readonly string[]) => {
  const deadUrl = await stage.queue();
  const deadArn = await arnOf(stage, deadUrl);
  const url = await stage.queue({ RedrivePolicy: redrive(deadArn, 1) });
  await stage.sqs.send(
    new SendMessageBatchCommand({
      QueueUrl: url,
      Entries: bodies.map((MessageBody, at) => ({ Id: String(at), MessageBody })),
    }),
  );
  for (let got = 0; got < bodies.length; ) {
    const messages = await receive(stage, url);
    got += messages.length;
    for (const { ReceiptHandle } of messages)
      await stage.sqs.send(
        new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout: 0 }),
      );
  }
  await stage.eventually(async () => {
    expect(await receive(stage, url, 0)).toEqual([]);
    expect((await countsOf(stage, deadUrl))[0]).toBe(bodies.length);
  });
  return { url, arn: await arnOf(stage, url), deadUrl, deadArn };
};

const statusOf = async ({ sqs }: Stage, SourceArn: string) =>
  (await sqs.send(new ListMessageMoveTasksCommand({ SourceArn }))).Results?.[0];

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'sqs', name, run });

export const sqsAdministeringCases: readonly ContractCase[] = [
  test('a purged queue is empty, messages in flight included', async (stage) => {
    const QueueUrl = await stage.queue();
    for (const body of ['a', 'b', 'c']) await send(stage, QueueUrl, body);
    await receive(stage, QueueUrl);
    await send(stage, QueueUrl, 'd');
    await stage.sqs.send(new PurgeQueueCommand({ QueueUrl }));
    await stage.eventually(async () => expect(await countsOf(stage, QueueUrl)).toEqual([0, 0]));
    expect(await receive(stage, QueueUrl, 0)).toEqual([]);
  }),

  test('a second purge within 60 seconds is refused as PurgeQueueInProgress', async (stage) => {
    const QueueUrl = await stage.queue();
    await stage.sqs.send(new PurgeQueueCommand({ QueueUrl }));
    await expectRefusal(stage.sqs.send(new PurgeQueueCommand({ QueueUrl })), 'PurgeQueueInProgress', 403);
  }),

  test('the DelaySeconds of a queue hold for messages without one of their own', async (stage) => {
    const QueueUrl = await stage.queue({ DelaySeconds: '2' });
    await stage.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'now', DelaySeconds: 0 }));
    await send(stage, QueueUrl, 'later');
    expect((await receive(stage, QueueUrl)).map(({ Body }) => Body)).toEqual(['now']);
    expect(await receive(stage, QueueUrl, 0)).toEqual([]);
    expect((await receive(stage, QueueUrl)).map(({ Body }) => Body)).toEqual(['later']);
  }),

  test('an untagged tag is gone and the others stay', async (stage) => {
    const QueueUrl = await stage.queue();
    await stage.sqs.send(new TagQueueCommand({ QueueUrl, Tags: { a: '1', b: '2', c: '3' } }));
    await stage.sqs.send(new UntagQueueCommand({ QueueUrl, TagKeys: ['a', 'c', 'none'] }));
    expect((await stage.sqs.send(new ListQueueTagsCommand({ QueueUrl }))).Tags).toEqual({ b: '2' });
  }),

  test('ListDeadLetterSourceQueues names the queues that redrive here', async (stage) => {
    const deadUrl = await stage.queue();
    const RedrivePolicy = redrive(await arnOf(stage, deadUrl), 3);
    const sources = [await stage.queue({ RedrivePolicy }), await stage.queue({ RedrivePolicy })];
    await stage.queue();
    await stage.eventually(async () => {
      const { queueUrls = [] } = await stage.sqs.send(
        new ListDeadLetterSourceQueuesCommand({ QueueUrl: deadUrl }),
      );
      expect(queueUrls.toSorted()).toEqual(sources.toSorted());
    });
  }),

  test('a RedriveAllowPolicy is returned as it was sent', async (stage) => {
    const sourceQueueArns = [await arnOf(stage, await stage.queue())];
    const RedriveAllowPolicy = JSON.stringify({ redrivePermission: 'byQueue', sourceQueueArns });
    const QueueUrl = await stage.queue({ RedriveAllowPolicy });
    const { Attributes } = await stage.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['RedriveAllowPolicy'] }),
    );
    expect(JSON.parse(Attributes?.RedriveAllowPolicy ?? '{}')).toEqual({
      redrivePermission: 'byQueue',
      sourceQueueArns,
    });
  }),

  test('a RedriveAllowPolicy that says nothing known is refused', async (stage) => {
    const RedriveAllowPolicy = JSON.stringify({ redrivePermission: 'perhaps' });
    const creating = new CreateQueueCommand({
      QueueName: stage.name(),
      Attributes: { RedriveAllowPolicy },
    });
    expect((await refusal(stage.sqs.send(creating))).status).toBe(400);
  }),

  test('a queue that denies it cannot become a dead-letter queue', async (stage) => {
    const friend = await stage.queue();
    const closed = await stage.queue({
      RedriveAllowPolicy: JSON.stringify({ redrivePermission: 'denyAll' }),
    });
    const choosy = await stage.queue({
      RedriveAllowPolicy: JSON.stringify({
        redrivePermission: 'byQueue',
        sourceQueueArns: [await arnOf(stage, friend)],
      }),
    });
    const stranger = await stage.queue();
    const set = async (QueueUrl: string, deadUrl: string) =>
      stage.sqs.send(
        new SetQueueAttributesCommand({
          QueueUrl,
          Attributes: { RedrivePolicy: redrive(await arnOf(stage, deadUrl), 3) },
        }),
      );
    expect((await refusal(set(friend, closed))).status).toBe(400);
    expect((await refusal(set(stranger, choosy))).status).toBe(400);
    await set(friend, choosy);
  }),

  test('a message in a dead-letter queue tells where it came from', async (stage) => {
    const { arn, deadUrl } = await withDeadLetters(stage, ['dead']);
    const [message] = await receive(stage, deadUrl);
    expect(message?.Attributes?.DeadLetterQueueSourceArn).toBe(arn);
  }),

  test('a move task sends dead letters back to where they came from, as new messages', async (stage) => {
    const { url, deadUrl, deadArn } = await withDeadLetters(stage, ['a', 'b', 'c']);
    const { TaskHandle } = await stage.sqs.send(new StartMessageMoveTaskCommand({ SourceArn: deadArn }));
    expect(TaskHandle).toMatch(/./);
    await stage.eventually(async () =>
      expect(await statusOf(stage, deadArn)).toMatchObject({
        Status: 'COMPLETED',
        SourceArn: deadArn,
        ApproximateNumberOfMessagesMoved: 3,
      }),
    );
    const back: Message[] = [];
    for (let poll = 0; poll < 3 && back.length < 3; poll += 1) back.push(...(await receive(stage, url)));
    expect(back.map(({ Body }) => Body).toSorted()).toEqual(['a', 'b', 'c']);
    for (const { Attributes } of back) expect(Attributes?.ApproximateReceiveCount).toBe('1');
    expect(await countsOf(stage, deadUrl)).toEqual([0, 0]);
  }),

  test('a move task with a destination sends everything there', async (stage) => {
    const { deadArn } = await withDeadLetters(stage, ['a', 'b']);
    const elsewhere = await stage.queue();
    const DestinationArn = await arnOf(stage, elsewhere);
    await stage.sqs.send(new StartMessageMoveTaskCommand({ SourceArn: deadArn, DestinationArn }));
    await stage.eventually(async () => expect((await countsOf(stage, elsewhere))[0]).toBe(2));
    expect(await statusOf(stage, deadArn)).toMatchObject({ DestinationArn });
  }),

  test('a slow move task can be cancelled and tells what it moved; a second one is refused', async (stage) => {
    const { deadArn } = await withDeadLetters(stage, ['a', 'b', 'c', 'd', 'e', 'f']);
    const start = () =>
      stage.sqs.send(
        new StartMessageMoveTaskCommand({ SourceArn: deadArn, MaxNumberOfMessagesPerSecond: 1 }),
      );
    const { TaskHandle } = await start();
    expect((await refusal(start())).status).toBe(400);
    await sleep(300);
    expect(await statusOf(stage, deadArn)).toMatchObject({
      Status: 'RUNNING',
      MaxNumberOfMessagesPerSecond: 1,
    });
    const { ApproximateNumberOfMessagesMoved } = await stage.sqs.send(
      new CancelMessageMoveTaskCommand({ TaskHandle }),
    );
    expect(ApproximateNumberOfMessagesMoved).toBeLessThan(6);
    await stage.eventually(async () => expect((await statusOf(stage, deadArn))?.Status).toBe('CANCELLED'));
  }),

  test("a move task of a queue that is nobody's dead-letter queue is refused", async (stage) => {
    const SourceArn = await arnOf(stage, await stage.queue());
    const starting = stage.sqs.send(new StartMessageMoveTaskCommand({ SourceArn }));
    expect((await refusal(starting)).status).toBe(400);
  }),

  test('a move task of a queue that does not exist is refused as ResourceNotFoundException', async (stage) => {
    const SourceArn = `${await arnOf(stage, await stage.queue())}-none`;
    const starting = stage.sqs.send(new StartMessageMoveTaskCommand({ SourceArn }));
    await expectRefusal(starting, 'ResourceNotFoundException', 404);
  }),
];
