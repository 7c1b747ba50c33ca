import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { exitCodes, ImgrecError } from '../errors.ts';
import { type Connection, clientConfig } from './connection.ts';
import { calling } from './errors.ts';

export interface Identity {
  readonly account: string;
  readonly arn: string;
  readonly region: string;
}

/**
 * Who is calling, and in which region.
 * @throws CloudError when the credentials are refused or STS cannot be reached; ImgrecError (exit 64) without a region.
 */
export const identify = async (connection: Connection): Promise<Identity> => {
  const client = new STSClient(clientConfig(connection));
  try {
    let region: string;
    try {
      region = await client.config.region();
    } catch (cause) {
      throw new ImgrecError('no AWS region is set', {
        hint: 'give --region, set AWS_REGION, or use --local for the local cloud',
        exitCode: exitCodes.usage,
        cause,
      });
    }
    const { Account, Arn } = await calling('find out the AWS account', () =>
      client.send(new GetCallerIdentityCommand({})),
    );
    if (Account === undefined)
      throw new ImgrecError('STS did not say which account this is', { exitCode: exitCodes.cloud });
    return { account: Account, arn: Arn ?? '', region };
  } finally {
    client.destroy();
  }
};
