import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type Message,
  type MessageAttributeValue,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { createBatcher } from './batcher.ts';
import {
  type CallLimits,
  type Connection,
  clientConfig,
  defaultLimits,
  longPollLimits,
} from './connection.ts';
import { createDirectCaller, type DirectCaller, originOf, type SentRequest } from './direct.ts';
import { CloudError, calling, cloudError, refusedCall } from './errors.ts';
import { createQueueAdministration, missingQueue } from './sqs-queues.ts';

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
  /** The message's own text attributes, where they were asked for. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** SQS's limits on one batch. */
const batchItems = 10;
const batchBytes = 1_048_576;

/**
 * Nobody waits for a delete: it waits for company as long as a crash meanwhile does no harm (the message comes again and is
 * dropped or answered from its result).
 */
const deleteLingerMs = 100;

/** A delivery's handle no longer holds its message: the lease is lost. */
const lostLease = new Set([
  'MessageNotInflight',
  'ReceiptHandleIsInvalid',
  'InvalidReceiptHandle',
  'InvalidParameterValue',
]);

export const isMissingQueue = (error: unknown): boolean =>
  error instanceof CloudError && missingQueue.has(error.code);

const textsOf = (
  attributes: Readonly<Record<string, MessageAttributeValue>> = {},
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(attributes).flatMap(([name, { StringValue }]) =>
      StringValue === undefined ? [] : [[name, StringValue]],
    ),
  );

const chunks = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

/** SQS is one place: queues are named in the body, so one route serves them all. */
const everywhere = 'sqs';

/** Puts the `Date` header of each response into its metadata, where `receive` finds it, and shows the direct callers the way. */
const watch = (client: SQSClient, direct: readonly DirectCaller[]): void => {
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
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as SentRequest;
      const route = { origin: originOf(request), basePath: request.path.replace(/\/$/, '') };
      for (const caller of direct) caller.learn(everywhere, route);
      return next(args);
    },
    { step: 'finalizeRequest', priority: 'low', name: 'learnRoute' },
  );
};

export interface QueueAddress {
  readonly account: string;
  readonly region: string;
}

export interface SqsOptions {
  /** Sends, receives and deletes without the SDK once it has shown the way. */
  readonly direct?: boolean;
}

export type Sqs = ReturnType<typeof createSqs>;

/**
 * SQS in our words. Every function takes queue names; URLs are built from our own account and region, and requests go to our own
 * endpoint whatever a URL says. All throw CloudError.
 */
export const createSqs = (
  connection: Connection,
  { account, region }: QueueAddress,
  options: SqsOptions = {},
) => {
  const client = new SQSClient({ ...clientConfig(connection, defaultLimits), useQueueUrlAsEndpoint: false });
  const pollClient = new SQSClient({
    ...clientConfig(connection, longPollLimits),
    useQueueUrlAsEndpoint: false,
  });
  const callerOf = (sdk: SQSClient, limits: CallLimits) =>
    createDirectCaller({
      service: 'sqs',
      limits,
      credentials: () => sdk.config.credentials(),
      region: () => sdk.config.region(),
    });
  const direct = callerOf(client, defaultLimits);
  const pollDirect = callerOf(pollClient, longPollLimits);
  const useDirect = options.direct ?? true;
  for (const sdk of [client, pollClient]) watch(sdk, useDirect ? [direct, pollDirect] : []);

  /** One call, direct if the way is known, else through the SDK: input and output are the same in both. */
  const invoke = async <Output extends object>(
    caller: DirectCaller,
    operation: string,
    name: string,
    input: object,
    throughSdk: () => Promise<Output & { readonly $metadata: object }>,
  ): Promise<{ readonly output: Output; readonly date: string | undefined }> => {
    try {
      const response = await caller.call(everywhere, {
        method: 'POST',
        path: '/',
        headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${name}` },
        body: JSON.stringify(input),
      });
      if (response === undefined) {
        const output = await throughSdk();
        return { output, date: (output.$metadata as { readonly date?: string }).date };
      }
      if (response.status !== 200) throw refusedCall(operation, response);
      return {
        output: JSON.parse(response.body.toString()) as Output,
        date: String(response.headers['date']),
      };
    } catch (error) {
      throw cloudError(operation, error);
    }
  };

  const urlOf = (queue: string) => `https://sqs.${region}.amazonaws.com/${account}/${queue}`;

  /** The error of one entry of a batch that failed, or true. */
  const entryResults = (operation: string, count: number, failed: readonly BatchResultErrorEntry[] = []) => {
    const errors = new Map(failed.map((entry) => [entry.Id, entry]));
    return Array.from({ length: count }, (_, index): true | Error => {
      const entry = errors.get(String(index));
      if (entry === undefined) return true;
      return cloudError(operation, Object.assign(new Error(entry.Message), { name: entry.Code }));
    });
  };

  const send = async (queue: string, bodies: readonly string[]): Promise<readonly (true | Error)[]> => {
    const operation = `send to queue ${queue}`;
    const [only] = bodies;
    if (bodies.length === 1 && only !== undefined) {
      const input = { QueueUrl: urlOf(queue), MessageBody: only };
      await invoke(direct, operation, 'SendMessage', input, () => client.send(new SendMessageCommand(input)));
      return [true];
    }
    const input = {
      QueueUrl: urlOf(queue),
      Entries: bodies.map((body, index) => ({ Id: String(index), MessageBody: body })),
    };
    const { output } = await invoke<{ readonly Failed?: BatchResultErrorEntry[] | undefined }>(
      direct,
      operation,
      'SendMessageBatch',
      input,
      () => client.send(new SendMessageBatchCommand(input)),
    );
    return entryResults(operation, bodies.length, output.Failed);
  };

  const sendWith = async (
    queue: string,
    body: string,
    attributes: Readonly<Record<string, string>>,
  ): Promise<void> => {
    const values = Object.entries(attributes).map(([name, StringValue]) => [
      name,
      { DataType: 'String', StringValue },
    ]);
    const input = {
      QueueUrl: urlOf(queue),
      MessageBody: body,
      MessageAttributes: Object.fromEntries(values) as Record<string, MessageAttributeValue>,
    };
    await invoke(direct, `send to queue ${queue}`, 'SendMessage', input, () =>
      client.send(new SendMessageCommand(input)),
    );
  };

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
    const operation = `delete from queue ${queue}`;
    const input = {
      QueueUrl: urlOf(queue),
      Entries: handles.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle })),
    };
    const { output } = await invoke<{ readonly Failed?: BatchResultErrorEntry[] | undefined }>(
      direct,
      operation,
      'DeleteMessageBatch',
      input,
      () => client.send(new DeleteMessageBatchCommand(input)),
    );
    return entryResults(operation, handles.length, output.Failed);
  };

  return {
    /**
     * A sender that batches what is sent at about the same time.
     * @param lingerMs how long a message may wait for others, asked for each batch
     */
    sender: (queue: string, lingerMs: () => number = () => 0) =>
      createBatcher<string, true>({
        maxItems: batchItems,
        maxBytes: batchBytes,
        bytesOf: Buffer.byteLength,
        lingerMs,
        send: (bodies) => send(queue, bodies),
      }),

    /** A remover that batches deletes. Deleting with a handle whose lease is lost succeeds without deleting. */
    remover: (queue: string) =>
      createBatcher<string, true>({
        maxItems: batchItems,
        lingerMs: () => deleteLingerMs,
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
      wanted: { readonly attributes?: boolean } = {},
    ): Promise<Delivery[]> => {
      const input = {
        QueueUrl: urlOf(queue),
        MaxNumberOfMessages: max,
        WaitTimeSeconds: waitSeconds,
        ...(visibilitySeconds === undefined ? {} : { VisibilityTimeout: visibilitySeconds }),
        MessageSystemAttributeNames: ['ApproximateReceiveCount' as const, 'SentTimestamp' as const],
        ...(wanted.attributes ? { MessageAttributeNames: ['All'] } : {}),
      };
      const answer = await invoke<{ readonly Messages?: Message[] | undefined }>(
        pollDirect,
        `receive from queue ${queue}`,
        'ReceiveMessage',
        input,
        () => pollClient.send(new ReceiveMessageCommand(input)),
      );
      const date = Date.parse(answer.date ?? '');
      const receivedAtMs = performance.now();
      return (answer.output.Messages ?? []).flatMap(
        ({ MessageId, ReceiptHandle, Body, Attributes, MessageAttributes }) =>
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
                  ...(wanted.attributes ? { attributes: textsOf(MessageAttributes) } : {}),
                },
              ],
      );
    },

    /** One message with attributes of its own; AWS takes up to ten. */
    send: sendWith,

    /** Sets a message aside, unchanged so that it can be redriven, with the reason beside it. */
    sendDeadLetter: (queue: string, body: string, reason: string): Promise<void> =>
      sendWith(queue, body, { reason: reason.slice(0, 256) || 'unknown' }),

    /** Renews leases. Returns the handles whose lease is lost; their jobs must stop. */
    extend: changeVisibility,

    /** Hands deliveries back, visible again after `delaySeconds`. */
    release: (queue: string, handles: readonly string[], delaySeconds = 0) =>
      changeVisibility(queue, handles, delaySeconds),

    ...createQueueAdministration(client, urlOf),

    close: () => {
      client.destroy();
      pollClient.destroy();
      direct.close();
      pollDirect.close();
    },
  };
};
