import {
  AddTagsToResourceCommand,
  CreateDocumentCommand,
  DeleteDocumentCommand,
  DeleteParameterCommand,
  GetCommandInvocationCommand,
  GetDocumentCommand,
  GetParameterCommand,
  ListTagsForResourceCommand,
  type Parameter,
  type ParameterType,
  PutParameterCommand,
  SendCommandCommand,
  SSMClient,
  UpdateDocumentCommand,
  UpdateDocumentDefaultVersionCommand,
} from '@aws-sdk/client-ssm';
import { type Connection, clientConfig, endingWith } from './connection.ts';
import { calling, cloudError, codeOf } from './errors.ts';
import { type Tags, tagList, tagsOf } from './tags.ts';

type Tagged = 'Parameter' | 'Document';

export type Ssm = ReturnType<typeof createSsm>;

/** SSM parameters and documents in our words. All throw CloudError. */
export const createSsm = (connection: Connection) => {
  const client = new SSMClient(clientConfig(connection));

  const parameter = async (name: string, WithDecryption: boolean): Promise<Parameter | undefined> => {
    try {
      return (await client.send(new GetParameterCommand({ Name: name, WithDecryption }))).Parameter;
    } catch (error) {
      if (codeOf(error) === 'ParameterNotFound') return undefined;
      throw cloudError(`${WithDecryption ? 'decrypt' : 'read'} parameter ${name}`, error);
    }
  };

  const create = async (Type: ParameterType, name: string, value: string, tags: Tags): Promise<void> => {
    await calling(`create parameter ${name}`, () =>
      client.send(new PutParameterCommand({ Name: name, Value: value, Type, Tags: tagList(tags) })),
    );
  };

  const put = async (Type: ParameterType, name: string, value: string): Promise<void> => {
    await calling(`write parameter ${name}`, () =>
      client.send(new PutParameterCommand({ Name: name, Value: value, Type, Overwrite: true })),
    );
  };

  return {
    /** @returns undefined when there is no such parameter. */
    get: async (name: string): Promise<string | undefined> => (await parameter(name, false))?.Value,

    /** Of a parameter, such as `SecureString`, without reading what it holds; undefined when there is none. */
    typeOf: async (name: string): Promise<string | undefined> => (await parameter(name, false))?.Type,

    /** What a SecureString holds; undefined when there is none. */
    secret: async (name: string): Promise<string | undefined> => (await parameter(name, true))?.Value,

    /** Makes a parameter with its tags, which SSM takes only where nothing is overwritten. */
    create: (name: string, value: string, tags: Tags): Promise<void> => create('String', name, value, tags),

    /** Makes a SecureString, encrypted with the account's own key `aws/ssm`, with its tags. */
    createSecret: (name: string, value: string, tags: Tags): Promise<void> =>
      create('SecureString', name, value, tags),

    put: (name: string, value: string): Promise<void> => put('String', name, value),

    putSecret: (name: string, value: string): Promise<void> => put('SecureString', name, value),

    tags: async (kind: Tagged, name: string): Promise<Tags> =>
      calling(`read tags of ${name}`, async () => {
        const { TagList } = await client.send(
          new ListTagsForResourceCommand({ ResourceType: kind, ResourceId: name }),
        );
        return tagsOf(TagList);
      }),

    tag: async (kind: Tagged, name: string, tags: Tags): Promise<void> => {
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

    /** The content of a document's default version, parsed; undefined when there is no such document. */
    document: async (name: string): Promise<unknown> => {
      try {
        const { Content } = await client.send(new GetDocumentCommand({ Name: name, DocumentFormat: 'JSON' }));
        return Content === undefined ? undefined : (JSON.parse(Content) as unknown);
      } catch (error) {
        if (codeOf(error) === 'InvalidDocument') return undefined;
        throw cloudError(`read document ${name}`, error);
      }
    },

    createDocument: async (name: string, content: unknown, tags: Tags): Promise<void> => {
      await calling(`create document ${name}`, () =>
        client.send(
          new CreateDocumentCommand({
            Name: name,
            Content: JSON.stringify(content),
            DocumentType: 'Command',
            DocumentFormat: 'JSON',
            TargetType: '/AWS::EC2::Instance',
            Tags: tagList(tags),
          }),
        ),
      );
    },

    /** Makes a version of a document the one that is run; one with this content may have been made by a run that was cut short. */
    updateDocument: async (name: string, content: unknown): Promise<void> => {
      const make = async (): Promise<string> => {
        try {
          const { DocumentDescription } = await client.send(
            new UpdateDocumentCommand({
              Name: name,
              Content: JSON.stringify(content),
              DocumentVersion: '$LATEST',
              DocumentFormat: 'JSON',
            }),
          );
          return DocumentDescription?.DocumentVersion ?? '$LATEST';
        } catch (error) {
          if (codeOf(error) !== 'DuplicateDocumentContent') throw error;
          const { DocumentVersion } = await client.send(
            new GetDocumentCommand({ Name: name, DocumentVersion: '$LATEST' }),
          );
          return DocumentVersion ?? '$LATEST';
        }
      };
      await calling(`update document ${name}`, async () =>
        client.send(new UpdateDocumentDefaultVersionCommand({ Name: name, DocumentVersion: await make() })),
      );
    },

    /**
     * Runs a document without parameters on one instance. Resolves when SSM has taken it, not when it has been done.
     * @returns the command's id
     */
    run: async (document: string, instanceId: string, signal?: AbortSignal): Promise<string> =>
      calling(`run ${document} on ${instanceId}`, async () => {
        const { Command } = await client.send(
          new SendCommandCommand({ DocumentName: document, InstanceIds: [instanceId] }),
          endingWith(signal),
        );
        return Command?.CommandId ?? '';
      }),

    /** What became of a command on one instance. */
    commandStatus: async (commandId: string, instanceId: string): Promise<'under way' | 'done' | 'failed'> =>
      calling(`look at command ${commandId}`, async () => {
        const { Status = 'Pending' } = await client.send(
          new GetCommandInvocationCommand({ CommandId: commandId, InstanceId: instanceId }),
        );
        if (Status === 'Success') return 'done';
        return ['Pending', 'InProgress', 'Delayed'].includes(Status) ? 'under way' : 'failed';
      }),

    removeDocument: async (name: string): Promise<void> => {
      try {
        await client.send(new DeleteDocumentCommand({ Name: name }));
      } catch (error) {
        if (codeOf(error) !== 'InvalidDocument') throw cloudError(`delete document ${name}`, error);
      }
    },

    close: () => client.destroy(),
  };
};
