import { usageError } from '../errors.ts';
import { type PolicyName, policyNames } from './policy.ts';

/** A policy as it is asked for: `balanced`, `keda:1`, `fixed:3`. */
export interface ChosenPolicy {
  readonly label: string;
  readonly policy: PolicyName;
  readonly parameter?: number;
}

/** What the number after the colon means. */
const parameters: Readonly<Partial<Record<PolicyName, string>>> = {
  keda: 'messages a worker',
  'target-tracking': 'seconds that a message may wait',
  fixed: 'workers',
};

const chosen = (label: string): ChosenPolicy => {
  const [name = '', parameter] = label.split(':');
  const policy = policyNames.find((known) => known === name);
  if (policy === undefined)
    throw usageError(`--policy "${name}" is none of ${policyNames.join(', ')}`, 'or all, for a simulation');
  if (parameter === undefined) return { label, policy };
  if (parameters[policy] === undefined)
    throw usageError(
      `--policy ${policy} takes no number`,
      Object.entries(parameters)
        .map(([known, meaning]) => `${known}:N has one (${meaning})`)
        .join(', '),
    );
  return { label, policy, parameter: Number(parameter) };
};

/**
 * The policies that a list such as `balanced,keda:1` names; `all` are all of them.
 * @throws ImgrecError (exit 64) for unknown names, and numbers where none is taken
 */
export const choosePolicies = (list: string): readonly ChosenPolicy[] =>
  (list === 'all' ? [...policyNames] : list.split(',')).map((label) => chosen(label.trim()));
