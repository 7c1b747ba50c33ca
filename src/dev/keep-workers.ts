import path from 'node:path';
import type { Ec2, FoundInstance } from '../aws/ec2.ts';
import type { ClusterNames } from '../aws/names.ts';
import type { Clock } from '../clock.ts';
import { ImgrecError, messageOf } from '../errors.ts';
import { launchWorker, liveWorkers } from '../fleet/launch.ts';
import { publicImages } from '../localcloud/public-images.ts';
import { type BackoffLimits, backoffMs } from '../retry.ts';

export interface KeepWorkersOptions {
  readonly ec2: Ec2;
  readonly names: ClusterNames;
  readonly installId: string;
  readonly workers: number;
  readonly graceSeconds: number;
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

const watchIntervalMs = 1_000;
const launchBackoff: BackoffLimits = { floorMs: 200, ceilingMs: 20_000 };
/** Starts in a row that failed before the first worker ran: more of the same will not help. */
const hopelessStarts = 3;

/** On the local cloud an image and a type are names without meaning, but they have to exist. */
const localMachine = { imageId: publicImages[0]?.id ?? '', instanceType: 'c7a.medium' };

/**
 * Keeps the wanted number of worker instances until `signal` aborts: launches through the EC2 API what is missing, later and
 * later while they end before they are ready.
 * `ready` resolves when one runs (at once when none is wanted) and rejects when none starts; `ended` never rejects.
 */
export const keepWorkers = (
  options: KeepWorkersOptions,
): { readonly ready: Promise<void>; readonly ended: Promise<void> } => {
  const { ec2, names, installId, workers, graceSeconds, clock, say, signal } = options;
  let settle: { resolve(): void; reject(error: unknown): void } = { resolve: () => {}, reject: () => {} };
  const ready = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Whoever does not ask is not told.
  ready.catch(() => {});
  if (workers === 0) settle.resolve();

  const known = new Map<string, FoundInstance['state']>();
  let failedStarts = 0;
  let launchAtMs = 0;
  let trouble = '';

  /** Compares what lives now with what lived before. */
  const observe = (live: readonly FoundInstance[]): void => {
    const alive = new Map(live.map(({ id, state }) => [id, state]));
    for (const [id, state] of known) {
      if (alive.has(id)) continue;
      const logFile = path.join(options.stateFolder, 'instances', `${id}.log`);
      if (state === 'running') {
        say(`worker ${id} ended unexpectedly; launching another (its log: ${logFile})`);
        continue;
      }
      launchAtMs = clock.monotonicMs() + backoffMs(++failedStarts, launchBackoff);
      say(`worker ${id} ended before it was ready (its log: ${logFile})`);
      if (failedStarts >= hopelessStarts)
        settle.reject(new ImgrecError('no worker starts', { hint: `see the log of the last: ${logFile}` }));
    }
    known.clear();
    for (const [id, state] of alive) known.set(id, state);
    if (![...alive.values()].includes('running')) return;
    failedStarts = 0;
    settle.resolve();
  };

  const look = async (): Promise<void> => {
    const live = await liveWorkers(ec2, names);
    observe(live);
    if (clock.monotonicMs() < launchAtMs) return;
    for (let missing = workers - live.length; missing > 0 && !signal.aborted; missing--) {
      const { id, state } = await launchWorker(ec2, { names, installId, graceSeconds, ...localMachine });
      known.set(id, state);
    }
  };

  const watch = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await look();
        trouble = '';
      } catch (error) {
        // Said once, not every second for as long as the local cloud is being started again.
        if (!signal.aborted && trouble === '') say(`workers cannot be launched: ${messageOf(error)}`);
        trouble = messageOf(error);
        // After a restart the local cloud knows none of them: they ended with the one before.
        known.clear();
      }
      await clock.sleep(watchIntervalMs, signal);
    }
  };
  return { ready, ended: watch() };
};
