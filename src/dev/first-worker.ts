import path from 'node:path';
import type { Connection } from '../aws/connection.ts';
import type { Clock } from '../clock.ts';
import { ImgrecError } from '../errors.ts';
import { createLog } from '../log.ts';
import { hopelessBoots } from '../scaling/boots.ts';
import { runs } from '../scaling/loop.ts';
import { openScaler, type ScaleChoices } from '../scaling/open.ts';
import type { Plan } from '../scaling/plan.ts';

export interface FirstWorkerOptions {
  readonly connection: Connection;
  readonly choices: ScaleChoices;
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

const everyMs = 200;

/** The log of an instance of the local cloud. */
const instanceLog = (stateFolder: string, id: string): string =>
  path.join(stateFolder, 'instances', `${id}.log`);

/** Says which workers have ended although nobody sent them away, and where to look. */
export const sayLost = (lost: Plan['lost'], stateFolder: string, say: (line: string) => void): void => {
  for (const { id, wasReady } of lost) {
    const how = wasReady ? 'unexpectedly; launching another' : 'before it was ready';
    say(`worker ${id} ended ${how} (its log: ${instanceLog(stateFolder, id)})`);
  }
};

/**
 * Scales in this process until the first worker is ready (where none has to be: once): a process for it would still be starting
 * when the first worker could already run. Resolves early when `signal` aborts.
 * @throws ImgrecError when three workers have ended before one was ready
 */
export const firstWorker = async (options: FirstWorkerOptions): Promise<void> => {
  const { connection, choices, stateFolder, clock, say, signal } = options;
  const log = createLog({ stderr: { write: () => true }, quiet: true, verbose: false });
  const scaler = await openScaler(connection, choices, { clock, log, takeOver: true });
  try {
    for await (const run of runs({ scaler, everyMs, forMs: undefined, clock, log, signal })) {
      if (run.kind !== 'decided') continue;
      const { memory, lost } = run.plan;
      sayLost(lost, stateFolder, say);
      const last = lost.at(-1);
      if (memory.failedBoots >= hopelessBoots && last !== undefined)
        throw new ImgrecError('no worker starts', {
          hint: `see the log of the last: ${instanceLog(stateFolder, last.id)}`,
        });
      if (choices.policy.min === 0 || (memory.standing?.ready ?? 0) > 0) return;
    }
  } finally {
    await scaler.close();
  }
};
