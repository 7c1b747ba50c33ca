import { request } from 'undici';
import type { Clock } from '../clock.ts';

const attempts = 60;
const pauseMs = 1_000;
const answerWithinMs = 5_000;

/** From this machine itself, whatever address the web tier listens on. */
const healthUrl = (url: string): string => {
  const at = new URL('healthz', url);
  if (at.hostname === '0.0.0.0') at.hostname = '127.0.0.1';
  return at.href;
};

/** Asks the web tier of this machine for its health until it is well, for a minute. @returns whether it was */
export const answersHealthily = async (url: string, clock: Clock, signal: AbortSignal): Promise<boolean> => {
  for (let attempt = 0; attempt < attempts && !signal.aborted; attempt++) {
    try {
      const { statusCode, body } = await request(healthUrl(url), {
        headersTimeout: answerWithinMs,
        bodyTimeout: answerWithinMs,
      });
      await body.dump();
      if (statusCode === 200) return true;
    } catch {
      // Not yet.
    }
    await clock.sleep(pauseMs, signal);
  }
  return false;
};
