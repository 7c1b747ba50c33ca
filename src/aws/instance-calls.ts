import {
  type DescribeInstancesCommandInput,
  type EC2Client,
  type Instance,
  paginateDescribeInstances,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { endingWith } from './connection.ts';
import { cloudError, codeOf } from './errors.ts';

/** Those on every page of EC2's answer. Throws the SDK's own errors. */
export const describeInstances = async (
  client: EC2Client,
  input: DescribeInstancesCommandInput,
): Promise<readonly Instance[]> => {
  const instances: Instance[] = [];
  for await (const { Reservations = [] } of paginateDescribeInstances({ client }, input))
    instances.push(...Reservations.flatMap(({ Instances = [] }) => Instances));
  return instances;
};

/**
 * Runs a call about one instance; one that is gone is no error. One id a call: with one unknown id EC2 does nothing to any.
 * Throws CloudError.
 */
export const unlessGone = async (operation: string, call: () => Promise<unknown>): Promise<void> => {
  try {
    await call();
  } catch (error) {
    if (codeOf(error) !== 'InvalidInstanceID.NotFound') throw cloudError(operation, error);
  }
};

/** One that is gone is no error. Throws CloudError. */
export const terminateInstance = (client: EC2Client, id: string, signal?: AbortSignal): Promise<void> =>
  unlessGone(`terminate ${id}`, () =>
    client.send(new TerminateInstancesCommand({ InstanceIds: [id] }), endingWith(signal)),
  );
