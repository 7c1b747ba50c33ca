import { GetCommandInvocationCommand, SendCommandCommand, SSMClient } from '@aws-sdk/client-ssm';
import { type Connection, clientConfig } from './connection.ts';
import { calling, cloudError, codeOf } from './errors.ts';

export type RunCommand = ReturnType<typeof createRunCommand>;

/** Shell commands on instances, through their SSM agent. All throw CloudError. */
export const createRunCommand = (connection: Connection) => {
  const client = new SSMClient(clientConfig(connection));
  return {
    /** @returns the command's id; undefined while the instance's agent has not registered */
    send: async (instanceId: string, commands: readonly string[]): Promise<string | undefined> => {
      try {
        const { Command } = await client.send(
          new SendCommandCommand({
            InstanceIds: [instanceId],
            DocumentName: 'AWS-RunShellScript',
            Parameters: { commands: [...commands] },
          }),
        );
        return Command?.CommandId;
      } catch (error) {
        if (codeOf(error) === 'InvalidInstanceId') return undefined;
        throw cloudError(`run a command on ${instanceId}`, error);
      }
    },

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
