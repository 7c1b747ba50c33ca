import { DescribeInstancesCommand, type Instance, type RunInstancesCommandInput } from '@aws-sdk/client-ec2';
import { expect } from 'vitest';
import type { Stage } from './stage.ts';

/** What the endpoint tells of one instance. */
export const instanceOf = async ({ ec2 }: Stage, id: string): Promise<Instance | undefined> => {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  return Reservations?.[0]?.Instances?.[0];
};

/** Waits until an instance is in `state`. @returns it as it is then */
export const untilState = (stage: Stage, id: string, state: string): Promise<Instance | undefined> =>
  stage.eventually(async () => {
    const instance = await instanceOf(stage, id);
    expect(instance?.State?.Name).toBe(state);
    return instance;
  });

/** Launches an instance and waits until it runs. @returns its id */
export const runningInstance = async (
  stage: Stage,
  input: Partial<RunInstancesCommandInput> = {},
): Promise<string> => {
  const [launched] = await stage.launch(input);
  const id = launched?.InstanceId ?? '';
  await untilState(stage, id, 'running');
  return id;
};
