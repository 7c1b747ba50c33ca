import { Refusal } from '../answer.ts';
import { type Input, optionalText, textMap, texts } from '../input.ts';
import { effectiveAttributes, isAttributeName } from './attributes.ts';
import type { MoveTasks } from './move-tasks.ts';
import { needed, pageOf, ranged } from './parameters.ts';
import type { NamedQueue, Queues } from './queues.ts';

export interface AdministerOptions {
  readonly queues: Queues;
  readonly moveTasks: MoveTasks;
  readonly account: string;
  readonly urlOf: (name: string) => string;
  /** The queue that an input's QueueUrl names; throws QueueDoesNotExist. */
  readonly queueOf: (input: Input) => NamedQueue;
}

/** The operations on queues themselves, as against their messages. */
export const createAdministering = ({ queues, moveTasks, account, urlOf, queueOf }: AdministerOptions) => {
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

  const operations: Readonly<Record<string, (input: Input) => object>> = {
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
    ListQueues: (input) => {
      const prefix = optionalText(input, 'QueueNamePrefix') ?? '';
      const { page, ...next } = pageOf(
        input,
        queues.names().filter((name) => name.startsWith(prefix)),
      );
      return { QueueUrls: page.map(urlOf), ...next };
    },
    ListDeadLetterSourceQueues: (input) => {
      const { page, ...next } = pageOf(input, queues.sourcesOf(queueOf(input)));
      // The one list of SQS whose name begins with a small letter.
      return { queueUrls: page.map(urlOf), ...next };
    },
    DeleteQueue: (input) => {
      queues.remove(queueOf(input).name);
      return {};
    },
    PurgeQueue: (input) => {
      queues.purge(queueOf(input).name);
      return {};
    },
    GetQueueAttributes: (input) => getAttributes(queueOf(input), input),
    SetQueueAttributes: (input) => {
      queues.setAttributes(queueOf(input).name, textMap(input, 'Attributes'));
      return {};
    },
    TagQueue: (input) => {
      queues.addTags(queueOf(input).name, textMap(input, 'Tags'));
      return {};
    },
    UntagQueue: (input) => {
      queues.removeTags(queueOf(input).name, texts(input, 'TagKeys'));
      return {};
    },
    ListQueueTags: (input) => {
      const { tags } = queueOf(input);
      return Object.keys(tags).length === 0 ? {} : { Tags: tags };
    },
    StartMessageMoveTask: (input) =>
      moveTasks.start(
        needed(input, 'SourceArn'),
        optionalText(input, 'DestinationArn'),
        ranged(input, 'MaxNumberOfMessagesPerSecond', 1, 500),
      ),
    CancelMessageMoveTask: (input) => moveTasks.cancel(needed(input, 'TaskHandle')),
    ListMessageMoveTasks: (input) =>
      moveTasks.list(needed(input, 'SourceArn'), ranged(input, 'MaxResults', 1, 10) ?? 1),
  };
  return operations;
};
