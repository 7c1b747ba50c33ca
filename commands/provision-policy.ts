import { connect } from '../src/aws/connection.ts';
import { clusterNames } from '../src/aws/names.ts';
import { identify } from '../src/aws/sts.ts';
import { usageError } from '../src/errors.ts';
import { policySubject } from '../src/provision/machines.ts';
import { operatorPolicy } from '../src/provision/operator-policy.ts';
import { scalerPolicy, webPolicy, workerPolicy } from '../src/provision/policies.ts';
import type { Command } from './command.ts';
import { machineChoicesOf } from './provision-choices.ts';

const builders = {
  web: webPolicy,
  worker: workerPolicy,
  scaler: scalerPolicy,
  operator: operatorPolicy,
} as const;

export const policyCommand: Command = {
  name: 'policy',
  summary: 'Print the IAM policy of a part: web, worker, scaler or operator',
  description:
    'Print an IAM policy for this cluster. web and worker are what "imgrec provision" gives its roles, scaler is for "imgrec scale" somewhere else, operator for whoever provisions.',
  operands: '<part>',
  settings: ['instanceTypes', 'rolePath', 'permissionsBoundary', 'apiKeys'],
  examples: [
    { does: 'what a worker may do', line: 'imgrec provision policy worker --local' },
    {
      does: "what an account's admin has to allow whoever provisions",
      line: 'imgrec provision policy operator --local --json',
    },
  ],
  run: async (settings, { operands: [part = ''], workingFolder }) => {
    if (!Object.hasOwn(builders, part))
      throw usageError(`there is no policy "${part}"`, `there are ${Object.keys(builders).join(', ')}`);
    const { account, region, arn } = await identify(connect(settings, workingFolder));
    const place = { account, region, partition: arn.split(':')[1] ?? 'aws' };
    const names = clusterNames(settings.cluster, account, region);
    const { apiKeys = false } = settings;
    const subject = policySubject({ names, place }, { ...machineChoicesOf(settings), apiKeys });
    const policy = builders[part as keyof typeof builders](subject);
    return { data: { schema: 'imgrec.policy/1', part, policy }, text: JSON.stringify(policy, null, 2) };
  },
};
