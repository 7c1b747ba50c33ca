import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Instance } from './instances.ts';
import { type StartMachine, startingLater } from './machine.ts';

const maxTtlSeconds = 21_600;
const second = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');

/** What the metadata service tells at a path: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html */
const documentsOf = (instance: Instance, account: string): Readonly<Record<string, string | undefined>> => {
  const { interruptionMs } = instance;
  const time = interruptionMs === undefined ? undefined : second(interruptionMs);
  const region = instance.zone.slice(0, -1);
  return {
    '/latest/meta-data/ami-id': instance.imageId,
    '/latest/meta-data/instance-id': instance.id,
    '/latest/meta-data/instance-life-cycle': instance.market,
    '/latest/meta-data/instance-type': instance.instanceType,
    '/latest/meta-data/local-ipv4': '127.0.0.1',
    '/latest/meta-data/placement/availability-zone': instance.zone,
    '/latest/meta-data/placement/region': region,
    '/latest/meta-data/public-ipv4': '127.0.0.1',
    '/latest/meta-data/spot/instance-action': time && JSON.stringify({ action: 'terminate', time }),
    '/latest/meta-data/spot/termination-time': time,
    '/latest/dynamic/instance-identity/document': JSON.stringify({
      accountId: account,
      availabilityZone: instance.zone,
      imageId: instance.imageId,
      instanceId: instance.id,
      instanceType: instance.instanceType,
      privateIp: '127.0.0.1',
      region,
    }),
  };
};

/** How a metadata service answers, version 2 only: without a token it tells nothing. */
export const createMetadataHandler = (options: {
  readonly instance: () => Instance | undefined;
  readonly account: string;
  readonly clock: Clock;
}) => {
  const tokens = new Map<string, number>();
  const nowMs = options.clock.monotonicMs;

  const issue = (ttl: string | string[] | undefined): string | undefined => {
    const seconds = Number(ttl);
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > maxTtlSeconds) return undefined;
    for (const [token, untilMs] of tokens) if (untilMs <= nowMs()) tokens.delete(token);
    const token = randomBytes(32).toString('base64');
    tokens.set(token, nowMs() + seconds * 1000);
    return token;
  };

  return (request: IncomingMessage, response: ServerResponse): void => {
    const answer = (status: number, text = ''): void => {
      response.writeHead(status, { 'content-type': 'text/plain' }).end(text);
    };
    const path = request.url ?? '/';
    if (request.method === 'PUT' && path === '/latest/api/token') {
      const token = issue(request.headers['x-aws-ec2-metadata-token-ttl-seconds']);
      answer(token === undefined ? 400 : 200, token);
      return;
    }
    const untilMs = tokens.get(String(request.headers['x-aws-ec2-metadata-token']));
    if (untilMs === undefined || untilMs <= nowMs()) {
      answer(401);
      return;
    }
    const instance = options.instance();
    const documents = instance ? documentsOf(instance, options.account) : {};
    const text = Object.hasOwn(documents, path) ? documents[path] : undefined;
    answer(text === undefined ? 404 : 200, text);
  };
};

/**
 * Gives every instance a metadata service of its own on a port of loopback, as each has one at 169.254.169.254 on EC2: a
 * request tells who asks by nothing else.
 */
export const createMetadata = (options: {
  readonly get: (id: string) => Instance | undefined;
  readonly account: string;
  readonly clock: Clock;
  readonly log: (line: object) => void;
}) => {
  const servers = new Map<string, Server>();

  const open = async (id: string): Promise<void> => {
    const handler = createMetadataHandler({ ...options, instance: () => options.get(id) });
    const server = createServer(handler);
    try {
      await once(server.listen(0, '127.0.0.1'), 'listening');
      server.unref();
      servers.set(id, server);
    } catch (error) {
      options.log({ event: 'no-metadata', id, error: messageOf(error) });
    }
  };

  const close = (id: string): void => {
    const server = servers.get(id);
    servers.delete(id);
    server?.close();
    server?.closeAllConnections();
  };

  return {
    /** The machine starts when its metadata can be asked for, which is at once. */
    around:
      (start: StartMachine): StartMachine =>
      (id, userData, events) =>
        startingLater(start, () => open(id), false)(id, userData, {
          ...events,
          onEnd: (how) => {
            close(id);
            events.onEnd(how);
          },
        }),
    /** What tells an instance's program where its metadata is. */
    environmentOf: (id: string): Readonly<Record<string, string>> => {
      const server = servers.get(id);
      return server
        ? {
            AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          }
        : // It must not look for one on whatever network this machine is in.
          { AWS_EC2_METADATA_DISABLED: 'true' };
    },
  };
};
