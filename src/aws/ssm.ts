import {
  AddTagsToResourceCommand,
  DeleteParameterCommand,
  GetParameterCommand,
  ListTagsForResourceCommand,
  PutParameterCommand,
  SendCommandCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { type Connection, clientConfig } from './connection.ts';
import { calling, cloudError, codeOf } from './errors.ts';

type Tags = Readonly<Record<string, string>>;

const tagList = (tags: Tags) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

export type Ssm = ReturnType<typeof createSsm>;

/** SSM parameters in our words. All throw CloudError. */
export const createSsm = (connection: Connection) => {
  const client = new SSMClient(clientConfig(connection));
  return {
    /** @returns undefined when there is no such parameter. */
    get: async (name: string): Promise<string | undefined> => {
      try {
        const { Parameter } = await client.send(new GetParameterCommand({ Name: name }));
        return Parameter?.Value;
      } catch (error) {
        if (codeOf(error) === 'ParameterNotFound') return undefined;
        throw cloudError(`read parameter ${name}`, error);
      }
    },

    /** Makes a parameter with its tags, which SSM takes only where nothing is overwritten. */
    create: async (name: string, value: string, tags: Tags): Promise<void> => {
      await calling(`create parameter ${name}`, () =>
        client.send(
          new PutParameterCommand({ Name: name, Value: value, Type: 'String', Tags: tagList(tags) }),
        ),
      );
    },

    put: async (name: string, value: string): Promise<void> => {
      await calling(`write parameter ${name}`, () =>
        client.send(new PutParameterCommand({ Name: name, Value: value, Type: 'String', Overwrite: true })),
      );
    },

    tags: async (kind: 'Parameter', name: string): Promise<Tags> =>
      calling(`read tags of ${name}`, async () => {
        const { TagList = [] } = await client.send(
          new ListTagsForResourceCommand({ ResourceType: kind, ResourceId: name }),
        );
        return Object.fromEntries(TagList.map(({ Key = '', Value = '' }) => [Key, Value]));
      }),

    tag: async (kind: 'Parameter', name: string, tags: Tags): Promise<void> => {
      await calling(`tag ${name}`, () =>
        client.send(
          new AddTagsToResourceCommand({ ResourceType: kind, ResourceId: name, Tags: tagList(tags) }),
        ),
      );
    },

    remove: async (name: string): Promise<void> => {
      try {
        await client.send(new DeleteParameterCommand({ Name: name }));
      } catch (error) {
        if (codeOf(error) !== 'ParameterNotFound') throw cloudError(`delete parameter ${name}`, error);
      }
    },
    /** Runs a document without parameters on one instance. Resolves when SSM has taken it, not when it has been done. */
    run: async (document: string, instanceId: string, signal?: AbortSignal): Promise<void> => {
      await calling(`run ${document} on ${instanceId}`, () =>
        client.send(
          new SendCommandCommand({ DocumentName: document, InstanceIds: [instanceId] }),
          signal === undefined ? {} : { abortSignal: signal },
        ),
      );
    },
    close: () => client.destroy(),
  };
};
