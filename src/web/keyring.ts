import { keyCheck, parseApiKeys } from '../api-keys.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';

/** The API keys that hold now. */
export interface Keyring {
  /** Whose key that is; undefined when it is nobody's. */
  nameOf(presented: string): string | undefined;
}

/** Where the keys are kept. */
export interface KeySource {
  /** For messages: a file, or a parameter. */
  readonly name: string;
  read(): Promise<string>;
}

/** A key that was added or taken back holds or not after this time. */
export const rereadSeconds = 30;

/**
 * Reads the keys, and again every 30 s until `signal` aborts, so that keys change without a restart. When that fails, those that
 * it has go on to hold.
 * @throws ImgrecError (exit 64) when there is no key, or a line is none; what `read` throws. Only at the first reading.
 */
export const openKeyring = async (
  source: KeySource,
  { clock, log, signal }: { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal },
): Promise<Keyring> => {
  let text = await source.read();
  let check = keyCheck([]);
  const use = (next: string): readonly string[] => {
    const keys = parseApiKeys(next, source.name);
    check = keyCheck(keys);
    text = next;
    return keys.map(({ name }) => name);
  };
  use(text);

  const follow = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(rereadSeconds * 1_000, signal);
      if (signal.aborted) return;
      try {
        const next = await source.read();
        if (next !== text) log.info({ keys: use(next) }, 'the API keys have changed');
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'the API keys could not be read again; those from before hold');
      }
    }
  };
  void follow();
  return { nameOf: (presented) => check(presented) };
};
