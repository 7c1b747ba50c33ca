import { type ApiKey, newApiKey, parseApiKeys, renderApiKeys, rotated } from '../api-keys.ts';
import type { ClusterNames } from '../aws/names.ts';
import type { Ssm } from '../aws/ssm.ts';
import { exitCodes, ImgrecError } from '../errors.ts';

/** What can be done with a cluster's API keys: `show` changes nothing, `rotate` adds one, `revoke` leaves only the newest. */
export const keyActions = ['show', 'rotate', 'revoke'] as const;
export type KeyAction = (typeof keyActions)[number];

const after = (action: KeyAction, keys: readonly [ApiKey, ...ApiKey[]]): readonly ApiKey[] => {
  switch (action) {
    case 'show':
      return keys;
    case 'rotate':
      return rotated(keys, newApiKey());
    case 'revoke':
      return [keys[0]];
  }
};

/**
 * Carries out an action, and tells the keys that hold then, the newest first.
 * @throws ImgrecError (exit 3) when the cluster has none, (exit 64) when somebody wrote something else there; CloudError
 */
export const manageApiKeys = async (
  { ssm, names }: { readonly ssm: Ssm; readonly names: Pick<ClusterNames, 'apiKeysParameter'> },
  action: KeyAction,
): Promise<readonly ApiKey[]> => {
  const { apiKeysParameter } = names;
  const text = await ssm.secret(apiKeysParameter);
  if (text === undefined)
    throw new ImgrecError(`parameter ${apiKeysParameter} does not exist: this cluster has no API keys`, {
      hint: 'run "imgrec provision --api-keys" to have the web tier ask for one',
      exitCode: exitCodes.cloud,
    });
  const keys = parseApiKeys(text, `parameter ${apiKeysParameter}`);
  const left = after(action, keys);
  if (action !== 'show') await ssm.putSecret(apiKeysParameter, renderApiKeys(left));
  return left;
};
