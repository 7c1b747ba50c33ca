import { messageOf } from '../errors.ts';
import { backoffMs } from '../retry.ts';
import { launchPart, type PartDetails, type PartOptions } from './part.ts';

/** A part that is started again whenever it ends although nobody stopped it. */
export interface SupervisedPart {
  /** Of its first start. */
  readonly ready: Promise<PartDetails>;
  /** Asks it to stop, kills it when it has not ended after `graceMs`, and resolves when it has. */
  stop(graceMs: number): Promise<void>;
}

export interface SuperviseOptions extends PartOptions {
  /** Arguments of further starts, when they depend on what came of the first: a port that was any free one must stay the same. */
  readonly argsAgain?: (details: PartDetails) => readonly string[];
  readonly say: (line: string) => void;
}

/** A part that ran for this long was well: its next failure is not counted with those before. */
const wellAfterMs = 60_000;

/** Starts a part, and starts it again, with back-off, once it was ready. A part that never was is not started again. */
export const supervise = (options: SuperviseOptions): SupervisedPart => {
  const { name, clock, say, logFolder } = options;
  const stopping = new AbortController();
  let current = launchPart(options);
  const { ready } = current;

  const watch = async (): Promise<void> => {
    const details = await ready;
    const args = options.argsAgain?.(details) ?? options.args;
    let startedAtMs = clock.monotonicMs();
    for (let failures = 0; ; ) {
      await current.ended;
      if (stopping.signal.aborted) return;
      failures = clock.monotonicMs() - startedAtMs > wellAfterMs ? 1 : failures + 1;
      say(`${name} ended unexpectedly; starting it again (logs: ${logFolder})`);
      await clock.sleep(backoffMs(failures), stopping.signal);
      if (stopping.signal.aborted) return;
      startedAtMs = clock.monotonicMs();
      current = launchPart({ ...options, args });
      current.ready.then(
        () => say(`${name} runs again`),
        (error: unknown) => {
          if (!stopping.signal.aborted) say(messageOf(error));
        },
      );
    }
  };
  const watching = watch().catch(() => {});

  return {
    ready,
    stop: async (graceMs) => {
      stopping.abort();
      await current.stop(graceMs);
      await watching;
    },
  };
};
