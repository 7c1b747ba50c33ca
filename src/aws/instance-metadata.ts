import { request } from 'undici';
import type { Clock } from '../clock.ts';

/** The instance metadata service, version 2 only: every read carries a token. */
export interface InstanceMetadata {
  /** @returns the body, or undefined when there is none (404) or nobody answered */
  read(path: string): Promise<string | undefined>;
}

const tokenSeconds = 21_600;
/** Asked for anew before it expires. */
const tokenUseMs = (tokenSeconds - 600) * 1_000;
const answerWithinMs = 1_000;

const defaultEndpoint = 'http://169.254.169.254';

/**
 * Looks for the metadata service: at `AWS_EC2_METADATA_SERVICE_ENDPOINT` or at its fixed address, and not at all when
 * `AWS_EC2_METADATA_DISABLED` is true.
 * @returns undefined where there is none, which is everywhere but on EC2
 */
export const findInstanceMetadata = async (
  environment: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): Promise<InstanceMetadata | undefined> => {
  if (environment['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') return undefined;
  const endpoint = environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? defaultEndpoint;

  const ask = async (method: 'GET' | 'PUT', path: string, headers: Record<string, string>) => {
    const { statusCode, body } = await request(new URL(path, endpoint), {
      method,
      headers,
      signal: AbortSignal.timeout(answerWithinMs),
    });
    const text = await body.text();
    return { statusCode, text };
  };

  let token: { readonly value: string; readonly atMs: number } | undefined;
  const renewToken = async (): Promise<string | undefined> => {
    if (token !== undefined && clock.monotonicMs() - token.atMs < tokenUseMs) return token.value;
    const { statusCode, text } = await ask('PUT', '/latest/api/token', {
      'x-aws-ec2-metadata-token-ttl-seconds': String(tokenSeconds),
    });
    token = statusCode === 200 ? { value: text, atMs: clock.monotonicMs() } : undefined;
    return token?.value;
  };

  try {
    if ((await renewToken()) === undefined) return undefined;
  } catch {
    return undefined;
  }
  return {
    read: async (path) => {
      try {
        const value = await renewToken();
        if (value === undefined) return undefined;
        const { statusCode, text } = await ask('GET', path, { 'x-aws-ec2-metadata-token': value });
        if (statusCode === 401) token = undefined;
        return statusCode === 200 ? text : undefined;
      } catch {
        return undefined;
      }
    },
  };
};
