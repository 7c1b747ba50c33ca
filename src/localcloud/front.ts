import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { adminPrefix } from './admin.ts';
import { type Answer, bodyLength, type Call, headerOf, Refusal, type Service } from './answer.ts';
import type { CallCounter } from './calls.ts';
import { bytesOf, type Chunks, joined } from './chunks.ts';
import { carryOut, type Delivery, sendDamaged } from './faults/carry-out.ts';
import type { FaultEngine } from './faults/engine.ts';
import { operationOf } from './operation.ts';
import { type Place, permissionsOf } from './permissions.ts';
import { parseAuthorization, sha256Hex, type Verifier } from './sigv4.ts';
import { receiveCountOf } from './sqs/handle.ts';

export interface FrontOptions extends Place {
  /** By the service name in a credential scope. */
  readonly services: Readonly<Record<string, Service>>;
  readonly verifier: Verifier;
  readonly calls: CallCounter;
  /** Gets a line for each call, with the permissions that it needs. */
  readonly callLog: ((line: object) => void) | undefined;
  readonly faults: FaultEngine;
  readonly clock: Clock;
  readonly log: (line: object) => void;
}

/** The whole body. Rejects with a Refusal when it is larger than `maxBytes` and with an Error when the client went away. */
const readBody = (request: IncomingMessage, maxBytes: number): Promise<Chunks> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let isOver = false;
    const tooLarge = (): void => {
      isOver = true;
      reject(new Refusal('EntityTooLarge', `The request body is larger than ${maxBytes} bytes.`, 413));
    };
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
      tooLarge();
      return;
    }
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) chunks.push(chunk);
      else if (!isOver) tooLarge();
    });
    request.on('end', () => {
      isOver = true;
      resolve(chunks);
    });
    request.on('error', reject);
    request.on('close', () => {
      // It also follows the end of every body, where an error that nobody sees would cost its stack trace.
      if (!isOver) reject(new Error('the client closed the connection'));
    });
  });

/** The service that words the refusal of a request that names none: by what only its protocol sends. */
const guessService = (request: IncomingMessage): string => {
  if (request.url?.startsWith(adminPrefix)) return 'admin';
  const target = headerOf(request.headers, 'x-amz-target');
  if (target !== undefined) return target.startsWith('AmazonSSM.') ? 'ssm' : 'sqs';
  return request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ? 'sts' : 's3';
};

/** Which queue or object a request is about, for the log. */
const targetOf = (path: string, body: Buffer): string =>
  path.length > 1 ? path : (/"QueueUrl":"[^"]*\/([^"/]+)"/.exec(body.toString('latin1'))?.[1] ?? path);

/** Aborts when the connection closes before its answer was sent. */
const closeSignal = (response: ServerResponse): AbortSignal => {
  const controller = new AbortController();
  if (response.destroyed) controller.abort();
  else
    response.once('close', () => {
      // 'close' also follows an answer that was sent, where an abort would only cost an exception object.
      if (!response.writableFinished) controller.abort();
    });
  return controller.signal;
};

/** What every request goes through: size, signature, the service of its credential scope, faults, and the answer's wording. */
export const createFront = (options: FrontOptions) => {
  const { services, verifier, calls, callLog, faults, clock, log } = options;
  let requests = 0;

  const answerTo = async (
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
  ): Promise<Delivery> => {
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    const method = request.method ?? 'GET';
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = mark < 0 ? '' : url.slice(mark + 1);
    const { headers } = request;
    const authorization = parseAuthorization(headers.authorization);
    const name = authorization?.service ?? guessService(request);
    const service = Object.hasOwn(services, name) ? services[name] : undefined;
    const wording = service ?? services['s3'];
    const refuse = (refusal: Refusal): Answer =>
      wording?.refuse(refusal, { method, path }, requestId) ?? {
        status: refusal.status,
        headers: {},
        body: '',
      };
    const explain = (error: unknown): Answer => {
      if (error instanceof Refusal) return refuse(error);
      if (request.socket.destroyed) return { status: 499, headers: {}, body: '' };
      log({
        event: 'failure',
        service: name,
        method,
        path,
        error: messageOf(error),
        stack: error instanceof Error ? error.stack : undefined,
      });
      return refuse(new Refusal('InternalFailure', 'The local cloud failed; its log says why.', 500));
    };

    try {
      if (query.includes('X-Amz-Signature='))
        throw new Refusal('NotImplemented', 'The local cloud does not have presigned URLs.', 501);
      if (!authorization)
        throw new Refusal(
          name === 's3' ? 'AccessDenied' : 'MissingAuthenticationToken',
          'The request must be signed with AWS Signature Version 4.',
          403,
        );
      if (!service)
        throw new Refusal('NotImplemented', `The local cloud does not have the service ${name}.`, 501);
      const chunks = await readBody(request, service.maxBodyBytes);
      let whole: Buffer | undefined;
      const readWhole = (): Buffer => {
        whole ??= joined(chunks);
        return whole;
      };
      // S3 signs a promise about its body, which s3/body.ts verifies; the others sign the body itself.
      const payloadHash = name === 's3' ? headerOf(headers, 'x-amz-content-sha256') : sha256Hex(readWhole());
      if (payloadHash === undefined)
        throw new Refusal('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
      verifier.verify({ method, path, query, headers }, authorization, payloadHash);

      const operation = operationOf(name, { method, path, query, headers }, () =>
        readWhole().toString('latin1'),
      );
      const signal = (): AbortSignal => closeSignal(response);
      const call: Call = {
        method,
        path,
        query,
        headers,
        chunks,
        body: readWhole,
        signal,
      };
      calls.count(operation);
      if (callLog && name !== 'admin')
        callLog({
          at: new Date(clock.wallMs()).toISOString(),
          requestId,
          operation,
          needs: permissionsOf(operation, call, options),
          client: headerOf(headers, 'user-agent') ?? '',
        });
      const injection =
        faults.isActive() && name !== 'admin'
          ? faults.next(operation, requestId, () => targetOf(path, readWhole()))
          : undefined;
      if (injection) {
        const perform = async (other?: string): Promise<Answer> => {
          try {
            const { rule } = injection;
            return await service.handle(
              {
                ...call,
                ...(other !== undefined && { body: () => Buffer.from(other), chunks: [Buffer.from(other)] }),
                ...(rule?.fault === 'lag' && { lagMs: rule.ms }),
              },
              requestId,
            );
          } catch (error) {
            return explain(error);
          }
        };
        const exchange = {
          service: name,
          operation,
          body: name === 's3' ? '' : readWhole().toString('utf8'),
          response,
          perform,
          canRewrite: true,
          refuse,
          deliveriesOf: receiveCountOf,
        };
        return await carryOut(injection, exchange, faults, clock);
      }
      const answer = await service.handle(call, requestId);
      if (name === 'sqs') calls.countSqsUnits(Math.max(bytesOf(chunks), answer.body.length));
      return { how: 'whole', answer };
    } catch (error) {
      return { how: 'whole', answer: explain(error) };
    }
  };

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const requestId = `L${(++requests).toString(36).padStart(15, '0').toUpperCase()}`;
    const delivery = await answerTo(request, response, requestId);
    if (!delivery || response.destroyed) return;
    const { status, headers, body } = delivery.answer;
    const length = bodyLength(body);
    // A refused body is not read to its end, so the connection cannot carry another request.
    if (!request.complete) response.shouldKeepAlive = false;
    const all: Record<string, string | number> = {
      'x-amz-request-id': requestId,
      'x-amzn-requestid': requestId,
    };
    if (status !== 204 && status !== 304) all['content-length'] = length;
    for (const name in headers) all[name] = headers[name] ?? '';
    if (delivery.how !== 'whole') {
      sendDamaged(response, delivery, all, clock);
      return;
    }
    if (typeof body === 'string' || Buffer.isBuffer(body)) {
      response.writeHead(status, all);
      response.end(body);
      return;
    }
    // Headers and all chunks in one write.
    response.cork();
    response.writeHead(status, all);
    for (const chunk of body) response.write(chunk);
    response.end();
  };
};
