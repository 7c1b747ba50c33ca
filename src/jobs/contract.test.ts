import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeReply, decodeRequest, encode, type JobRequest } from './contract.ts';
import { isJobId, newJobId } from './id.ts';

const request: JobRequest = {
  v: 1,
  id: 'abcdefghijklmnopqrstuvwxyz',
  image: { key: 'images/abcdefghijklmnopqrstuvwxyz', sha256: 'a'.repeat(64), bytes: 3, type: 'image/jpeg' },
  name: 'cat.jpg',
  replyTo: 'web-1',
  topK: 5,
};
const changed = (change: object) => JSON.stringify({ ...request, ...change });

describe('the message contract', () => {
  test('a request survives the wire', () => {
    expect(decodeRequest(encode(request))).toEqual({ kind: 'ok', value: request });
  });

  test('unknown fields are ignored', () => {
    expect(decodeRequest(changed({ colour: 'red' }))).toEqual({ kind: 'ok', value: request });
  });

  test('a newer version is told apart from a malformed message', () => {
    expect(decodeRequest(JSON.stringify({ v: 2, everything: 'else' }))).toEqual({
      kind: 'newer',
      version: 2,
    });
  });

  test.each([
    ['not JSON', '{"v":1'],
    ['no version', changed({ v: undefined })],
    ['an older version than any', changed({ v: 0 })],
    ['a reply queue named by a URL', changed({ replyTo: 'https://sqs.example.com/1/q' })],
    ['a reply queue with capitals', changed({ replyTo: 'Web' })],
    ['a reply queue name of 41 characters', changed({ replyTo: 'a'.repeat(41) })],
    ['an id that is a path', changed({ id: '../../etc/passwd' })],
    ['a sha256 of the wrong length', changed({ image: { ...request.image, sha256: 'ab' } })],
    ['topK of 0', changed({ topK: 0 })],
    ['an array', '[]'],
    ['null', 'null'],
    ['a bare __proto__', '{"__proto__":{"v":1}}'],
  ])('malformed: %s', (_what, body) => {
    expect(decodeRequest(body).kind).toBe('malformed');
  });

  test('__proto__ in a message changes nothing', () => {
    const body = encode(request).replace('{"v":1', '{"__proto__":{"polluted":true},"v":1');
    expect(decodeRequest(body)).toEqual({ kind: 'ok', value: request });
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('no text makes a decoder throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (body) => {
        expect(['ok', 'newer', 'malformed']).toContain(decodeRequest(body).kind);
        expect(['ok', 'newer', 'malformed']).toContain(decodeReply(body).kind);
      }),
    );
  });

  test('ids are 26 characters of base32, and do not repeat', () => {
    const ids = Array.from({ length: 1_000 }, newJobId);
    expect(ids.every(isJobId)).toBe(true);
    expect(new Set(ids).size).toBe(1_000);
  });
});
