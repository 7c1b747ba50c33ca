import type { IncomingHttpHeaders } from 'node:http';
import { headerOf, Refusal } from '../answer.ts';
import { bytesOf, type Chunks, joined } from '../chunks.ts';
import { digestOfChunks } from '../digest.ts';
import { crc32Base64, crc32cBase64, crc64NvmeBase64 } from './crc.ts';

const incomplete = (message: string): Refusal => new Refusal('IncompleteBody', message);

export interface Unwrapped {
  readonly body: Chunks;
  readonly trailers: Readonly<Record<string, string>>;
}

/**
 * The content of an aws-chunked body: `SIZE[;chunk-signature=…]CRLF DATA CRLF` … `0 CRLF` trailers `CRLF`.
 * Signatures of chunks are not checked; the seed signature and the checksums are.
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
export const decodeChunked = (wire: Buffer): Unwrapped => {
  const chunks: Buffer[] = [];
  let position = 0;
  const line = (): string => {
    const end = wire.indexOf('\r\n', position, 'latin1');
    if (end < 0) throw incomplete('The aws-chunked body ends inside a line.');
    const text = wire.toString('latin1', position, end);
    position = end + 2;
    return text;
  };
  for (;;) {
    const size = line().split(';', 1)[0] ?? '';
    if (!/^[0-9a-fA-F]{1,8}$/.test(size)) throw incomplete(`'${size.slice(0, 20)}' is not a chunk size.`);
    const bytes = Number.parseInt(size, 16);
    if (bytes === 0) break;
    const end = position + bytes;
    if (end + 2 > wire.length) throw incomplete('The aws-chunked body ends inside a chunk.');
    if (wire[end] !== 13 || wire[end + 1] !== 10) throw incomplete('A chunk is longer than its size says.');
    chunks.push(wire.subarray(position, end));
    position = end + 2;
  }
  const trailers: Record<string, string> = Object.create(null);
  while (position < wire.length) {
    const text = line();
    if (text === '') break;
    const colon = text.indexOf(':');
    if (colon > 0) trailers[text.slice(0, colon).trim().toLowerCase()] = text.slice(colon + 1).trim();
  }
  return { body: chunks, trailers };
};

const inBase64 = (algorithm: 'sha1' | 'sha256') => (body: Chunks) =>
  digestOfChunks(algorithm, body, 'base64');

const checksums: Readonly<Record<string, (body: Chunks) => string>> = {
  'x-amz-checksum-crc32': (body) => crc32Base64(joined(body)),
  'x-amz-checksum-crc32c': (body) => crc32cBase64(joined(body)),
  'x-amz-checksum-crc64nvme': (body) => crc64NvmeBase64(joined(body)),
  'x-amz-checksum-sha1': inBase64('sha1'),
  'x-amz-checksum-sha256': inBase64('sha256'),
};

const notChecksums = new Set(['x-amz-checksum-algorithm', 'x-amz-checksum-mode', 'x-amz-checksum-type']);

export interface CheckedBody {
  readonly body: Chunks;
  /** MD5 as hex, which is the ETag. */
  readonly md5: string;
  /** The `x-amz-checksum-*` headers that were sent and hold. */
  readonly checksums: Readonly<Record<string, string>>;
}

/** Unwraps aws-chunked and verifies every digest that the client sent. Throws the Refusals that S3 answers. */
export const checkBody = (headers: IncomingHttpHeaders, wire: Chunks): CheckedBody => {
  const payload = headerOf(headers, 'x-amz-content-sha256') ?? '';
  const streaming = payload.startsWith('STREAMING-');
  const { body, trailers } = streaming ? decodeChunked(joined(wire)) : { body: wire, trailers: {} };
  if (streaming) {
    const length = headerOf(headers, 'x-amz-decoded-content-length');
    if (length === undefined)
      throw new Refusal('MissingContentLength', 'x-amz-decoded-content-length is needed.', 411);
    if (Number(length) !== bytesOf(body))
      throw incomplete('The body has not the number of bytes of x-amz-decoded-content-length.');
  } else if (payload !== 'UNSIGNED-PAYLOAD' && payload !== digestOfChunks('sha256', body, 'hex'))
    throw new Refusal(
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );

  const md5 = digestOfChunks('md5', body, 'hex');
  const sentMd5 = headerOf(headers, 'content-md5');
  if (sentMd5 !== undefined) {
    if (Buffer.from(sentMd5, 'base64').length !== 16)
      throw new Refusal('InvalidDigest', 'The Content-MD5 you specified was invalid.');
    if (Buffer.from(sentMd5, 'base64').toString('hex') !== md5)
      throw new Refusal('BadDigest', 'The Content-MD5 you specified did not match what we received.');
  }

  const found: Record<string, string> = {};
  for (const name of [...Object.keys(headers), ...Object.keys(trailers)]) {
    if (!name.startsWith('x-amz-checksum-') || notChecksums.has(name)) continue;
    const compute = checksums[name];
    if (!compute) throw new Refusal('NotImplemented', `The local cloud cannot verify ${name}.`, 501);
    const sent = trailers[name] ?? headerOf(headers, name) ?? '';
    if (compute(body) !== sent)
      throw new Refusal('BadDigest', `The ${name} you specified did not match what we received.`);
    found[name] = sent;
  }
  const promised = headerOf(headers, 'x-amz-trailer');
  if (promised?.startsWith('x-amz-checksum-') && !(promised in found))
    throw new Refusal('MalformedTrailerError', `The trailer ${promised} is missing.`);
  return { body, md5, checksums: found };
};
