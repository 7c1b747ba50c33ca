import { type Cluster, openCluster } from '../src/aws/cluster.ts';
import type { Connection } from '../src/aws/connection.ts';
import { backoffAfter, CloudError } from '../src/aws/errors.ts';
import { systemClock } from '../src/clock.ts';
import type { Settings } from '../src/config/settings.ts';
import { createLog, type Log } from '../src/log.ts';
import { backoffMs } from '../src/retry.ts';
import type { CommandContext } from './command.ts';

/** The log of a service, on stderr. */
export const serviceLog = (
  { quiet, verbose }: Pick<Settings, 'quiet' | 'verbose'>,
  { stderr }: Pick<CommandContext, 'stderr'>,
): Log => createLog({ stderr, quiet, verbose });

/**
 * Opens something in the cloud, and waits for a cloud that cannot be reached: a service may start before what it needs.
 * @returns undefined when `signal` aborted first
 * @throws CloudError (exit 3) when the cloud refuses
 */
export const waitFor = async <T>(
  open: () => Promise<T>,
  log: Log,
  signal: AbortSignal,
): Promise<T | undefined> => {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof CloudError) || !error.transient) throw error;
      log.warn({ error: error.message, hint: error.hint }, 'waiting for the cloud');
      await systemClock.sleep(backoffMs(failures, backoffAfter(error)), signal);
    }
  }
  return undefined;
};

/** Opens the cluster, and waits for it as `waitFor` does. */
export const waitForCluster = (
  connection: Connection,
  log: Log,
  signal: AbortSignal,
): Promise<Cluster | undefined> => waitFor(() => openCluster(connection), log, signal);
