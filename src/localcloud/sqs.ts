import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type Answer, type Call, headerOf, Refusal, type Service } from './answer.ts';
import { type Input, optionalText, parseInput, texts } from './input.ts';
import { createAdministering } from './sqs/administer.ts';
import { numberOf } from './sqs/attributes.ts';
import { eachEntry, readEntries } from './sqs/batch.ts';
import {
  attributesMd5,
  md5Hex,
  type OutgoingMessage,
  readOutgoing,
  selectAttributes,
} from './sqs/content.ts';
import { invalidParameter, missingParameter, refuseSqs } from './sqs/errors.ts';
import { readHandle, writeHandle } from './sqs/handle.ts';
import type { Received } from './sqs/message.ts';
import type { MoveTasks } from './sqs/move-tasks.ts';
import { needed, ranged } from './sqs/parameters.ts';
import type { NamedQueue, Queues } from './sqs/queues.ts';

export interface SqsOptions {
  readonly queues: Queues;
  readonly moveTasks: MoveTasks;
  readonly clock: Clock;
  readonly account: string;
  /** Known only once the server listens. */
  readonly endpoint: () => string;
  /** Lets the poll of a broken connection go on: what arrives during its wait is in flight until its visibility ends. */
  readonly strandAbortedPoll?: boolean;
}

const maxBatchBytes = 1_048_576;
/** Above this a standard queue refuses short polls (OverLimit) and lets long polls find nothing. */
const maxInFlight = 120_000;

/** The protocol front of SQS: AWS JSON 1.0. */
export const createSqs = (options: SqsOptions): Service => {
  const { queues, moveTasks, clock, account, endpoint, strandAbortedPoll = false } = options;
  const urlOf = (name: string): string => `${endpoint()}/${account}/${name}`;

  /** Only the last part of the URL counts: clients reach the same queue through other host names and ports. */
  const queueOf = (input: Input): NamedQueue => {
    const parts = needed(input, 'QueueUrl').split('/');
    if (parts.length > 1 && parts.at(-2) !== account)
      throw new Refusal('QueueDoesNotExist', 'The specified queue does not exist.');
    return queues.get(parts.at(-1) ?? '');
  };

  const send = (named: NamedQueue, entry: Input, outgoing: OutgoingMessage): object => {
    const delaySeconds = ranged(entry, 'DelaySeconds', 0, 900) ?? numberOf(named.attributes, 'DelaySeconds');
    const limit = numberOf(named.attributes, 'MaximumMessageSize');
    if (outgoing.bytes > limit)
      throw invalidParameter(
        `One or more parameters are invalid. Reason: Message must be shorter than ${limit} bytes.`,
      );
    if (
      optionalText(entry, 'MessageGroupId') !== undefined ||
      optionalText(entry, 'MessageDeduplicationId') !== undefined
    )
      throw invalidParameter(
        'MessageGroupId and MessageDeduplicationId are not known here: standard queues only.',
      );
    const id = randomUUID();
    const bodyMd5 = md5Hex(outgoing.body);
    const attributes = outgoing.attributes && { attributes: outgoing.attributes };
    named.queue.send({
      id,
      body: outgoing.body,
      bodyMd5,
      sentMs: clock.wallMs(),
      delaySeconds,
      ...attributes,
    });
    const md5 = attributesMd5(outgoing.attributes);
    return { MessageId: id, MD5OfMessageBody: bodyMd5, ...(md5 && { MD5OfMessageAttributes: md5 }) };
  };

  const sendBatch = (named: NamedQueue, input: Input): object => {
    const entries = readEntries(input);
    const outgoing = new Map<string, OutgoingMessage>();
    let bytes = 0;
    for (const { id, entry } of entries) {
      try {
        const read = readOutgoing(entry);
        outgoing.set(id, read);
        bytes += read.bytes;
      } catch (error) {
        if (!(error instanceof Refusal) || error.code === 'SerializationException') throw error;
      }
    }
    if (bytes > maxBatchBytes)
      throw new Refusal(
        'BatchRequestTooLong',
        `Batch requests cannot be longer than ${maxBatchBytes} bytes. You have sent ${bytes} bytes.`,
      );
    return eachEntry(entries, (entry, id) => send(named, entry, outgoing.get(id) ?? readOutgoing(entry)));
  };

  const systemAttributes = (
    { message, receiveCount }: Received,
    wanted: ReadonlySet<string>,
  ): object | undefined => {
    if (wanted.size === 0) return undefined;
    const all: Readonly<Record<string, string>> = {
      SenderId: account,
      SentTimestamp: String(message.sentMs),
      ApproximateReceiveCount: String(receiveCount),
      ApproximateFirstReceiveTimestamp: String(message.firstReceivedMs ?? message.sentMs),
      ...(message.movedFrom !== undefined && { DeadLetterQueueSourceArn: queues.arnOf(message.movedFrom) }),
    };
    if (wanted.has('All')) return all;
    const chosen = Object.entries(all).filter(([name]) => wanted.has(name));
    return chosen.length === 0 ? undefined : Object.fromEntries(chosen);
  };

  const receive = async (named: NamedQueue, input: Input, call: Call): Promise<object> => {
    const max = ranged(input, 'MaxNumberOfMessages', 1, 10) ?? 1;
    const visibilitySeconds =
      ranged(input, 'VisibilityTimeout', 0, 43_200) ?? named.settings.visibilitySeconds;
    const waitSeconds =
      ranged(input, 'WaitTimeSeconds', 0, 20) ?? numberOf(named.attributes, 'ReceiveMessageWaitTimeSeconds');
    const system = new Set([
      ...texts(input, 'AttributeNames'),
      ...texts(input, 'MessageSystemAttributeNames'),
    ]);
    const wanted = texts(input, 'MessageAttributeNames');
    if (named.queue.counts().inFlight >= maxInFlight && waitSeconds === 0)
      throw new Refusal('OverLimit', `The queue has ${maxInFlight} messages in flight.`, 403);
    const received = await named.queue.receive({
      max,
      visibilitySeconds,
      waitSeconds,
      ...(!strandAbortedPoll && { signal: call.signal }),
    });
    if (received.length === 0) return {};
    return {
      Messages: received.map((each) => {
        const attributes = selectAttributes(each.message.attributes, wanted);
        const systemOnes = systemAttributes(each, system);
        return {
          MessageId: each.message.id,
          ReceiptHandle: writeHandle({
            queue: named.name,
            id: each.message.id,
            receiveCount: each.receiveCount,
          }),
          MD5OfBody: each.message.bodyMd5,
          Body: each.message.body,
          ...(systemOnes && { Attributes: systemOnes }),
          ...(attributes && {
            MD5OfMessageAttributes: attributesMd5(attributes),
            MessageAttributes: attributes,
          }),
        };
      }),
    };
  };

  const remove = (named: NamedQueue, input: Input): object => {
    const handle = readHandle(needed(input, 'ReceiptHandle'), named.name);
    named.queue.remove(handle.id, handle.receiveCount);
    return {};
  };

  const changeVisibility = (named: NamedQueue, input: Input): object => {
    const text = needed(input, 'ReceiptHandle');
    const handle = readHandle(text, named.name);
    const seconds = ranged(input, 'VisibilityTimeout', 0, 43_200);
    if (seconds === undefined) throw missingParameter('VisibilityTimeout');
    switch (named.queue.changeVisibility(handle.id, handle.receiveCount, seconds)) {
      case 'changed':
        return {};
      case 'not-in-flight':
        throw new Refusal('MessageNotInflight', 'The specified message is not in flight.');
      case 'missing':
        throw invalidParameter(
          `Value ${text} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`,
        );
      case 'beyond-limit':
        throw invalidParameter(
          `Value ${seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].`,
        );
    }
  };

  const operations: Readonly<Record<string, (input: Input, call: Call) => object | Promise<object>>> = {
    ...createAdministering({ queues, moveTasks, account, urlOf, queueOf }),
    SendMessage: (input) => send(queueOf(input), input, readOutgoing(input)),
    SendMessageBatch: (input) => sendBatch(queueOf(input), input),
    ReceiveMessage: (input, call) => receive(queueOf(input), input, call),
    DeleteMessage: (input) => remove(queueOf(input), input),
    DeleteMessageBatch: (input) => {
      const named = queueOf(input);
      return eachEntry(readEntries(input), (entry) => remove(named, entry));
    },
    ChangeMessageVisibility: (input) => changeVisibility(queueOf(input), input),
    ChangeMessageVisibilityBatch: (input) => {
      const named = queueOf(input);
      return eachEntry(readEntries(input), (entry) => changeVisibility(named, entry));
    },
  };

  return {
    // 1 MiB of content, of which every character may be a \u escape of six.
    maxBodyBytes: 8 * 1024 * 1024,
    handle: async (call): Promise<Answer> => {
      const target = headerOf(call.headers, 'x-amz-target') ?? '';
      const name = target.startsWith('AmazonSQS.') ? target.slice('AmazonSQS.'.length) : '';
      const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
      if (!operation)
        throw new Refusal(
          'UnknownOperationException',
          `The local cloud does not have the SQS operation '${target}'.`,
        );
      const result = await operation(parseInput(call.body()), call);
      return {
        status: 200,
        headers: { 'content-type': 'application/x-amz-json-1.0' },
        body: JSON.stringify(result),
      };
    },
    refuse: refuseSqs,
  };
};
