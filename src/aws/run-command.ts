import { GetCommandInvocationCommand, SendCommandCommand, SSMClient } from '@aws-sdk/client-ssm';
import { type Connection, clientConfig } from './connection.ts';
import { calling, cloudError, codeOf } from './errors.ts';

export type RunCommand = ReturnType<typeof createRunCommand>;

/** Shell commands on instances, through their SSM agent. All throw CloudError. */
export const createRunCommand = (connection: Connection) => {
  const client = new SSMClient(clientConfig(connection));

  const send = async (
    instanceId: string,
    document: string,
    parameters: Record<string, string[]> | undefined,
  ): Promise<string | undefined> => {
    try {
      const { Command } = await client.send(
        new SendCommandCommand({
          InstanceIds: [instanceId],
          DocumentName: document,
          ...(parameters === undefined ? {} : { Parameters: parameters }),
        }),
      );
      return Command?.CommandId;
    } catch (error) {
      if (codeOf(error) === 'InvalidInstanceId') return undefined;
      throw cloudError(`run ${document} on ${instanceId}`, error);
    }
  };

  return {
    /** Runs a document without parameters. @returns the command's id; undefined where no agent answers (yet) */
    run: (instanceId: string, document: string) => send(instanceId, document, undefined),

    /** Runs lines of shell. @returns as `run` does */
    shell: (instanceId: string, commands: readonly string[]) =>
      send(instanceId, 'AWS-RunShellScript', { commands: [...commands] }),

    /** What became of it; a command that was just sent may not be known yet. */
    outcome: async (
      commandId: string,
      instanceId: string,
    ): Promise<{ readonly state: 'running' | 'succeeded' | 'failed'; readonly output: string }> =>
      calling(`read what became of a command on ${instanceId}`, async () => {
        try {
          const found = await client.send(
            new GetCommandInvocationCommand({ CommandId: commandId, InstanceId: instanceId }),
          );
          const output = `${found.StandardOutputContent ?? ''}${found.StandardErrorContent ?? ''}`.trim();
          if (found.Status === 'Success') return { state: 'succeeded', output };
          const isOver = !['Pending', 'InProgress', 'Delayed'].includes(found.Status ?? 'Pending');
          return { state: isOver ? 'failed' : 'running', output };
        } catch (error) {
          if (codeOf(error) === 'InvocationDoesNotExist') return { state: 'running', output: '' };
          throw error;
        }
      }),

    close: () => client.destroy(),
  };
};
