import { setMaxListeners } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Cluster } from '../aws/cluster.ts';
import { aborted, type Clock, finishesWithin } from '../clock.ts';
import { exitCodes, ImgrecError } from '../errors.ts';
import type { ImageLimits } from '../image/inspect.ts';
import type { Log } from '../log.ts';
import type { ReplyForm } from './answers.ts';
import { createCounters } from './counters.ts';
import { createHealth } from './health.ts';
import type { Keyring } from './keyring.ts';
import { openOwnWire } from './own-wire.ts';
import { openSeedWire, type SeedQueues } from './seed-wire.ts';
import { createServer } from './server.ts';

export interface ServeOptions {
  readonly cluster: Cluster;
  readonly host: string;
  readonly port: number;
  readonly waitSeconds: number;
  readonly graceSeconds: number;
  readonly reply: ReplyForm;
  readonly topK: number;
  readonly transport: 'key' | 'inline';
  /** Speaks the course project's messages instead of this cluster's own, over queues and buckets that exist. */
  readonly seed?: SeedQueues;
  /** Whom to answer; everybody when absent. */
  readonly keyring?: Keyring | undefined;
  readonly limits: ImageLimits;
  /** At the most 10 s pass between two reports. */
  readonly reportIntervalSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly onReady: (port: number) => void;
}

/** Time to send what is left to say when the grace is over. */
const lastWordsMs = 1_000;

/** Why the port cannot be had, where that is known. */
const listenError = ({ host, port }: Pick<ServeOptions, 'host' | 'port'>, cause: unknown): unknown => {
  const { code = '' } = cause as NodeJS.ErrnoException;
  const ports: Readonly<Record<string, string>> = { EADDRINUSE: 'is taken', EACCES: 'may not be used' };
  const hosts = new Set(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN']);
  if (ports[code] !== undefined)
    return new ImgrecError(`port ${port} on ${host} ${ports[code]}`, {
      hint: 'choose another with --port',
      cause,
    });
  if (hosts.has(code))
    return new ImgrecError(`${host} is no address of this machine`, {
      hint: 'choose another with --host',
      exitCode: exitCodes.usage,
      cause,
    });
  return cause;
};

/**
 * Runs one web process until `signal` aborts: then it takes no more images, answers those it has, and deletes its reply queue.
 * @throws ImgrecError (exit 3) when the cluster is not provisioned, or a queue or bucket of the seed's is not there; (exit 1) when
 * the port is taken.
 */
export const serve = async (options: ServeOptions): Promise<void> => {
  const { clock, signal } = options;
  const counters = createCounters();
  const health = createHealth();
  const exchange = await (options.seed === undefined
    ? openOwnWire({ ...options, counters, health })
    : openSeedWire({ ...options, seed: options.seed, counters, health }));
  const giveUp = new AbortController();
  // One listener a request that waits.
  setMaxListeners(0, giveUp.signal);
  const app = await createServer({ ...options, exchange, counters, health, giveUp: giveUp.signal });

  try {
    await app.listen({ host: options.host, port: options.port });
    const { port } = app.server.address() as AddressInfo;
    options.onReady(port);
    await aborted(signal);
    // Closing waits for the requests that run; the grace bounds it.
    const closing = app.close();
    if (await finishesWithin(closing, options.graceSeconds * 1_000, clock)) return;
    giveUp.abort();
    if (await finishesWithin(closing, lastWordsMs, clock)) return;
    app.server.closeAllConnections();
  } catch (cause) {
    throw listenError(options, cause);
  } finally {
    await exchange.close();
  }
};
