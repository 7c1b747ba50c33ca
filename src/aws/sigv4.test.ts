import { describe, expect, test } from 'vitest';
import { sha256Hex, signedHeaders } from './sigv4.ts';

const scope = {
  region: 'us-east-1',
  credentials: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  },
  date: new Date('2013-05-24T00:00:00Z'),
} as const;

const signatureOf = (headers: Record<string, string>) =>
  /Signature=([0-9a-f]{64})$/.exec(headers['authorization'] ?? '')?.[1];

describe('Signature Version 4', () => {
  // "Examples: Signature Calculations", Amazon S3 API Reference.
  test('signs the GET of the S3 documentation', () => {
    const payloadSha256 = sha256Hex('');
    const headers = signedHeaders(
      {
        method: 'GET',
        path: '/test.txt',
        payloadSha256,
        headers: {
          host: 'examplebucket.s3.amazonaws.com',
          range: 'bytes=0-9',
          'x-amz-content-sha256': payloadSha256,
        },
      },
      { ...scope, service: 's3' },
    );
    expect(signatureOf(headers)).toBe('f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41');
  });

  test('signs the PUT of the S3 documentation', () => {
    const payloadSha256 = sha256Hex('Welcome to Amazon S3.');
    const headers = signedHeaders(
      {
        method: 'PUT',
        path: '/test%24file.text',
        payloadSha256,
        headers: {
          date: 'Fri, 24 May 2013 00:00:00 GMT',
          host: 'examplebucket.s3.amazonaws.com',
          'x-amz-content-sha256': payloadSha256,
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        },
      },
      { ...scope, service: 's3' },
    );
    expect(signatureOf(headers)).toBe('98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd');
  });

  test('temporary credentials bring their token, signed', () => {
    const credentials = { ...scope.credentials, sessionToken: 'token' };
    const headers = signedHeaders(
      { method: 'POST', path: '/', payloadSha256: sha256Hex('{}'), headers: { host: 'h' } },
      { ...scope, credentials, service: 'sqs' },
    );
    expect(headers['x-amz-security-token']).toBe('token');
    expect(headers['authorization']).toContain('SignedHeaders=host;x-amz-date;x-amz-security-token,');
  });

  test('another day, region or service is another signature', () => {
    const sign = (change: object) =>
      signatureOf(
        signedHeaders(
          { method: 'GET', path: '/', payloadSha256: sha256Hex(''), headers: { host: 'h' } },
          { ...scope, service: 's3', ...change },
        ),
      );
    const signatures = [
      {},
      { region: 'eu-west-1' },
      { service: 'sqs' },
      { date: new Date('2013-05-25T00:00:00Z') },
      {},
    ].map(sign);
    expect(new Set(signatures).size).toBe(4);
    expect(signatures[4]).toBe(signatures[0]);
  });
});
