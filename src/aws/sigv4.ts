import { createHash, createHmac } from 'node:crypto';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface Signable {
  readonly method: string;
  /** Percent-encoded, as it goes over the wire; S3 paths are signed as they are. */
  readonly path: string;
  /** Lower-case names; `host` among them. All of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body, in hexadecimal. */
  readonly payloadSha256: string;
}

export interface SigningScope {
  readonly region: string;
  readonly service: string;
  readonly credentials: Credentials;
  readonly date: Date;
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
export const sha256Hex = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex');

let cachedKey: { readonly scope: string; readonly key: Buffer } | undefined;

/** The key changes once a day: four of the five HMACs of a signature can be kept. */
const signingKey = ({ credentials, region, service }: SigningScope, day: string): Buffer => {
  const scope = `${credentials.secretAccessKey}/${day}/${region}/${service}`;
  if (cachedKey?.scope !== scope)
    cachedKey = {
      scope,
      key: hmac(hmac(hmac(hmac(`AWS4${credentials.secretAccessKey}`, day), region), service), 'aws4_request'),
    };
  return cachedKey.key;
};

/**
 * Headers that sign a request without a query string: Signature Version 4, as in "Create a signed AWS API request" of the
 * AWS IAM User Guide.
 * @returns the given headers with `x-amz-date`, `authorization` and, for temporary credentials, `x-amz-security-token`
 */
export const signedHeaders = (request: Signable, scope: SigningScope): Record<string, string> => {
  const timestamp = scope.date.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = timestamp.slice(0, 8);
  const { sessionToken } = scope.credentials;
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-date': timestamp,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  };
  const names = Object.keys(headers).sort();
  const signed = names.join(';');
  const canonical = [
    request.method,
    request.path,
    '',
    ...names.map((name) => `${name}:${headers[name]?.trim()}`),
    '',
    signed,
    request.payloadSha256,
  ].join('\n');
  const scopeText = `${day}/${scope.region}/${scope.service}/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${timestamp}\n${scopeText}\n${sha256Hex(canonical)}`;
  const signature = hmac(signingKey(scope, day), toSign).toString('hex');
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${scope.credentials.accessKeyId}/${scopeText}, SignedHeaders=${signed}, Signature=${signature}`;
  return headers;
};
