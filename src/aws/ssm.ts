import {
  DeleteParameterCommand,
  GetParameterCommand,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { type Connection, clientConfig } from './connection.ts';
import { calling, cloudError, codeOf } from './errors.ts';

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
    put: async (name: string, value: string): Promise<void> => {
      await calling(`write parameter ${name}`, () =>
        client.send(new PutParameterCommand({ Name: name, Value: value, Type: 'String', Overwrite: true })),
      );
    },
    remove: async (name: string): Promise<void> => {
      try {
        await client.send(new DeleteParameterCommand({ Name: name }));
      } catch (error) {
        if (codeOf(error) !== 'ParameterNotFound') throw cloudError(`delete parameter ${name}`, error);
      }
    },
    close: () => client.destroy(),
  };
};
