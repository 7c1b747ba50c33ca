import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type ApiKey, parseApiKeys } from '../src/api-keys.ts';
import type { Connection } from '../src/aws/connection.ts';
import { clusterNames } from '../src/aws/names.ts';
import { createSsm } from '../src/aws/ssm.ts';
import type { Settings } from '../src/config/settings.ts';
import { exitCodes, ImgrecError, messageOf, usageError } from '../src/errors.ts';
import type { KeySource } from '../src/web/keyring.ts';

const readKeyFile = async (file: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw usageError(`cannot read --api-key-file ${file}: ${messageOf(cause)}`);
  }
};

/** Where `serve` finds the keys; undefined when it answers everybody. */
export const keySourceOf = (
  { apiKeyFile, apiKeys }: Pick<Settings, 'apiKeyFile' | 'apiKeys'>,
  connection: Connection,
  workingFolder: string,
): (KeySource & { close(): void }) | undefined => {
  if (apiKeyFile !== undefined) {
    const file = path.resolve(workingFolder, apiKeyFile);
    return { name: file, read: () => readKeyFile(file), close: () => {} };
  }
  if (apiKeys !== true) return undefined;
  const { apiKeysParameter } = clusterNames(connection.cluster, '', '');
  const ssm = createSsm(connection);
  return {
    name: `parameter ${apiKeysParameter}`,
    read: async () => {
      const text = await ssm.secret(apiKeysParameter);
      if (text === undefined)
        throw new ImgrecError(`parameter ${apiKeysParameter} does not exist`, {
          hint: 'run "imgrec provision --api-keys" first',
          exitCode: exitCodes.cloud,
        });
      return text;
    },
    close: ssm.close,
  };
};

/** The key that a client sends: the first of its file. @throws ImgrecError (exit 64) when it cannot be read or holds none */
export const firstKeyOf = async (
  { apiKeyFile }: Pick<Settings, 'apiKeyFile'>,
  workingFolder: string,
): Promise<ApiKey | undefined> => {
  if (apiKeyFile === undefined) return undefined;
  const file = path.resolve(workingFolder, apiKeyFile);
  const [first] = parseApiKeys(await readKeyFile(file), file);
  return first;
};
