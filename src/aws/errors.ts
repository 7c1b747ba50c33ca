import { exitCodes, ImgrecError } from '../errors.ts';
import { type BackoffLimits, pollBackoff, silentBackoff } from '../retry.ts';

/** A call to the cloud that failed: refused, throttled, timed out, or nobody answered. Exit code 3. */
export class CloudError extends ImgrecError {
  /** The service's error code, or the system's (`ECONNREFUSED`). */
  readonly code: string;
  /** Nobody answered, or the service is in trouble: the same call may succeed later. */
  readonly transient: boolean;
  /** HTTP status, when there was an answer. */
  readonly status: number | undefined;

  constructor(operation: string, code: string, transient: boolean, cause: unknown, hint?: string) {
    const reason = cause instanceof Error && cause.message !== '' ? cause.message : code;
    super(`${operation}: ${reason}`, {
      exitCode: exitCodes.cloud,
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
    this.name = 'CloudError';
    this.code = code;
    this.transient = transient;
    this.status = statusOf(cause);
  }
}

interface SdkShape {
  readonly name?: string;
  readonly code?: string;
  readonly Code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly statusCode?: number };
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'TimeoutError',
  'RequestTimeout',
  'RequestTimeoutException',
  'AbortError',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
]);
const throttles = new Set([
  'RequestThrottled',
  'ThrottlingException',
  'Throttling',
  'SlowDown',
  'RequestLimitExceeded',
  'TooManyRequestsException',
]);
/** The clocks differ: whoever sees it sets the clock of its next signatures right, for calls under way as well. */
const skews = new Set(['RequestTimeTooSkewed']);
const denials = new Set(['AccessDenied', 'AccessDeniedException']);
const credentialProblems = new Set([
  'CredentialsProviderError',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
  'ExpiredToken',
  'ExpiredTokenException',
]);

/** The service's error code of an SDK error, without its namespace. */
export const codeOf = (error: unknown): string => {
  if (typeof error !== 'object' || error === null) return 'Unknown';
  const { name, code, Code } = error as SdkShape;
  const found = name === 'Error' || name === undefined ? (Code ?? code ?? name ?? 'Unknown') : name;
  return found.split('#').pop() ?? found;
};

export const statusOf = (error: unknown): number | undefined => {
  if (typeof error !== 'object' || error === null) return undefined;
  const { $metadata, $response } = error as SdkShape;
  return $metadata?.httpStatusCode ?? $response?.statusCode;
};

const systemCodeOf = (error: unknown): string | undefined =>
  error instanceof Error && typeof (error as SdkShape).code === 'string'
    ? (error as SdkShape).code
    : undefined;

/**
 * The caller has no right to do this. No other 403 says so: wrong keys, clocks that differ and expired sessions are answered with
 * one as well.
 */
export const isDenial = (code: string | undefined): boolean => code !== undefined && denials.has(code);

/** An answer after which the same call may succeed: the service is throttling or in trouble, or the clock was wrong. */
export const isTransient = (code: string | undefined, status: number | undefined): boolean =>
  (code !== undefined && (throttles.has(code) || networkCodes.has(code) || skews.has(code))) ||
  (status !== undefined && status >= 500);

export const isAccessDenied = (error: unknown): boolean =>
  error instanceof CloudError && isDenial(error.code);

/** Turns whatever an SDK call threw into a CloudError; `operation` says what was being done, in our words. */
export const cloudError = (operation: string, error: unknown): CloudError => {
  if (error instanceof CloudError) return error;
  const code = codeOf(error);
  const system = systemCodeOf(error);
  const status = statusOf(error);
  const unreachable = networkCodes.has(code) || (system !== undefined && networkCodes.has(system));
  const transient = unreachable || isTransient(code, status);
  const hint = credentialProblems.has(code)
    ? 'check the AWS credentials, or use --local for the local cloud'
    : unreachable
      ? 'is the cloud running and reachable? ("imgrec dev --only cloud" starts a local one)'
      : undefined;
  return new CloudError(
    operation,
    unreachable && system !== undefined ? system : code,
    transient,
    error,
    hint,
  );
};

/** A CloudError for an answer that no SDK has turned into an exception. */
export const refusedCall = (
  operation: string,
  response: { readonly status: number; readonly code: string | undefined },
): CloudError => {
  const { status } = response;
  const code = response.code ?? `HTTP ${status}`;
  return cloudError(
    operation,
    Object.assign(new Error(code), { name: code, $metadata: { httpStatusCode: status } }),
  );
};

/** Runs one SDK call and translates what it throws. */
export const calling = async <T>(operation: string, call: () => Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (error) {
    throw cloudError(operation, error);
  }
};

/** How a loop that polls backs off after a failure: a service in trouble is spared for longer than one that is not there. */
export const backoffAfter = (error: unknown): BackoffLimits =>
  error instanceof CloudError && error.transient && error.status === undefined ? silentBackoff : pollBackoff;
