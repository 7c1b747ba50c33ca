import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type Answer, type Call, headerOf, Refusal, type Service } from './answer.ts';
import { type Input, optionalInteger, optionalText, parseInput, textMap, texts } from './input.ts';
import { effectiveAttributes, isAttributeName, numberOf } from './sqs/attributes.ts';
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
import type { NamedQueue, Queues } from './sqs/queues.ts';

export interface SqsOptions {
  readonly queues: Queues;
  readonly clock: Clock;
  readonly account: string;
  /** Known only once the server listens. */
  readonly endpoint: () => string;
}

const maxBatchBytes = 1_048_576;
/** Above this a standard queue refuses short polls (OverLimit) and lets long polls find nothing. */
const maxInFlight = 120_000;

const ranged = (input: Input, name: string, min: number, max: number): number | undefined => {
  const value = optionalInteger(input, name);
  if (value !== undefined && (value < min || value > max))
    throw invalidParameter(
      `Value ${value} for parameter ${name} is invalid. Reason: Must be between ${min} and ${max}, if provided.`,
    );
  return value;
};

const needed = (input: Input, name: string): string => {
  const value = optionalText(input, name);
  if (value === undefined || value === '') throw missingParameter(name);
  return value;
};

/** The protocol front of SQS: AWS JSON 1.0. */
export const createSqs = ({ queues, clock, account, endpoint }: SqsOptions): Service => {
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
      ...(waitSeconds > 0 && { signal: call.signal() }),
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

  const getAttributes = (named: NamedQueue, input: Input): object => {
    const wanted = texts(input, 'AttributeNames');
    const unknown = wanted.find((name) => !isAttributeName(name));
    if (unknown !== undefined) throw new Refusal('InvalidAttributeName', `Unknown Attribute ${unknown}.`);
    const counts = named.queue.counts();
    const all: Readonly<Record<string, string>> = {
      ...effectiveAttributes(named.attributes),
      QueueArn: named.arn,
      CreatedTimestamp: String(Math.floor(named.createdMs / 1000)),
      LastModifiedTimestamp: String(Math.floor(named.modifiedMs / 1000)),
      ApproximateNumberOfMessages: String(counts.visible),
      ApproximateNumberOfMessagesNotVisible: String(counts.inFlight),
      ApproximateNumberOfMessagesDelayed: String(counts.delayed),
    };
    const chosen = wanted.includes('All')
      ? all
      : Object.fromEntries(Object.entries(all).filter(([name]) => wanted.includes(name)));
    return Object.keys(chosen).length === 0 ? {} : { Attributes: chosen };
  };

  const list = (input: Input): object => {
    const prefix = optionalText(input, 'QueueNamePrefix') ?? '';
    const max = ranged(input, 'MaxResults', 1, 1000);
    const after = Buffer.from(optionalText(input, 'NextToken') ?? '', 'base64').toString('utf8');
    const names = queues.names().filter((name) => name.startsWith(prefix) && name > after);
    const page = names.slice(0, max ?? 1000);
    const last = page.at(-1);
    const more = max !== undefined && page.length < names.length && last !== undefined;
    return {
      QueueUrls: page.map(urlOf),
      ...(more && { NextToken: Buffer.from(last, 'utf8').toString('base64') }),
    };
  };

  const operations: Readonly<Record<string, (input: Input, call: Call) => object | Promise<object>>> = {
    CreateQueue: (input) => {
      const named = queues.create(
        needed(input, 'QueueName'),
        textMap(input, 'Attributes'),
        textMap(input, 'tags'),
      );
      return { QueueUrl: urlOf(named.name) };
    },
    GetQueueUrl: (input) => {
      const owner = optionalText(input, 'QueueOwnerAWSAccountId');
      if (owner !== undefined && owner !== account)
        throw new Refusal('QueueDoesNotExist', 'The specified queue does not exist.');
      return { QueueUrl: urlOf(queues.get(needed(input, 'QueueName')).name) };
    },
    ListQueues: list,
    DeleteQueue: (input) => {
      queues.remove(queueOf(input).name);
      return {};
    },
    GetQueueAttributes: (input) => getAttributes(queueOf(input), input),
    SetQueueAttributes: (input) => {
      queues.setAttributes(queueOf(input).name, textMap(input, 'Attributes'));
      return {};
    },
    TagQueue: (input) => {
      queues.setTags(queueOf(input).name, textMap(input, 'Tags'));
      return {};
    },
    ListQueueTags: (input) => {
      const { tags } = queueOf(input);
      return Object.keys(tags).length === 0 ? {} : { Tags: tags };
    },
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
      const result = await operation(parseInput(call.body), call);
      return {
        status: 200,
        headers: { 'content-type': 'application/x-amz-json-1.0' },
        body: JSON.stringify(result),
      };
    },
    refuse: refuseSqs,
  };
};
