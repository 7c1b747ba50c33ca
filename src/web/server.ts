import { readFile } from 'node:fs/promises';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { CloudError } from '../aws/errors.ts';
import { messageOf } from '../errors.ts';
import type { ImageLimits } from '../image/inspect.ts';
import { isJobId, newJobId } from '../jobs/id.ts';
import type { Log } from '../log.ts';
import { assetPath } from '../package.ts';
import { type Answer, problem, type ReplyForm, renderAnswer } from './answers.ts';
import type { Counters } from './counters.ts';
import type { Exchange, Order } from './exchange.ts';
import { guard } from './guard.ts';
import type { Health } from './health.ts';
import type { Keyring } from './keyring.ts';
import { acceptUploads, readUpload } from './upload.ts';

export interface ServerOptions {
  readonly exchange: Exchange;
  readonly limits: ImageLimits;
  readonly counters: Counters;
  readonly health: Health;
  readonly log: Log;
  readonly waitSeconds: number;
  readonly reply: ReplyForm;
  /** Whom to answer; everybody when absent. */
  readonly keyring?: Keyring | undefined;
  /** Aborts when the server is about to close. */
  readonly signal: AbortSignal;
  /** Aborts when nobody may wait any longer: whoever does is told where the result will be. */
  readonly giveUp: AbortSignal;
}

/** Fastify ignores these at the top level; in `http` they hold, and Node must look often enough to enforce them. */
const httpLimits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16 * 1_024,
};

/** Longer than the idle time of any load balancer in front, so that the balancer is the one to close. */
const keepAliveMs = 72_000;

/** The page is whole without scripts; with keys it needs one, since a form cannot send a header. */
const pagePolicy = "default-src 'none'; style-src 'self' 'unsafe-inline'; form-action 'self'";
const keyScript = "; script-src 'self'; connect-src 'self'";

const orders = new WeakMap<FastifyRequest, Order>();

const wantsJson = (request: FastifyRequest): boolean =>
  (request.headers.accept ?? '').includes('application/json');

/** RFC 7240's `Prefer: wait=N`, in seconds, never longer than the server's own limit. */
const waitMsOf = (request: FastifyRequest, limitSeconds: number): number => {
  const [, asked] =
    /(?:^|,)\s*wait=(\d{1,6})\s*(?:,|;|$)/.exec(String(request.headers['prefer'] ?? '')) ?? [];
  return Math.min(asked === undefined ? limitSeconds : Number(asked), limitSeconds) * 1_000;
};

const badKey = 'an Idempotency-Key is 1 to 255 visible characters';

/** The Idempotency-Key of a request, in quotes (as its draft standard has it) or without. */
const keyOf = ({ headers }: FastifyRequest): { readonly text: string } | 'invalid' | undefined => {
  const header = headers['idempotency-key'];
  if (header === undefined) return undefined;
  const [, quoted, bare] = /^(?:"([!#-~]{1,255})"|([!#-~]{1,255}))$/.exec(String(header)) ?? [];
  const text = quoted ?? bare;
  return text === undefined ? 'invalid' : { text };
};

/** The web tier's HTTP side: routes, headers and limits. It does not listen yet. */
export const createServer = async (options: ServerOptions): Promise<FastifyInstance> => {
  const { exchange, limits, log } = options;
  const app = Fastify({
    http: httpLimits,
    keepAliveTimeout: keepAliveMs,
    bodyLimit: limits.maxImageBytes,
    logger: false,
  });
  await acceptUploads(app, limits.maxImageBytes);
  const page = await readFile(assetPath('web', 'index.html'), 'utf8');
  const { keyring } = options;

  const send = (request: FastifyRequest, reply: FastifyReply, answer: Answer) => {
    const { status, headers, body } = renderAnswer(answer, options.reply, wantsJson(request));
    return reply.status(status).headers(headers).header('imgrec-id', answer.id).send(body);
  };

  const refuse = (reply: FastifyReply, status: number, title: string, detail: string) =>
    reply
      .status(status)
      .header('content-type', 'application/problem+json; charset=utf-8')
      .send(JSON.stringify({ title, status, detail }));

  const showPage = (_request: FastifyRequest, reply: FastifyReply) =>
    reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', keyring === undefined ? pagePolicy : pagePolicy + keyScript)
      .send(
        keyring === undefined
          ? page
          : page.replace('</body>', '  <script src="/key.js"></script>\n  </body>'),
      );

  const takeImage = async (request: FastifyRequest, reply: FastifyReply) => {
    const order = orders.get(request) ?? exchange.order(undefined);
    const { id } = order;
    if (keyOf(request) === 'invalid') {
      options.counters.refused();
      return send(request, reply, problem(id, 400, 'Bad request', badKey));
    }
    const received = await readUpload(request, limits.maxImageBytes);
    if (!received.ok) {
      options.counters.refused();
      return send(request, reply, problem(id, received.status, 'Not accepted', received.detail));
    }
    const over = new AbortController();
    const leave = () => over.abort('left');
    reply.raw.once('close', leave);
    options.giveUp.addEventListener('abort', leave);
    try {
      const waitMs = waitMsOf(request, options.waitSeconds);
      return send(request, reply, await exchange.submit(order, received.upload, waitMs, over));
    } finally {
      options.giveUp.removeEventListener('abort', leave);
    }
  };

  const takeOrder = async (request: FastifyRequest) => {
    const key = keyOf(request);
    orders.set(request, exchange.order(key === 'invalid' ? undefined : key?.text));
  };

  app.addHook('onRequest', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
  });

  // A connection that is busy when the server closes would be kept open for the client's next request, and hold the close.
  app.addHook('onSend', async (_request, reply) => {
    if (options.signal.aborted) reply.header('connection', 'close');
  });

  if (keyring !== undefined) {
    guard(app, keyring, (request, reply, detail) => {
      options.counters.refused();
      return send(request, reply, problem(newJobId(), 401, 'Unauthorized', detail));
    });
    const script = await readFile(assetPath('web', 'key.js'));
    app.get('/key.js', (_request, reply) =>
      reply.header('content-type', 'text/javascript; charset=utf-8').send(script),
    );
  }

  for (const path of ['/', '/v1/images']) {
    app.get(path, showPage);
    app.post(path, { onRequest: takeOrder }, takeImage);
  }

  // Browsers ask for it with every page, a plain label included.
  app.get('/favicon.ico', (_request, reply) => reply.status(204).send());

  app.get('/healthz', async (_request, reply) => {
    const waiting = exchange.waiting();
    const why = options.health.trouble();
    if (why === undefined) return { status: 'ok', waiting };
    return reply.status(503).send({ status: 'unhealthy', why: `the cloud does not store: ${why}`, waiting });
  });

  app.get<{ Params: { id: string } }>('/v1/results/:id', async (request, reply) => {
    const { id } = request.params;
    if (!isJobId(id)) return refuse(reply, 404, 'Not found', 'that is not an id');
    const result = await exchange.result(id);
    reply.header('imgrec-id', id);
    return result ?? refuse(reply, 404, 'No result', 'there is no result for this id, or not yet');
  });

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const allowed = (['GET', 'POST'] as const).filter((method) => app.hasRoute({ method, url: path }));
    if (allowed.length === 0)
      return refuse(reply, 404, 'Not found', `there is nothing at ${path.slice(0, 200)}`);
    reply.header('allow', allowed.join(', '));
    return refuse(reply, 405, 'Method not allowed', `${path} takes ${allowed.join(' and ')}`);
  });

  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const id = orders.get(request)?.id ?? newJobId();
    const status = error.statusCode ?? 500;
    if (error instanceof CloudError)
      return send(request, reply, problem(id, 503, 'Unavailable', 'the cloud does not answer; try again', 2));
    // 406 is @fastify/multipart's word for a body that is no form; the standard's is 415.
    if (status === 415 || status === 406)
      return send(
        request,
        reply,
        problem(id, 415, 'Not accepted', 'send a form with a file, or the image itself'),
      );
    if (status === 413)
      return send(
        request,
        reply,
        problem(id, 413, 'Image too large', `the image is larger than ${limits.maxImageBytes} bytes`),
      );
    if (status < 500) return send(request, reply, problem(id, 400, 'Bad request', messageOf(error)));
    log.error({ id, error: error.stack }, 'a request failed');
    return send(
      request,
      reply,
      problem(id, 500, 'Failed', 'the request failed; this is a defect of the server'),
    );
  });

  return app;
};
