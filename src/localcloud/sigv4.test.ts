import { expect, test } from 'vitest';
import {
  canonicalRequest,
  createVerifier,
  parseAmzDate,
  parseAuthorization,
  sha256Hex,
  sign,
  signingKey,
  stringToSign,
} from './sigv4.ts';

const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('the example of the IAM user guide is signed as it says', () => {
  // Golden: https://docs.aws.amazon.com/general/latest/gr/sigv4_signing.html, ListUsers of 2015-08-30.
  const canonical = canonicalRequest(
    {
      method: 'GET',
      path: '/',
      query: 'Action=ListUsers&Version=2010-05-08',
      headers: {
        host: 'iam.amazonaws.com',
        'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
        'x-amz-date': '20150830T123600Z',
      },
    },
    'iam',
    ['content-type', 'host', 'x-amz-date'],
    emptyHash,
  );
  expect(sha256Hex(canonical)).toBe('f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59');
  const key = signingKey('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', '20150830', 'us-east-1', 'iam');
  expect(key.toString('hex')).toBe('c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9');
  expect(sign(key, stringToSign('20150830T123600Z', '20150830/us-east-1/iam/aws4_request', canonical))).toBe(
    '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
  );
});

const s3Example = {
  // Golden: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "PUT Object".
  request: {
    method: 'PUT',
    path: '/test%24file.text',
    query: '',
    headers: {
      host: 'examplebucket.s3.amazonaws.com',
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-date': '20130524T000000Z',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    },
  },
  authorization:
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  hash: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
};

const verifierAt = (wallMs: number) =>
  createVerifier({
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    region: 'us-east-1',
    wallMs: () => wallMs,
  });

const signedMs = Date.UTC(2013, 4, 24);

const check = (change: {
  readonly wallMs?: number;
  readonly request?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly authorization?: (text: string) => string;
}) => {
  const authorization = parseAuthorization(
    (change.authorization ?? ((text) => text))(s3Example.authorization),
  );
  if (!authorization) throw new Error('not parsed');
  verifierAt(change.wallMs ?? signedMs).verify(
    {
      ...s3Example.request,
      ...change.request,
      headers: { ...s3Example.request.headers, ...change.headers },
    },
    authorization,
    s3Example.hash,
  );
};

test("S3's example of PUT Object is accepted, its path once encoded", () => {
  expect(() => check({})).not.toThrow();
  expect(() => check({ request: { path: '/test$file.text' } })).not.toThrow();
});

test.each([
  ['another path', { request: { path: '/test%24file.txt' } }, 'SignatureDoesNotMatch'],
  ['another method', { request: { method: 'GET' } }, 'SignatureDoesNotMatch'],
  ['a query that was not signed', { request: { query: 'acl' } }, 'SignatureDoesNotMatch'],
  [
    'another value of a signed header',
    { headers: { 'x-amz-storage-class': 'STANDARD' } },
    'SignatureDoesNotMatch',
  ],
  ['an x-amz header that was not signed', { headers: { 'x-amz-acl': 'public-read' } }, 'AccessDenied'],
  [
    'another key',
    { authorization: (text: string) => text.replace('7EXAMPLE', '8EXAMPLE') },
    'InvalidAccessKeyId',
  ],
  [
    'another region',
    { authorization: (text: string) => text.replace('us-east-1', 'us-east-2') },
    'SignatureDoesNotMatch',
  ],
  [
    'another day in the scope',
    { authorization: (text: string) => text.replace('20130524', '20130525') },
    'AccessDenied',
  ],
  ['more than 15 minutes late', { wallMs: signedMs + 900_001 }, 'RequestTimeTooSkewed'],
  ['more than 15 minutes early', { wallMs: signedMs - 900_001 }, 'RequestTimeTooSkewed'],
])('%s is refused', (_name, change, code) => {
  expect(() => check(change)).toThrow(expect.objectContaining({ code }));
});

test('a host that was not signed is refused for that reason', () => {
  expect(() => check({ authorization: (text) => text.replace('host;', '') })).toThrow("'Host' must be");
});

test('fifteen minutes are still accepted', () => {
  expect(() => check({ wallMs: signedMs + 900_000 })).not.toThrow();
});

test('what is no Signature Version 4 header is not parsed', () => {
  for (const header of [undefined, '', 'Bearer x', 'AWS AKIA:sig', s3Example.authorization.slice(0, -1)])
    expect(parseAuthorization(header)).toBeUndefined();
  expect(parseAmzDate('20130524')).toBeNaN();
});
