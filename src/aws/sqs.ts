import {
  ChangeMessageVisibilityBatchCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  type QueueAttributeName,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
  TagQueueCommand,
} from '@aws-sdk/client-sqs';
import { createBatcher } from './batcher.ts';
import { type Connection, clientConfig, defaultLimits, longPollLimits } from './connection.ts';
import { CloudError, calling, cloudError, codeOf } from './errors.ts';

/** One delivery of a message; the handle is good for this delivery only. */
export interface Delivery {
  readonly messageId: string;
  readonly handle: string;
  readonly body: string;
  /** Deliveries of this message so far, this one included. */
  readonly receiveCount: number;
  /**
   * Age when it was received: the service's own Date minus its SentTimestamp, so that no local wall clock is involved.
   * Undefined when the service sent no Date.
   */
  readonly ageMs: number | undefined;
  /** `performance.now()` at receipt. */
  readonly receivedAtMs: number;
}

export type Attributes = Readonly<Record<string, string>>;

/** SQS's limits on one batch. */
const batchItems = 10;
const batchBytes = 1_048_576;

/** Nobody waits for a delete, so deletes may wait for company; senders of requests and replies are waited for. */
const sendLingerMs = 4;
const deleteLingerMs = 20;

/** AWS's name for a queue that is not there, in either of its protocols. */
const missingQueue = new Set(['QueueDoesNotExist', 'AWS.SimpleQueueService.NonExistentQueue']);

/** A delivery's handle no longer holds its message: the lease is lost. */
const lostLease = new Set([
  'MessageNotInflight',
  'ReceiptHandleIsInvalid',
  'InvalidReceiptHandle',
  'InvalidParameterValue',
]);

export const isMissingQueue = (error: unknown): boolean =>
  error instanceof CloudError && missingQueue.has(error.code);
export const isAccessDenied = (error: unknown): boolean =>
  error instanceof CloudError && ['AccessDenied', 'AccessDeniedException'].includes(error.code);

const chunks = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

/** Puts the `Date` header of each response into its metadata, where `receive` finds it. */
const keepDateHeader = (client: SQSClient): void => {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const headers = (result.response as { headers?: Record<string, string> }).headers;
      const output = result.output as { $metadata: { date?: string | undefined } };
      output.$metadata.date = headers?.['date'];
      return result;
    },
    { step: 'deserialize', priority: 'high', name: 'keepDateHeader' },
  );
};

export interface QueueAddress {
  readonly account: string;
  readonly region: string;
}

export type Sqs = ReturnType<typeof createSqs>;

/**
 * SQS in our words. Every function takes queue names; URLs are built from our own account and region, and requests go to our own
 * endpoint whatever a URL says. All throw CloudError.
 */
export const createSqs = (connection: Connection, { account, region }: QueueAddress) => {
  const client = new SQSClient({ ...clientConfig(connection, defaultLimits), useQueueUrlAsEndpoint: false });
  const pollClient = new SQSClient({
    ...clientConfig(connection, longPollLimits),
    useQueueUrlAsEndpoint: false,
  });
  keepDateHeader(pollClient);

  const urlOf = (queue: string) => `https://sqs.${region}.amazonaws.com/${account}/${queue}`;

  const send = async (queue: string, bodies: readonly string[]): Promise<readonly (true | Error)[]> =>
    calling(`send to queue ${queue}`, async () => {
      const [only] = bodies;
      if (bodies.length === 1 && only !== undefined) {
        await client.send(new SendMessageCommand({ QueueUrl: urlOf(queue), MessageBody: only }));
        return [true];
      }
      const { Failed = [] } = await client.send(
        new SendMessageBatchCommand({
          QueueUrl: urlOf(queue),
          Entries: bodies.map((body, index) => ({ Id: String(index), MessageBody: body })),
        }),
      );
      const failed = new Map(Failed.map((entry) => [entry.Id, entry]));
      return bodies.map((_, index) => {
        const entry = failed.get(String(index));
        return entry === undefined
          ? true
          : cloudError(
              `send to queue ${queue}`,
              Object.assign(new Error(entry.Message), { name: entry.Code }),
            );
      });
    });

  const changeVisibility = async (
    queue: string,
    handles: readonly string[],
    visibilitySeconds: number,
  ): Promise<ReadonlySet<string>> => {
    const lost = new Set<string>();
    for (const group of chunks(handles, batchItems)) {
      const { Failed = [] } = await calling(`change visibility in queue ${queue}`, () =>
        client.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl: urlOf(queue),
            Entries: group.map((ReceiptHandle, index) => ({
              Id: String(index),
              ReceiptHandle,
              VisibilityTimeout: visibilitySeconds,
            })),
          }),
        ),
      );
      for (const entry of Failed) {
        const handle = group[Number(entry.Id)];
        if (handle !== undefined && lostLease.has(entry.Code?.split('.').pop() ?? '')) lost.add(handle);
      }
    }
    return lost;
  };

  const remove = async (queue: string, handles: readonly string[]): Promise<readonly (true | Error)[]> => {
    const { Failed = [] } = await calling(`delete from queue ${queue}`, () =>
      client.send(
        new DeleteMessageBatchCommand({
          QueueUrl: urlOf(queue),
          Entries: handles.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle })),
        }),
      ),
    );
    const failed = new Map(Failed.map((entry) => [entry.Id, entry]));
    return handles.map((_, index) => {
      const entry = failed.get(String(index));
      return entry === undefined
        ? true
        : cloudError(
            `delete from queue ${queue}`,
            Object.assign(new Error(entry.Message), { name: entry.Code }),
          );
    });
  };

  return {
    /** A sender that batches what is sent at about the same time. */
    sender: (queue: string) =>
      createBatcher<string, true>({
        maxItems: batchItems,
        maxBytes: batchBytes,
        bytesOf: Buffer.byteLength,
        lingerMs: sendLingerMs,
        send: (bodies) => send(queue, bodies),
      }),

    /** A remover that batches deletes. Deleting with a handle whose lease is lost succeeds without deleting. */
    remover: (queue: string) =>
      createBatcher<string, true>({
        maxItems: batchItems,
        lingerMs: deleteLingerMs,
        send: (handles) => remove(queue, handles),
      }),

    /**
     * One long poll. It is never aborted while draining: an aborted poll strands what it was about to deliver until its visibility ends.
     * @param max 1 to 10 messages
     * @param waitSeconds 0 to 20
     */
    receive: async (
      queue: string,
      max: number,
      waitSeconds: number,
      visibilitySeconds?: number,
    ): Promise<Delivery[]> => {
      const answer = await calling(`receive from queue ${queue}`, () =>
        pollClient.send(
          new ReceiveMessageCommand({
            QueueUrl: urlOf(queue),
            MaxNumberOfMessages: max,
            WaitTimeSeconds: waitSeconds,
            ...(visibilitySeconds === undefined ? {} : { VisibilityTimeout: visibilitySeconds }),
            MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
          }),
        ),
      );
      const date = Date.parse((answer.$metadata as { date?: string }).date ?? '');
      const receivedAtMs = performance.now();
      return (answer.Messages ?? []).flatMap(({ MessageId, ReceiptHandle, Body, Attributes }) =>
        MessageId === undefined || ReceiptHandle === undefined
          ? []
          : [
              {
                messageId: MessageId,
                handle: ReceiptHandle,
                body: Body ?? '',
                receiveCount: Number(Attributes?.ApproximateReceiveCount ?? 1),
                ageMs: Number.isNaN(date)
                  ? undefined
                  : Math.max(0, date - Number(Attributes?.SentTimestamp ?? date)),
                receivedAtMs,
              },
            ],
      );
    },

    /** Sets a message aside, unchanged so that it can be redriven, with the reason beside it. */
    sendDeadLetter: async (queue: string, body: string, reason: string): Promise<void> => {
      await calling(`send to queue ${queue}`, () =>
        client.send(
          new SendMessageCommand({
            QueueUrl: urlOf(queue),
            MessageBody: body,
            MessageAttributes: {
              reason: { DataType: 'String', StringValue: reason.slice(0, 256) || 'unknown' },
            },
          }),
        ),
      );
    },

    /** Renews leases. Returns the handles whose lease is lost; their jobs must stop. */
    extend: changeVisibility,

    /** Hands deliveries back, visible again after `delaySeconds`. */
    release: (queue: string, handles: readonly string[], delaySeconds = 0) =>
      changeVisibility(queue, handles, delaySeconds),

    /** Creates a queue, or confirms that one with these attributes exists. `QueueNameExists` means other attributes. */
    create: async (queue: string, attributes: Attributes, tags: Attributes): Promise<void> => {
      await calling(`create queue ${queue}`, () =>
        client.send(new CreateQueueCommand({ QueueName: queue, Attributes: attributes, tags })),
      );
    },

    /** @returns undefined when the queue does not exist. */
    attributes: async (
      queue: string,
      names: readonly QueueAttributeName[] = ['All'],
    ): Promise<Attributes | undefined> => {
      try {
        const { Attributes = {} } = await client.send(
          new GetQueueAttributesCommand({ QueueUrl: urlOf(queue), AttributeNames: [...names] }),
        );
        return Attributes as Attributes;
      } catch (error) {
        if (missingQueue.has(codeOf(error))) return undefined;
        throw cloudError(`read queue ${queue}`, error);
      }
    },

    setAttributes: async (queue: string, attributes: Attributes): Promise<void> => {
      await calling(`configure queue ${queue}`, () =>
        client.send(new SetQueueAttributesCommand({ QueueUrl: urlOf(queue), Attributes: attributes })),
      );
    },

    tags: async (queue: string): Promise<Attributes> =>
      calling(`read tags of queue ${queue}`, async () => {
        const { Tags = {} } = await client.send(new ListQueueTagsCommand({ QueueUrl: urlOf(queue) }));
        return Tags;
      }),

    tag: async (queue: string, tags: Attributes): Promise<void> => {
      await calling(`tag queue ${queue}`, () =>
        client.send(new TagQueueCommand({ QueueUrl: urlOf(queue), Tags: tags })),
      );
    },

    /** Names of the queues that start with `prefix`. */
    list: async (prefix: string): Promise<string[]> =>
      calling('list queues', async () => {
        const names: string[] = [];
        let token: string | undefined;
        do {
          const page = await client.send(
            new ListQueuesCommand({
              QueueNamePrefix: prefix,
              MaxResults: 1_000,
              ...(token ? { NextToken: token } : {}),
            }),
          );
          for (const url of page.QueueUrls ?? []) names.push(url.split('/').pop() ?? '');
          token = page.NextToken;
        } while (token !== undefined);
        return names;
      }),

    /** Deletes a queue; one that is already gone is no error. */
    destroy: async (queue: string): Promise<void> => {
      try {
        await client.send(new DeleteQueueCommand({ QueueUrl: urlOf(queue) }));
      } catch (error) {
        if (!missingQueue.has(codeOf(error))) throw cloudError(`delete queue ${queue}`, error);
      }
    },

    close: () => {
      client.destroy();
      pollClient.destroy();
    },
  };
};
