import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { joined } from '../chunks.ts';
import { checkBody, decodeChunked } from './body.ts';
import { crc32Base64, crc32ByTable } from './crc.ts';

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

/** The wire form of a body, cut at `sizes`, with `suffix` behind each chunk size. */
const encode = (body: Buffer, sizes: readonly number[], suffix: string, trailers: string): Buffer => {
  const parts: Buffer[] = [];
  let position = 0;
  for (const size of [...sizes, body.length]) {
    const chunk = body.subarray(position, position + size);
    if (chunk.length === 0) continue;
    parts.push(Buffer.from(`${chunk.length.toString(16)}${suffix}\r\n`), chunk, Buffer.from('\r\n'));
    position += chunk.length;
  }
  return Buffer.concat([...parts, Buffer.from(`0${suffix}\r\n${trailers}\r\n`)]);
};

test('the bytes that the SDK sends for a stream are unwrapped, with their trailer', () => {
  // As @aws-sdk/client-s3 3.1173 put it on the wire for the body "hi".
  expect(decodeChunked(Buffer.from('2\r\nhi\r\n0\r\nx-amz-checksum-crc32:2JMqrA==\r\n\r\n'))).toEqual({
    body: [Buffer.from('hi')],
    trailers: expect.objectContaining({ 'x-amz-checksum-crc32': '2JMqrA==' }),
  });
});

test('any body comes out of any chunks, signed or not', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 500 }),
      fc.array(fc.integer({ min: 1, max: 100 })),
      fc.boolean(),
      (bytes, sizes, signed) => {
        const suffix = signed ? `;chunk-signature=${'0'.repeat(64)}` : '';
        const { body } = decodeChunked(
          encode(Buffer.from(bytes), sizes, suffix, 'x-amz-trailer-signature:00\r\n'),
        );
        expect(joined(body).equals(Buffer.from(bytes))).toBe(true);
      },
    ),
  );
});

test.each([
  ['a cut chunk', '5\r\nabc'],
  ['no last chunk', '2\r\nhi\r\n'],
  ['a size that is none', 'zz\r\nhi\r\n0\r\n\r\n'],
  ['a negative size', '-1\r\nhi\r\n0\r\n\r\n'],
  ['a chunk longer than its size', '1\r\nhi\r\n0\r\n\r\n'],
  ['a size beyond any body', 'ffffffff\r\nhi\r\n0\r\n\r\n'],
  ['nothing', ''],
])('%s is refused as IncompleteBody', (_name, wire) => {
  expect(() => decodeChunked(Buffer.from(wire))).toThrow(expect.objectContaining({ code: 'IncompleteBody' }));
});

test('CRC-32 gives the check value of its definition, by zlib and by table', () => {
  // Golden: "123456789" gives CBF43926 in every catalogue of CRCs (CRC-32/ISO-HDLC).
  expect(crc32Base64(Buffer.from('123456789'))).toBe(Buffer.from('cbf43926', 'hex').toString('base64'));
  expect(crc32ByTable(Buffer.from('123456789'))).toBe(0xcbf43926);
});

const body = Buffer.from('hi');
const streaming = {
  'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'x-amz-decoded-content-length': '2',
  'x-amz-trailer': 'x-amz-checksum-crc32',
};

test.each([
  [
    'a wrong SHA-256',
    { 'x-amz-content-sha256': sha256(Buffer.from('ho')) },
    'hi',
    'XAmzContentSHA256Mismatch',
  ],
  [
    'a wrong CRC-32',
    { 'x-amz-content-sha256': sha256(body), 'x-amz-checksum-crc32': 'AAAAAA==' },
    'hi',
    'BadDigest',
  ],
  [
    'a wrong Content-MD5',
    { 'x-amz-content-sha256': sha256(body), 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' },
    'hi',
    'BadDigest',
  ],
  [
    'a Content-MD5 that is none',
    { 'x-amz-content-sha256': sha256(body), 'content-md5': 'AAAA' },
    'hi',
    'InvalidDigest',
  ],
  [
    'a checksum nobody here can compute',
    { 'x-amz-content-sha256': sha256(body), 'x-amz-checksum-xxhash64': 'x' },
    'hi',
    'NotImplemented',
  ],
  [
    'a wrong CRC-32 in the trailer',
    streaming,
    '2\r\nhi\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n',
    'BadDigest',
  ],
  ['a promised trailer that does not come', streaming, '2\r\nhi\r\n0\r\n\r\n', 'MalformedTrailerError'],
  [
    'another decoded length',
    { ...streaming, 'x-amz-decoded-content-length': '3' },
    '2\r\nhi\r\n0\r\nx-amz-checksum-crc32:2JMqrA==\r\n\r\n',
    'IncompleteBody',
  ],
])('%s is refused', (_name, headers, wire, code) => {
  expect(() => checkBody(headers, [Buffer.from(wire)])).toThrow(expect.objectContaining({ code }));
});
