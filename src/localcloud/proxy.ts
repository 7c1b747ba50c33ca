import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as openRequest,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, systemClock } from '../clock.ts';
import { ImgrecError } from '../errors.ts';
import { type Answer, bodyLength, headerOf, type Refusal, wholeBody } from './answer.ts';
import { type CallReport, createCallCounter } from './calls.ts';
import { carryOut, sendDamaged } from './faults/carry-out.ts';
import { createDeliveries } from './faults/deliveries.ts';
import { createFaultEngine } from './faults/engine.ts';
import { type FaultCounts, type FaultPlan, isLaunchRule } from './faults.ts';
import { operationOf } from './operation.ts';
import { refuseS3 } from './s3/refuse.ts';
import { parseAuthorization } from './sigv4.ts';
import { refuseSqs } from './sqs/errors.ts';

export interface FaultProxyOptions {
  /** Where requests go: `http://127.0.0.1:4566`. */
  readonly target: string;
  readonly plan?: FaultPlan;
  readonly clock?: Clock;
  /** Gets a line for each injection. */
  readonly log?: (line: object) => void;
}

/** An endpoint on loopback that misbehaves as its plan says and else is the one behind it, byte for byte. */
export interface FaultProxy {
  readonly endpoint: string;
  set(plan: FaultPlan | undefined): void;
  report(): (FaultPlan & FaultCounts) | undefined;
  calls(): CallReport;
  close(): Promise<void>;
}

/** They are about one connection and not passed on: https://www.rfc-editor.org/rfc/rfc9110#name-connection */
const hopHeaders = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);

const readWhole = async (message: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

const serviceOf = (request: IncomingMessage): string => {
  const named = parseAuthorization(request.headers.authorization)?.service;
  if (named !== undefined) return named;
  const target = headerOf(request.headers, 'x-amz-target');
  if (target === undefined) return 's3';
  return target.startsWith('AmazonSSM.') ? 'ssm' : 'sqs';
};

/**
 * Starts a proxy before any endpoint of the AWS protocols, on a free port of 127.0.0.1. Requests are read whole and passed on
 * with the headers they came with, `Host` included, so that signatures hold; the operation is told by what the request says.
 */
export const startFaultProxy = async (options: FaultProxyOptions): Promise<FaultProxy> => {
  const { clock = systemClock, log = () => {} } = options;
  const target = new URL(options.target);
  const agent = new Agent({ keepAlive: true });
  const faults = createFaultEngine({ clock, log });
  const calls = createCallCounter();
  const deliveries = createDeliveries();
  let requests = 0;

  /** Rejects when the endpoint does not answer. */
  const forward = async (request: IncomingMessage, body: Buffer): Promise<IncomingMessage> => {
    const upstream = openRequest({
      agent,
      host: target.hostname,
      port: target.port,
      method: request.method,
      path: request.url,
      headers: request.rawHeaders,
    });
    upstream.end(body);
    const [response] = (await once(upstream, 'response')) as [IncomingMessage];
    return response;
  };

  const readAnswer = async (response: IncomingMessage): Promise<Answer> => {
    const headers: Record<string, string> = {};
    for (const name in response.headers)
      if (!hopHeaders.has(name)) headers[name] = headerOf(response.headers, name) ?? '';
    return { status: response.statusCode ?? 502, headers, body: await readWhole(response) };
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '/', headers } = request;
    const body = await readWhole(request);
    const [path = '', query = ''] = url.split('?', 2);
    const service = serviceOf(request);
    const operation = operationOf(service, { method, path, query, headers }, () => body.toString('latin1'));
    const requestId = `P${++requests}`;
    calls.count(operation);
    const injection = faults.next(operation, requestId, () => path);
    if (!injection) {
      const upstream = await forward(request, body);
      response.writeHead(upstream.statusCode ?? 502, upstream.rawHeaders);
      if (operation === 'sqs:ReceiveMessage') {
        const answer = await readWhole(upstream);
        deliveries.note(answer);
        response.end(answer);
      } else upstream.pipe(response);
      return;
    }
    const perform = async (): Promise<Answer> => {
      const answer = await readAnswer(await forward(request, body));
      if (operation === 'sqs:ReceiveMessage') deliveries.note(wholeBody(answer.body));
      return answer;
    };
    const refuse = (refusal: Refusal): Answer =>
      service === 's3' ? refuseS3(refusal, { method, path }, requestId) : refuseSqs(refusal);
    const exchange = {
      service,
      operation,
      body: service === 's3' ? '' : body.toString('utf8'),
      response,
      perform,
      canRewrite: false,
      refuse,
      deliveriesOf: deliveries.of,
    };
    const delivery = await carryOut(injection, exchange, faults, clock);
    if (!delivery || response.destroyed) return;
    const { answer } = delivery;
    if (delivery.how !== 'whole') sendDamaged(response, delivery, answer.headers, clock);
    else {
      // The answer to HEAD has the length of a body that is not there.
      const length = method === 'HEAD' ? {} : { 'content-length': bodyLength(answer.body) };
      response.writeHead(answer.status, { ...answer.headers, ...length });
      response.end(wholeBody(answer.body));
    }
  };

  const server = createServer((request, response) => {
    // An endpoint that does not answer, or a client that has gone: there is nobody to tell.
    serve(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const set = (plan: FaultPlan | undefined): void => {
    const inside = plan?.rules.find((rule) => rule.fault === 'lag' || isLaunchRule(rule));
    if (inside)
      throw new ImgrecError(`the fault "${inside.fault}" happens inside a cloud, not before one`, {
        hint: 'give it to the local cloud',
      });
    faults.set(plan);
  };
  set(options.plan);
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set,
    report: faults.report,
    calls: calls.report,
    close: async () => {
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await once(server, 'close');
    },
  };
};
