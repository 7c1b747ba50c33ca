import { isIPv4 } from 'node:net';
import { ImgrecError } from '../errors.ts';
import type { Connection } from './connection.ts';

/** Amazon's own "who am I": https://checkip.amazonaws.com */
const service = 'https://checkip.amazonaws.com/';
const limitMs = 5_000;

/**
 * The network that this machine's calls come from, as a CIDR of one address: as AWS sees it, or loopback where the calls go to
 * an endpoint of our own.
 * @throws ImgrecError when it cannot be found out
 */
export const callerNetwork = async (
  { endpoint, pathStyle }: Pick<Connection, 'endpoint' | 'pathStyle'>,
  ask: typeof fetch = fetch,
): Promise<string> => {
  if (endpoint !== undefined || pathStyle) return '127.0.0.1/32';
  try {
    const address = (await (await ask(service, { signal: AbortSignal.timeout(limitMs) })).text()).trim();
    if (!isIPv4(address)) throw new Error(`${service} answered ${address.slice(0, 40)}`);
    return `${address}/32`;
  } catch (cause) {
    throw new ImgrecError('it cannot be found out from which address you call', {
      hint: 'say who may reach the web tier: --allow-from 203.0.113.0/24',
      cause,
    });
  }
};
