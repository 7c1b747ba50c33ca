import { CloudError } from '../aws/errors.ts';
import { isDead } from '../aws/machines.ts';
import { messageOf } from '../errors.ts';
import type { Clouds } from './clouds.ts';
import type { Circumstances } from './keepers/keeper.ts';

const pollMs = 1_000;
/** For the command to arrive and the machine to power off, beyond what the worker gets. */
const marginSeconds = 15;

/**
 * Tells a worker to finish what it has begun, and waits until its machine has ended itself. It never fails: what a worker could
 * not finish is delivered again, and the caller ends the machine in any case.
 */
export const drain = async (
  { ssm, ec2, names }: Pick<Clouds, 'ssm' | 'ec2' | 'names'>,
  instanceId: string,
  graceSeconds: number,
  { clock, signal, say }: Circumstances,
): Promise<void> => {
  const deadlineMs = clock.monotonicMs() + (graceSeconds + marginSeconds) * 1_000;
  let command: string;
  try {
    command = await ssm.run(names.drainDocument, instanceId);
  } catch (error) {
    say(`worker ${instanceId} cannot be told to drain: ${messageOf(error)}`);
    return;
  }
  /** Whether the worker was not reached; when that cannot be found out, the deadline decides. */
  const hasFailed = async (): Promise<boolean> => {
    try {
      return (await ssm.commandStatus(command, instanceId)) === 'failed';
    } catch (error) {
      if (error instanceof CloudError) return false;
      throw error;
    }
  };
  while (clock.monotonicMs() < deadlineMs && !signal.aborted) {
    const machine = await ec2.machines.get(instanceId);
    if (machine === undefined || isDead(machine)) return;
    if (await hasFailed()) {
      say(`worker ${instanceId} could not be told to drain`);
      return;
    }
    await clock.sleep(pollMs, signal);
  }
};
