import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import type { Parameters } from '../query.ts';
import type { QueryOperations } from '../query-service.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import type { XmlElement } from '../xml.ts';
import { checkIdentityPolicy } from './documents.ts';
import { alreadyExists, nameOf, noSuchEntity, pathOf, required, uniqueId } from './names.ts';
import { readTags, type Tags, tagsXml } from './tags.ts';

interface Policy {
  readonly name: string;
  readonly path: string;
  readonly id: string;
  readonly arn: string;
  readonly createdMs: number;
  readonly text: string;
  readonly tags: Tags;
}

export interface Policies {
  readonly operations: QueryOperations;
  /** Throws NoSuchEntity unless there is such a policy to attach. */
  readonly check: (arn: string) => void;
}

/** Of AWS's own managed policies, those that a machine of this kind of cluster is given. */
const managed = [
  'AdministratorAccess',
  'AmazonSSMManagedEC2InstanceDefaultPolicy',
  'AmazonSSMManagedInstanceCore',
  'CloudWatchAgentServerPolicy',
  'PowerUserAccess',
  'ReadOnlyAccess',
].map((name) => `arn:aws:iam::aws:policy/${name}`);

/** Managed policies: an account's own, as permissions boundaries are, and some of AWS's. */
export const createPolicies = (options: {
  readonly shelves: Shelves;
  readonly clock: Clock;
  readonly account: string;
}): Policies => {
  const policies: Shelf<Policy> = options.shelves.open('iam.policy');

  const find = (parameters: Parameters): Policy => {
    const arn = required(parameters, 'PolicyArn');
    const policy = policies.get(arn);
    if (!policy) throw noSuchEntity(`Policy ${arn}`);
    return policy;
  };

  const xml = (policy: Policy): XmlElement => ({
    PolicyName: policy.name,
    PolicyId: policy.id,
    Arn: policy.arn,
    Path: policy.path,
    DefaultVersionId: 'v1',
    CreateDate: new Date(policy.createdMs).toISOString(),
    Tags: tagsXml(policy.tags),
  });

  return {
    check: (arn) => {
      if (!managed.includes(arn) && !policies.get(arn))
        throw new Refusal('NoSuchEntity', `Policy ${arn} does not exist or is not attachable.`, 404);
    },
    operations: {
      CreatePolicy: (parameters) => {
        const name = nameOf(parameters, 'PolicyName', 128);
        const path = pathOf(parameters);
        const text = required(parameters, 'PolicyDocument');
        checkIdentityPolicy(text);
        const arn = `arn:aws:iam::${options.account}:policy${path}${name}`;
        if (policies.get(arn)) throw alreadyExists(`A policy called ${name}`);
        const createdMs = options.clock.wallMs();
        const policy = { name, path, id: uniqueId('ANPA'), arn, createdMs, text, tags: readTags(parameters) };
        policies.put(arn, policy);
        return { Policy: xml(policy) };
      },
      GetPolicy: (parameters) => ({ Policy: xml(find(parameters)) }),
      DeletePolicy: (parameters) => {
        policies.remove(find(parameters).arn);
        return undefined;
      },
    },
  };
};
