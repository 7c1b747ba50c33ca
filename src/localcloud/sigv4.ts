import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { headerOf, Refusal } from './answer.ts';
import { digestOf, prepareHmac } from './digest.ts';

/** The parts of `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`. */
export interface Authorization {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

export interface SignableRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
}

const authorizationForm =
  /^AWS4-HMAC-SHA256\s+Credential=([^/,\s]+)\/(\d{8})\/([a-z0-9-]+)\/([a-z0-9-]+)\/aws4_request,\s*SignedHeaders=([a-z0-9;_.-]+),\s*Signature=([0-9a-f]{64})$/;

const parseWhole = (header: string): Authorization | undefined => {
  const match = authorizationForm.exec(header);
  if (!match) return undefined;
  const [, accessKeyId = '', date = '', region = '', service = '', names = '', signature = ''] = match;
  return { accessKeyId, date, region, service, signedHeaders: names.split(';'), signature };
};

const signatureMark = ', Signature=';
const signatureForm = /^[0-9a-f]{64}$/;
/** A client sends the same text before the signature all day for each kind of call. */
const parsedBefore = new Map<string, Authorization>();
const maxParsed = 500;

/** Undefined when the header is not one of Signature Version 4. */
export const parseAuthorization = (header: string | undefined): Authorization | undefined => {
  if (header === undefined) return undefined;
  const end = header.length - 64 - signatureMark.length;
  const start = header.slice(0, Math.max(0, end));
  const known = parsedBefore.get(start);
  if (known === undefined || !header.startsWith(signatureMark, end)) {
    const parsed = parseWhole(header);
    if (parsedBefore.size >= maxParsed) parsedBefore.clear();
    if (parsed) parsedBefore.set(start, parsed);
    return parsed;
  }
  const signature = header.slice(-64);
  return signatureForm.test(signature) ? { ...known, signature } : undefined;
};

export const sha256Hex = (data: Buffer | string): string => digestOf('sha256', data, 'hex');

const hmac = (key: Buffer | string, data: string): Buffer => createHmac('sha256', key).update(data).digest();

/** RFC 3986 as AWS wants it: everything but A-Z a-z 0-9 - . _ ~ is encoded. */
export const uriEncode = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const plainPath = /^[A-Za-z0-9\-._~/]*$/;

const encodeSegments = (path: string, decode: (segment: string) => string): string =>
  path
    .split('/')
    .map((segment) => uriEncode(decode(segment)))
    .join('/');

/** S3 encodes each segment once; every other service encodes what came on the wire a second time. */
const canonicalPath = (path: string, service: string): string => {
  if (plainPath.test(path)) return path;
  try {
    return encodeSegments(path, service === 's3' ? decodeURIComponent : (segment) => segment);
  } catch {
    throw new Refusal('InvalidURI', "Couldn't parse the specified URI.");
  }
};

const decodeQueryPart = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new Refusal('InvalidURI', "Couldn't parse the specified URI.");
  }
};

/** Names and values of a query string, decoded, in the order sent. */
export const parseQuery = (query: string): [name: string, value: string][] =>
  query === ''
    ? []
    : query
        .split('&')
        .filter((part) => part !== '')
        .map((part) => {
          const equals = part.indexOf('=');
          return equals < 0
            ? [decodeQueryPart(part), '']
            : [decodeQueryPart(part.slice(0, equals)), decodeQueryPart(part.slice(equals + 1))];
        });

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const canonicalQuery = (query: string): string =>
  query === ''
    ? ''
    : parseQuery(query)
        .map(([name, value]): [string, string] => [uriEncode(name), uriEncode(value)])
        .sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]))
        .map(([name, value]) => `${name}=${value}`)
        .join('&');

/**
 * The canonical request of Signature Version 4.
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export const canonicalRequest = (
  request: SignableRequest,
  service: string,
  signedHeaders: readonly string[],
  payloadHash: string,
): string => {
  let headers = '';
  for (const name of signedHeaders) {
    const value = headerOf(request.headers, name) ?? '';
    headers += `${name}:${value.trim().replace(/ {2,}/g, ' ')}\n`;
  }
  return `${request.method}\n${canonicalPath(request.path, service)}\n${canonicalQuery(request.query)}\n${headers}\n${signedHeaders.join(';')}\n${payloadHash}`;
};

export const stringToSign = (amzDate: string, scope: string, canonical: string): string =>
  `AWS4-HMAC-SHA256\n${amzDate}\n${scope}\n${sha256Hex(canonical)}`;

export const signingKey = (secretAccessKey: string, date: string, region: string, service: string): Buffer =>
  hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, date), region), service), 'aws4_request');

export const sign = (key: Buffer, text: string): string =>
  createHmac('sha256', key).update(text).digest('hex');

const timestampForm = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/** Milliseconds since the epoch of `20150830T123600Z`; NaN for anything else. */
export const parseAmzDate = (text: string): number => {
  const match = timestampForm.exec(text);
  if (!match) return Number.NaN;
  const [, year, month, day, hour, minute, second] = match.map(Number);
  return Date.UTC(year ?? 0, (month ?? 0) - 1, day ?? 0, hour ?? 0, minute ?? 0, second ?? 0);
};

const maxSkewMs = 15 * 60 * 1000;

/** Error names that differ between services when a key is unknown or a signature does not match. */
const authorizationErrors: Readonly<Record<string, { readonly key: string; readonly signature: string }>> = {
  s3: { key: 'InvalidAccessKeyId', signature: 'SignatureDoesNotMatch' },
  ssm: { key: 'UnrecognizedClientException', signature: 'InvalidSignatureException' },
  ec2: { key: 'AuthFailure', signature: 'SignatureDoesNotMatch' },
};
const otherErrors = { key: 'InvalidClientTokenId', signature: 'SignatureDoesNotMatch' };

export interface Verifier {
  /** Throws a Refusal unless the request was signed with this cloud's key, for this region, less than 15 minutes ago. */
  verify(request: SignableRequest, authorization: Authorization, payloadHash: string): void;
}

export const createVerifier = (options: {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly wallMs: () => number;
}): Verifier => {
  const signers = new Map<string, (text: string) => string>();
  const signerFor = (date: string, service: string): ((text: string) => string) => {
    const name = `${date}/${service}`;
    const known = signers.get(name);
    if (known) return known;
    if (signers.size > 20) signers.clear();
    const signer = prepareHmac(signingKey(options.secretAccessKey, date, options.region, service));
    signers.set(name, signer);
    return signer;
  };
  /** The last time stamp and its milliseconds: requests of one second carry the same. */
  let last = { amzDate: '', ms: Number.NaN };
  const timeOf = (amzDate: string): number => {
    if (amzDate !== last.amzDate) last = { amzDate, ms: parseAmzDate(amzDate) };
    return last.ms;
  };

  return {
    verify: (request, authorization, payloadHash) => {
      const { service, date, region, signedHeaders } = authorization;
      const names = authorizationErrors[service] ?? otherErrors;
      const amzDate = headerOf(request.headers, 'x-amz-date') ?? '';
      const sentMs = timeOf(amzDate);
      if (Number.isNaN(sentMs) || !amzDate.startsWith(date))
        throw new Refusal(
          'AccessDenied',
          'a valid x-amz-date header of the day in the credential scope is needed',
          403,
        );
      if (authorization.accessKeyId !== options.accessKeyId)
        throw new Refusal(
          names.key,
          'The AWS access key ID you provided does not exist in this local cloud.',
          403,
        );
      if (region !== options.region)
        throw new Refusal(
          names.signature,
          `Credential should be scoped to the region ${options.region}.`,
          403,
        );
      if (Math.abs(options.wallMs() - sentMs) > maxSkewMs)
        throw new Refusal(
          'RequestTimeTooSkewed',
          'The difference between the request time and the current time is too large.',
          403,
        );
      if (!signedHeaders.includes('host'))
        throw new Refusal(names.signature, "'Host' must be a 'SignedHeader' in the AWS Authorization.", 403);
      for (const name in request.headers)
        if (name.startsWith('x-amz-') && !signedHeaders.includes(name))
          throw new Refusal(
            'AccessDenied',
            `There were headers present in the request which were not signed: ${name}`,
            403,
          );
      const scope = `${date}/${region}/${service}/aws4_request`;
      const canonical = canonicalRequest(request, service, signedHeaders, payloadHash);
      const expected = signerFor(date, service)(stringToSign(amzDate, scope, canonical));
      if (!timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(authorization.signature, 'latin1')))
        throw new Refusal(
          names.signature,
          'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
          403,
        );
    },
  };
};
