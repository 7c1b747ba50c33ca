import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Policy } from '../../src/provision/policy-parts.ts';
import type { IamRequest } from './requests.ts';

interface Simulated {
  readonly resultType: string;
  readonly overallResult?: string;
  readonly errors?: unknown;
}

type RunSimulation = (simulation: object, options: object) => Promise<Simulated>;

/**
 * KMS asks a key's own policy first: this one lets the account's policies decide. That of the key `aws/ssm` allows by itself whoever
 * comes through SSM, and would prove nothing here.
 */
const leavesItToIam = (account: string, key: string) => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'kms:*', Resource: key },
  ],
});

/** Policies name the part of the context (`kms:EncryptionContext:PARAMETER_ARN`); the simulator knows only what stands for all. */
const asTheSimulatorSays = <T>(value: T): T =>
  JSON.parse(
    JSON.stringify(value).replace(
      /kms:EncryptionContext:\w+/g,
      `kms:EncryptionContext:\${EncryptionContextKey}`,
    ),
  ) as T;

/** Loads the offline simulator of IAM from the folder where it was installed. It is AGPL: no part of imgrec, not even of its tests' code. */
export const openSimulator = async (folder: string) => {
  const found = createRequire(path.join(folder, 'package.json')).resolve('@cloud-copilot/iam-simulate');
  const { runSimulation } = (await import(pathToFileURL(found).href)) as { runSimulation: RunSimulation };
  return {
    /** Whether a role with this policy may do it. Throws when the simulator takes no such question. */
    allows: async (
      policy: Policy,
      { action, resource, context }: IamRequest,
      account: string,
    ): Promise<boolean> => {
      const outcome = await runSimulation(
        {
          request: {
            principal: `arn:aws:iam::${account}:role/imgrec/someone`,
            action,
            resource: { resource, accountId: account },
            contextVariables: asTheSimulatorSays(context),
          },
          ...(action.startsWith('kms:') ? { resourcePolicy: leavesItToIam(account, resource) } : {}),
          identityPolicies: [{ name: 'imgrec', policy: asTheSimulatorSays(policy) }],
          serviceControlPolicies: [],
          resourceControlPolicies: [],
        },
        {},
      );
      if (outcome.resultType === 'error')
        throw new Error(`${action} on ${resource}: ${JSON.stringify(outcome.errors)}`);
      return outcome.overallResult === 'Allowed';
    },
  };
};
