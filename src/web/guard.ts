import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Keyring } from './keyring.ts';

/** RFC 6750: the key is what stands behind "Bearer". */
const bearer = /^Bearer +([^\s]+) *$/i;

/** What anybody may have: the page, which asks for the key, and whether the web tier is well, which load balancers ask. */
const open: readonly string[] = [
  'GET /',
  'GET /v1/images',
  'GET /key.js',
  'GET /favicon.ico',
  'GET /healthz',
];

const isOpen = ({ method, url }: FastifyRequest): boolean =>
  open.includes(`${method.replace('HEAD', 'GET')} ${url.split('?')[0]}`);

/** Lets through whoever has a key; all others are refused before a byte of what they send is read. */
export const guard = (
  app: FastifyInstance,
  keyring: Keyring,
  refuse: (request: FastifyRequest, reply: FastifyReply, detail: string) => FastifyReply,
): void => {
  app.addHook('onRequest', async (request, reply) => {
    if (isOpen(request)) return;
    const [, presented] = bearer.exec(request.headers.authorization ?? '') ?? [];
    if (presented !== undefined && keyring.nameOf(presented) !== undefined) return;
    // https://www.rfc-editor.org/rfc/rfc6750#section-3: no error is named where there was no key at all.
    const error = presented === undefined ? '' : ', error="invalid_token"';
    reply.header('www-authenticate', `Bearer realm="imgrec"${error}`);
    await refuse(
      request,
      reply,
      presented === undefined
        ? 'this needs an API key: send "Authorization: Bearer <key>"'
        : 'this is no API key of this cluster, or no longer',
    );
  });
};
