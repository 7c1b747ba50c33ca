import { Pool } from 'undici';
import { type Clock, systemClock } from '../clock.ts';
import { backoffMs } from '../retry.ts';
import { type CallLimits, connectionTimeoutMs } from './connection.ts';
import { isTransient } from './errors.ts';
import { type Credentials, sha256Hex, signedHeaders } from './sigv4.ts';

/**
 * The few calls that every image needs, signed and sent without the SDK, which costs 1.8 ms of CPU for a 100 KB PutObject.
 * The SDK still decides where they go: a route is what its first call to the same place used, so endpoints, regions and URL
 * styles are its own; credentials come from its provider. What is not known yet, or redirected, goes through the SDK.
 */
export interface DirectCaller {
  /** Remembers where the SDK sent a request for `place` (a bucket, or a whole service). */
  learn(place: string, route: Route): void;
  /**
   * @returns undefined when the route is not known (any more): the call is the SDK's
   * @throws what the HTTP client threw, when nobody answered in any attempt
   */
  call(place: string, request: DirectRequest): Promise<DirectResponse | undefined>;
  close(): void;
}

export interface Route {
  /** Scheme, host and port. */
  readonly origin: string;
  /** What comes before the key or `/`: `/bucket` where buckets are named in the path, else empty. */
  readonly basePath: string;
}

/** The part of the SDK's HTTP request that shows the way. */
export interface SentRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
}

export const originOf = ({ protocol, hostname, port }: SentRequest): string =>
  `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`;

export interface DirectRequest {
  readonly method: 'GET' | 'PUT' | 'POST';
  /** Percent-encoded, starting with `/`; appended to the route's base path. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Of the body, when the caller has it anyway. */
  readonly payloadSha256?: string | undefined;
}

export interface DirectResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  /** The service's error code, when `status` is one of an error. */
  readonly code: string | undefined;
}

export interface DirectOptions {
  readonly service: 's3' | 'sqs';
  readonly limits: CallLimits;
  /** The SDK client's own providers. */
  readonly credentials: () => Promise<Credentials>;
  readonly region: () => Promise<string>;
  readonly clock?: Clock;
}

const sockets = 128;
const retryLimits = { floorMs: 20, ceilingMs: 2_000 };

/** An attempt for which less time is left is none. */
const shortestMs = 1_000;

/** A clock that is off by more than this is why a signature was refused. */
const skewToleranceMs = 240_000;

const errorCode = (status: number, body: Buffer, contentType: string): string | undefined => {
  if (status < 300) return undefined;
  const text = body.toString();
  if (!contentType.includes('json')) return /<Code>([^<]+)<\/Code>/.exec(text)?.[1];
  return /"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"/.exec(text)?.[1];
};

const isRedirect = (status: number) => status >= 300 && status < 400 && status !== 304;

export const createDirectCaller = (options: DirectOptions): DirectCaller => {
  const { service, limits, clock = systemClock } = options;
  const routes = new Map<string, Route>();
  const pools = new Map<string, Pool>();
  let skewMs = 0;

  const poolOf = (origin: string): Pool => {
    const known = pools.get(origin);
    if (known !== undefined) return known;
    const pool = new Pool(origin, {
      connections: sockets,
      connect: { timeout: connectionTimeoutMs },
      keepAliveTimeout: 15_000,
    });
    pools.set(origin, pool);
    return pool;
  };

  /**
   * @param signedAtMs the time that the signature says
   * @param timeoutMs for the answer's headers, and again for its body
   */
  const send = async (
    { origin, basePath }: Route,
    request: DirectRequest,
    signedAtMs: number,
    timeoutMs: number,
  ): Promise<DirectResponse> => {
    const [credentials, region] = await Promise.all([options.credentials(), options.region()]);
    const path = basePath + request.path;
    const payloadSha256 = request.payloadSha256 ?? sha256Hex(request.body ?? '');
    const headers = signedHeaders(
      {
        method: request.method,
        path,
        payloadSha256,
        headers: {
          ...request.headers,
          host: new URL(origin).host,
          ...(service === 's3' ? { 'x-amz-content-sha256': payloadSha256 } : {}),
        },
      },
      { credentials, region, service, date: new Date(signedAtMs) },
    );
    const answer = await poolOf(origin).request({
      method: request.method,
      path,
      headers,
      body: request.body ?? null,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    const body = Buffer.from(await answer.body.arrayBuffer());
    const code = errorCode(answer.statusCode, body, String(answer.headers['content-type'] ?? ''));
    return { status: answer.statusCode, headers: answer.headers, body, code };
  };

  /**
   * Sets this process's idea of the time right when the service's differs too much from what was signed: another call may have
   * set it right since then.
   * @returns whether a new signature says another time
   */
  const correctSkew = ({ status, headers }: DirectResponse, signedAtMs: number): boolean => {
    if (status !== 400 && status !== 403) return false;
    const theirsMs = Date.parse(String(headers['date']));
    if (Number.isNaN(theirsMs) || Math.abs(theirsMs - signedAtMs) < skewToleranceMs) return false;
    skewMs = theirsMs - clock.wallMs();
    return true;
  };

  return {
    learn: (place, route) => {
      routes.set(place, route);
    },
    call: async (place, request) => {
      const { maxAttempts, maxAnsweredAttempts = maxAttempts, requestTimeoutMs } = limits;
      const deadlineMs = clock.monotonicMs() + (limits.totalTimeoutMs ?? Number.POSITIVE_INFINITY);
      let corrected = false;
      for (let attempt = 1; ; attempt++) {
        const route = routes.get(place);
        if (route === undefined) return undefined;
        try {
          const timeoutMs = Math.min(
            requestTimeoutMs,
            Math.max(shortestMs, deadlineMs - clock.monotonicMs()),
          );
          const signedAtMs = clock.wallMs() + skewMs;
          const response = await send(route, request, signedAtMs, timeoutMs);
          if (isRedirect(response.status)) {
            routes.delete(place);
            return undefined;
          }
          // On top of the attempts: a caller that has only one would otherwise never find out what the time is.
          if (!corrected && correctSkew(response, signedAtMs)) {
            corrected = true;
            attempt--;
            continue;
          }
          if (attempt >= maxAnsweredAttempts || !isTransient(response.code, response.status)) return response;
        } catch (error) {
          if (attempt >= maxAttempts || clock.monotonicMs() >= deadlineMs - shortestMs) throw error;
        }
        await clock.sleep(backoffMs(attempt, retryLimits));
      }
    },
    close: () => {
      for (const pool of pools.values()) void pool.destroy();
    },
  };
};
