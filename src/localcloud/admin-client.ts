import { adminPrefix } from './admin.ts';
import type { CallReport } from './calls.ts';
import { canonicalRequest, sha256Hex, sign, signingKey, stringToSign } from './sigv4.ts';
import type { CloudFile } from './state.ts';

/** Where a local cloud is and how to sign for it: its cloud file, or what startLocalCloud returns. */
export type AdminAccess = Pick<CloudFile, 'endpoint' | 'region' | 'accessKeyId' | 'secretAccessKey'>;

/**
 * Asks a local cloud about itself: `faults` (GET, PUT with a plan, DELETE) or `calls` (GET). Returns the answer's JSON.
 * Throws an Error with the cloud's words when it refuses.
 */
export const callAdmin = async (
  { endpoint, region, accessKeyId, secretAccessKey }: AdminAccess,
  method: 'GET' | 'PUT' | 'DELETE',
  name: 'faults' | 'calls',
  content?: unknown,
): Promise<unknown> => {
  const path = `${adminPrefix}${name}`;
  const body = content === undefined ? '' : JSON.stringify(content);
  const amzDate = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const date = amzDate.slice(0, 8);
  const scope = `${date}/${region}/admin/aws4_request`;
  const names = ['host', 'x-amz-date'];
  const headers = { host: new URL(endpoint).host, 'x-amz-date': amzDate };
  const canonical = canonicalRequest({ method, path, query: '', headers }, 'admin', names, sha256Hex(body));
  const signature = sign(
    signingKey(secretAccessKey, date, region, 'admin'),
    stringToSign(amzDate, scope, canonical),
  );
  const response = await fetch(endpoint + path, {
    method,
    headers: {
      'x-amz-date': amzDate,
      authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    },
    ...(content !== undefined && { body }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.trim()}`);
  return JSON.parse(text);
};

/** API calls since the cloud's start, by operation. */
export const readCalls = (access: AdminAccess): Promise<CallReport> =>
  callAdmin(access, 'GET', 'calls') as Promise<CallReport>;
