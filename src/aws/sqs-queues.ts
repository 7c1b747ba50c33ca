import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  type QueueAttributeName,
  SetQueueAttributesCommand,
  type SQSClient,
  TagQueueCommand,
} from '@aws-sdk/client-sqs';
import { calling, cloudError, codeOf } from './errors.ts';

export type Attributes = Readonly<Record<string, string>>;

/** AWS's name for a queue that is not there, in either of its protocols. */
export const missingQueue: ReadonlySet<string> = new Set([
  'QueueDoesNotExist',
  'AWS.SimpleQueueService.NonExistentQueue',
]);

/** Queues themselves, as opposed to the messages in them. All throw CloudError. */
export const createQueueAdministration = (client: SQSClient, urlOf: (queue: string) => string) => ({
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
});
