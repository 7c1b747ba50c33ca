import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.ts';
import { ImgrecError } from '../errors.ts';

const listen = async (server: Server, port: number): Promise<number> => {
  // Rejects with what the server emits instead.
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
};

/** Why a port cannot be had, where that is the error. */
const whyNot = (error: unknown): string | undefined => {
  const known: Readonly<Record<string, string>> = { EADDRINUSE: 'is in use', EACCES: 'may not be used' };
  return known[(error as NodeJS.ErrnoException).code ?? ''];
};

/**
 * A port below the range that systems take for outgoing connections (Linux 32768, macOS 49152): a client that keeps
 * connecting to a stopped cloud's port in that range can end up connected to itself and hold the port.
 */
const listenAnywhere = async (server: Server): Promise<number> => {
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      return await listen(server, randomInt(20_000, 32_768));
    } catch (error) {
      if (whyNot(error) === undefined) throw error;
    }
  }
  return listen(server, 0);
};

/** How long the port of last time may be taken: by whatever held it for a moment while this cloud was down. */
const patienceMs = 1_000;

/**
 * Listens on loopback: on the port that was asked for, or none; else on the one of last time, which clients know, and
 * where something else has that now, on a free one. Throws ImgrecError when the port asked for is taken.
 * @returns the port
 */
export const listenLocally = async (
  server: Server,
  ports: { readonly asked: number; readonly last: number },
  clock: Clock,
): Promise<number> => {
  const { asked, last } = ports;
  if (asked !== 0) {
    try {
      return await listen(server, asked);
    } catch (error) {
      const why = whyNot(error);
      if (why === undefined) throw error;
      const hint = 'stop what uses it, or choose another with --port';
      throw new ImgrecError(`the local cloud's port ${asked} ${why}`, { hint, cause: error });
    }
  }
  const sinceMs = clock.monotonicMs();
  while (last !== 0) {
    try {
      return await listen(server, last);
    } catch (error) {
      if (whyNot(error) === undefined) throw error;
      if (clock.monotonicMs() - sinceMs >= patienceMs) break;
      await clock.sleep(100);
    }
  }
  return listenAnywhere(server);
};
