import { tagKeys } from '../aws/names.ts';
import { ImgrecError } from '../errors.ts';
import type { Provisioner } from './provision.ts';

const pollMs = 3_000;
/** A boot takes a minute or two; a first one fetches 100 MB besides. */
const withinMs = 10 * 60_000;

const answers = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(pollMs) })).ok;
  } catch {
    return false;
  }
};

/**
 * Waits until every address of the web tier answers that it is healthy.
 * @throws ImgrecError when one does not within ten minutes, or there is none
 */
export const untilHealthy = async (
  { clouds, circumstances }: Pick<Provisioner, 'clouds' | 'circumstances'>,
  port: number,
): Promise<void> => {
  const { names, ec2 } = clouds;
  const { clock, signal, say } = circumstances;
  const addresses = await ec2.addresses.find({ [tagKeys.cluster]: names.cluster, [tagKeys.role]: 'web' });
  if (addresses.length === 0)
    throw new ImgrecError('there is no web instance with an address to wait for', {
      hint: 'leave --wait out, or ask for --web-instances 1',
    });
  const deadlineMs = clock.monotonicMs() + withinMs;
  for (const { ip } of addresses) {
    const url = `http://${ip}:${port}/healthz`;
    say(`waiting for ${url}`);
    while (!(await answers(url))) {
      if (signal.aborted) throw new ImgrecError('interrupted before the web tier was healthy');
      if (clock.monotonicMs() > deadlineMs)
        throw new ImgrecError(`${url} does not answer after ${withinMs / 60_000} minutes`, {
          hint: 'see fleet/<instance>.json in the ops bucket: it says why an instance did not come up',
        });
      await clock.sleep(pollMs, signal);
    }
  }
};
