import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../errors.ts';
import { type Answer, type Call, headerOf, Refusal, type Service } from './answer.ts';
import { parseAuthorization, sha256Hex, type Verifier } from './sigv4.ts';

export interface FrontOptions {
  /** By the service name in a credential scope. */
  readonly services: Readonly<Record<string, Service>>;
  readonly verifier: Verifier;
  readonly log: (line: object) => void;
}

/** The whole body. Rejects with a Refusal when it is larger than `maxBytes` and with an Error when the client went away. */
const readBody = (request: IncomingMessage, maxBytes: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const tooLarge = (): Refusal =>
      new Refusal('EntityTooLarge', `The request body is larger than ${maxBytes} bytes.`, 413);
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
      reject(tooLarge());
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) chunks.push(chunk);
      else reject(tooLarge());
    });
    request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('close', () => reject(new Error('the client closed the connection')));
  });

/** The service that words the refusal of a request that names none: by what only its protocol sends. */
const guessService = (request: IncomingMessage): string => {
  const target = headerOf(request.headers, 'x-amz-target');
  if (target !== undefined) return target.startsWith('AmazonSSM.') ? 'ssm' : 'sqs';
  return request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ? 'sts' : 's3';
};

/** What every request goes through: size, signature, the service of its credential scope, and the answer's wording. */
export const createFront = ({ services, verifier, log }: FrontOptions) => {
  let requests = 0;

  const answerTo = async (
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
  ): Promise<Answer> => {
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    const method = request.method ?? 'GET';
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = mark < 0 ? '' : url.slice(mark + 1);
    const authorization = parseAuthorization(request.headers.authorization);
    const name = authorization?.service ?? guessService(request);
    const service = Object.hasOwn(services, name) ? services[name] : undefined;
    const wording = service ?? services['s3'];
    const refuse = (refusal: Refusal): Answer =>
      wording?.refuse(refusal, { method, path }, requestId) ?? {
        status: refusal.status,
        headers: {},
        body: '',
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
      const body = await readBody(request, service.maxBodyBytes);
      // S3 signs a promise about its body, which s3/body.ts verifies; the others sign the body itself.
      const payloadHash = name === 's3' ? headerOf(request.headers, 'x-amz-content-sha256') : sha256Hex(body);
      if (payloadHash === undefined)
        throw new Refusal('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
      verifier.verify({ method, path, query, headers: request.headers }, authorization, payloadHash);
      const call: Call = {
        method,
        path,
        query,
        headers: request.headers,
        body,
        signal: () => {
          const controller = new AbortController();
          if (response.destroyed) controller.abort();
          else
            response.once('close', () => {
              // 'close' also follows an answer that was sent, where an abort would only cost an exception object.
              if (!response.writableFinished) controller.abort();
            });
          return controller.signal;
        },
      };
      return await service.handle(call, requestId);
    } catch (error) {
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
    }
  };

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const requestId = `L${(++requests).toString(36).padStart(15, '0').toUpperCase()}`;
    const { status, headers, body } = await answerTo(request, response, requestId);
    if (response.destroyed) return;
    const length = Buffer.isBuffer(body) ? body.length : Buffer.byteLength(body);
    // A refused body is not read to its end, so the connection cannot carry another request.
    if (!request.complete) response.shouldKeepAlive = false;
    response.writeHead(status, {
      'x-amz-request-id': requestId,
      'x-amzn-requestid': requestId,
      ...(status === 204 || status === 304 ? {} : { 'content-length': length }),
      ...headers,
    });
    response.end(body);
  };
};
