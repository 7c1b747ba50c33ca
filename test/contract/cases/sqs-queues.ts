import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  TagQueueCommand,
} from '@aws-sdk/client-sqs';
import { expect } from 'vitest';
import { expectRefusal, expectSomeRefusal, refusal, rewriting } from '../refusal.ts';
import { arnOf, type ContractCase, type Stage } from '../stage.ts';

const attributesOf = async ({ sqs }: Stage, QueueUrl: string) =>
  (await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }))).Attributes ?? {};

const chosen = {
  VisibilityTimeout: '7',
  DelaySeconds: '1',
  ReceiveMessageWaitTimeSeconds: '2',
};

const test = (name: string, run: ContractCase['run']): ContractCase => ({ service: 'sqs', name, run });

export const sqsQueueCases: readonly ContractCase[] = [
  test('creating a queue again with the same attributes answers the same URL', async (stage) => {
    const name = stage.name();
    const first = await stage.queue(chosen, name);
    const again = await stage.sqs.send(new CreateQueueCommand({ QueueName: name, Attributes: chosen }));
    expect(again.QueueUrl).toBe(first);
  }),

  test('creating a queue again with other attributes is refused as QueueNameExists', async (stage) => {
    const name = stage.name();
    await stage.queue({ VisibilityTimeout: '7' }, name);
    const again = new CreateQueueCommand({ QueueName: name, Attributes: { VisibilityTimeout: '8' } });
    await expectRefusal(stage.sqs.send(again), 'QueueNameExists', 400);
  }),

  test('a queue name with a character that SQS does not know is refused', async (stage) => {
    for (const QueueName of ['has space', 'slash/y', 'x'.repeat(81)])
      expect((await refusal(stage.sqs.send(new CreateQueueCommand({ QueueName })))).status).toBe(400);
  }),

  test('a queue has the attributes it was created with', async (stage) => {
    const url = await stage.queue(chosen);
    expect(await attributesOf(stage, url)).toMatchObject(chosen);
  }),

  test('a queue created without attributes has the defaults that AWS documents', async (stage) => {
    const url = await stage.queue();
    expect(await attributesOf(stage, url)).toMatchObject({
      VisibilityTimeout: '30',
      DelaySeconds: '0',
      ReceiveMessageWaitTimeSeconds: '0',
    });
  }),

  test('MessageRetentionPeriod is four days unless it is chosen', async (stage) => {
    const usual = await attributesOf(stage, await stage.queue());
    const shorter = await attributesOf(stage, await stage.queue({ MessageRetentionPeriod: '600' }));
    expect(usual).toMatchObject({ MessageRetentionPeriod: '345600' });
    expect(shorter).toMatchObject({ MessageRetentionPeriod: '600' });
  }),

  test('MaximumMessageSize is 1 MiB unless it is chosen', async (stage) => {
    const usual = await attributesOf(stage, await stage.queue());
    const smaller = await attributesOf(stage, await stage.queue({ MaximumMessageSize: '2048' }));
    expect(usual).toMatchObject({ MaximumMessageSize: '1048576' });
    expect(smaller).toMatchObject({ MaximumMessageSize: '2048' });
  }),

  test('the ARN of a queue names region, account and queue', async (stage) => {
    const name = stage.name();
    const { region, account } = stage.connection;
    expect(await arnOf(stage, await stage.queue({}, name))).toBe(`arn:aws:sqs:${region}:${account}:${name}`);
  }),

  test('all attributes of an empty queue include its age and zero messages', async (stage) => {
    const attributes = await attributesOf(stage, await stage.queue());
    expect(attributes).toMatchObject({
      ApproximateNumberOfMessages: '0',
      ApproximateNumberOfMessagesNotVisible: '0',
      ApproximateNumberOfMessagesDelayed: '0',
    });
    // Seconds since the epoch, as text; the clocks of client and server may differ by minutes.
    expect(Math.abs(Number(attributes['CreatedTimestamp']) - Date.now() / 1_000)).toBeLessThan(600);
    expect(Number(attributes['LastModifiedTimestamp'])).toBeGreaterThan(0);
  }),

  test('only the attributes that were asked for are returned', async (stage) => {
    const url = await stage.queue(chosen);
    const { Attributes } = await stage.sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: url,
        AttributeNames: ['VisibilityTimeout', 'DelaySeconds'],
      }),
    );
    expect(Attributes).toEqual({ VisibilityTimeout: '7', DelaySeconds: '1' });
  }),

  test('SetQueueAttributes changes what it names and leaves the rest', async (stage) => {
    const url = await stage.queue(chosen);
    await stage.sqs.send(
      new SetQueueAttributesCommand({ QueueUrl: url, Attributes: { VisibilityTimeout: '9' } }),
    );
    await stage.eventually(async () => {
      expect(await attributesOf(stage, url)).toMatchObject({ ...chosen, VisibilityTimeout: '9' });
    });
  }),

  test('an attribute out of its range is refused as InvalidAttributeValue', async (stage) => {
    const outOfRange = [
      { VisibilityTimeout: '43201' },
      { MessageRetentionPeriod: '59' },
      { DelaySeconds: '901' },
      { ReceiveMessageWaitTimeSeconds: '21' },
      { VisibilityTimeout: 'soon' },
    ];
    for (const Attributes of outOfRange) {
      const creating = stage.sqs.send(new CreateQueueCommand({ QueueName: stage.name(), Attributes }));
      await expectRefusal(creating, 'InvalidAttributeValue', 400);
    }
  }),

  test('an attribute that SQS does not know is refused as InvalidAttributeName', async (stage) => {
    const Attributes = { Colour: 'red' } as Record<string, string>;
    const creating = stage.sqs.send(new CreateQueueCommand({ QueueName: stage.name(), Attributes }));
    await expectRefusal(creating, 'InvalidAttributeName', 400);
  }),

  test('server-side encryption by SQS can be asked for', async (stage) => {
    const url = await stage.queue({ SqsManagedSseEnabled: 'true' });
    expect(await attributesOf(stage, url)).toMatchObject({ SqsManagedSseEnabled: 'true' });
  }),

  test('a queue policy is returned as it was sent', async (stage) => {
    const url = await stage.queue();
    const policy = {
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'TlsOnly',
          Effect: 'Deny',
          Principal: '*',
          Action: 'sqs:*',
          Resource: await arnOf(stage, url),
          Condition: { Bool: { 'aws:SecureTransport': 'false', 'aws:PrincipalIsAWSService': 'true' } },
        },
      ],
    };
    await stage.sqs.send(
      new SetQueueAttributesCommand({ QueueUrl: url, Attributes: { Policy: JSON.stringify(policy) } }),
    );
    await stage.eventually(async () => {
      expect(JSON.parse((await attributesOf(stage, url))['Policy'] ?? '{}')).toEqual(policy);
    });
  }),

  test('a redrive policy is returned as it was sent', async (stage) => {
    const deadLetterTargetArn = await arnOf(stage, await stage.queue());
    const url = await stage.queue({
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 10 }),
    });
    const { deadLetterTargetArn: target, maxReceiveCount } = JSON.parse(
      (await attributesOf(stage, url))['RedrivePolicy'] ?? '{}',
    );
    expect({ target, maxReceiveCount: Number(maxReceiveCount) }).toEqual({
      target: deadLetterTargetArn,
      maxReceiveCount: 10,
    });
  }),

  test('a redrive policy that names no existing queue is refused', async (stage) => {
    const arn = await arnOf(stage, await stage.queue());
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: `${arn}-none`, maxReceiveCount: 3 });
    const creating = stage.sqs.send(
      new CreateQueueCommand({ QueueName: stage.name(), Attributes: { RedrivePolicy } }),
    );
    expect((await refusal(creating)).status).toBe(400);
  }),

  test('GetQueueUrl finds a queue by its name', async (stage) => {
    const QueueName = stage.name();
    const url = await stage.queue({}, QueueName);
    expect((await stage.sqs.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl).toBe(url);
  }),

  test('GetQueueUrl of an unknown queue is refused as QueueDoesNotExist', async (stage) => {
    const asking = stage.sqs.send(new GetQueueUrlCommand({ QueueName: stage.name() }));
    await expectRefusal(asking, 'QueueDoesNotExist', 400);
  }),

  test('every call on the URL of an unknown queue is refused as QueueDoesNotExist', async (stage) => {
    const QueueUrl = `${await stage.queue()}-none`;
    const calls = [
      stage.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'hello' })),
      stage.sqs.send(new ReceiveMessageCommand({ QueueUrl })),
      stage.sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })),
      stage.sqs.send(new ListQueueTagsCommand({ QueueUrl })),
      stage.sqs.send(new DeleteQueueCommand({ QueueUrl })),
    ];
    for (const { name } of await Promise.all(calls.map(refusal))) expect(name).toBe('QueueDoesNotExist');
  }),

  test('a deleted queue is gone', async (stage) => {
    const QueueName = stage.name();
    const QueueUrl = await stage.queue({}, QueueName);
    await stage.sqs.send(new DeleteQueueCommand({ QueueUrl }));
    await stage.eventually(async () => {
      const asking = stage.sqs.send(new GetQueueUrlCommand({ QueueName }));
      await expectRefusal(asking, 'QueueDoesNotExist', 400);
    });
  }),

  test('a long poll on a queue that is deleted meanwhile ends', async (stage) => {
    const QueueUrl = await stage.queue();
    const polling = stage.sqs
      .send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }))
      .catch((error: unknown) => error);
    await stage.sqs.send(new DeleteQueueCommand({ QueueUrl }));
    const outcome = await polling;
    if (outcome instanceof Error) expect(outcome.name).toBe('QueueDoesNotExist');
    else expect(outcome).not.toHaveProperty('Messages');
  }),

  test('tags given at creation and later are listed together, the later value winning', async (stage) => {
    const QueueName = stage.name();
    const tags = { 'imgrec:cluster': 'contract', 'imgrec:role': 'requests' };
    const { QueueUrl } = await stage.sqs.send(new CreateQueueCommand({ QueueName, tags }));
    stage.later(() => stage.sqs.send(new DeleteQueueCommand({ QueueUrl })));
    await stage.sqs.send(
      new TagQueueCommand({ QueueUrl, Tags: { 'imgrec:role': 'replies', 'with space': 'a=b+c' } }),
    );
    expect((await stage.sqs.send(new ListQueueTagsCommand({ QueueUrl }))).Tags).toEqual({
      'imgrec:cluster': 'contract',
      'imgrec:role': 'replies',
      'with space': 'a=b+c',
    });
  }),

  test('a queue without tags lists none', async (stage) => {
    const QueueUrl = await stage.queue();
    expect((await stage.sqs.send(new ListQueueTagsCommand({ QueueUrl }))).Tags ?? {}).toEqual({});
  }),

  test('ListQueues finds the queues of a prefix and no others', async (stage) => {
    const prefix = stage.name();
    const urls = [await stage.queue({}, `${prefix}-a`), await stage.queue({}, `${prefix}-b`)];
    await stage.queue();
    await stage.eventually(async () => {
      const { QueueUrls = [] } = await stage.sqs.send(new ListQueuesCommand({ QueueNamePrefix: prefix }));
      expect(QueueUrls.toSorted()).toEqual(urls);
    });
  }),

  test('ListQueues pages through a prefix without losing or repeating a queue', async (stage) => {
    const prefix = stage.name();
    const urls: string[] = [];
    for (const suffix of ['a', 'b', 'c', 'd', 'e']) urls.push(await stage.queue({}, `${prefix}-${suffix}`));
    await stage.eventually(async () => {
      const found: string[] = [];
      let NextToken: string | undefined;
      for (let page = 0; page < 5; page += 1) {
        const listed = await stage.sqs.send(
          new ListQueuesCommand({
            QueueNamePrefix: prefix,
            MaxResults: 2,
            ...(NextToken === undefined ? {} : { NextToken }),
          }),
        );
        expect(listed.QueueUrls?.length ?? 0).toBeLessThanOrEqual(2);
        found.push(...(listed.QueueUrls ?? []));
        NextToken = listed.NextToken;
        if (NextToken === undefined) break;
      }
      expect(found.toSorted()).toEqual(urls);
    });
  }),

  test('an SQS operation that does not exist is refused', async (stage) => {
    const command = new ListQueuesCommand({});
    command.middlewareStack.add(
      rewriting((request) => {
        request.headers['x-amz-target'] = 'AmazonSQS.FoldQueue';
      }),
      { step: 'build', priority: 'high' },
    );
    await expectSomeRefusal(stage.sqs.send(command));
  }),

  test('an SQS request with a bad signature is refused with 403', async (stage) => {
    expect((await refusal(stage.forged.sqs.send(new ListQueuesCommand({})))).status).toBe(403);
  }),
];
