import { describe, expect, it } from 'vitest';
import { type Exchange, labelOf, outcomeOf, pauseMsAfter } from './exchange.ts';

const response = (
  status: number,
  body: string,
  more: { id?: string; contentType?: string; retryAfterSeconds?: number } = {},
): Exchange => ({
  kind: 'response',
  status,
  body,
  id: more.id,
  contentType: more.contentType ?? 'text/plain; charset=utf-8',
  retryAfterSeconds: more.retryAfterSeconds,
});

const broken = (more: { status?: number; id?: string; unreachable?: boolean }): Exchange => ({
  kind: 'broken',
  reason: 'other side closed',
  unreachable: more.unreachable ?? false,
  status: more.status,
  id: more.id,
});

describe('outcomeOf', () => {
  it.each<[string, Exchange, string]>([
    ['200 with a label is answered', response(200, 'bathtub\n', { id: 'a' }), 'answered'],
    ['200 of a server without ids is answered', response(200, 'bathtub'), 'answered'],
    ['200 without a label failed', response(200, ' \n', { id: 'a' }), 'failed'],
    ['503 is refused', response(503, 'Unavailable', { id: 'a' }), 'refused'],
    ['429 is refused', response(429, ''), 'refused'],
    ['504 with an id is unanswered', response(504, 'No answer in time', { id: 'a' }), 'unanswered'],
    ['504 without an id failed', response(504, ''), 'failed'],
    ['413 failed', response(413, 'too large', { id: 'a' }), 'failed'],
    ['422 failed', response(422, 'undecodable', { id: 'a' }), 'failed'],
    ['500 failed', response(500, '', { id: 'a' }), 'failed'],
    ['302 failed: redirects are not followed', response(302, ''), 'failed'],
    ['a connection that broke before an answer failed', broken({}), 'failed'],
    [
      'a connection that broke within a 200 with an id is unanswered',
      broken({ status: 200, id: 'a' }),
      'unanswered',
    ],
    ['a connection that broke within a 200 without an id failed', broken({ status: 200 }), 'failed'],
    ['a connection that broke within a 503 is refused', broken({ status: 503, id: 'a' }), 'refused'],
    ['a connection that broke within a 422 failed', broken({ status: 422, id: 'a' }), 'failed'],
  ])('%s', (_sentence, exchange, kind) => {
    expect(outcomeOf(exchange, 'test_0.JPEG').kind).toBe(kind);
  });

  it('says what the server said, on one line and not for ever', () => {
    const outcome = outcomeOf(response(422, `bad\n  image ${'x'.repeat(1_000)}`), 'a.jpg');
    expect(outcome).toMatchObject({ reason: expect.stringMatching(/^HTTP 422 bad image x{100,120}$/) });
  });
});

describe('labelOf', () => {
  it.each([
    ['bathtub', 'text/plain', 'bathtub'],
    [' bathtub\r\n', 'text/plain', 'bathtub'],
    ['test_0:bathtub', 'text/plain', 'bathtub'],
    ['test_0.JPEG: bathtub', 'text/plain', 'bathtub'],
    ['(test_0, bathtub)', 'text/plain', 'bathtub'],
    ['(test_0.JPEG,bathtub)', 'text/plain', 'bathtub'],
    ['test_1:bathtub', 'text/plain', 'test_1:bathtub'],
    ['{"label":"bathtub","probability":0.9}', 'application/json; charset=utf-8', 'bathtub'],
    ['{"label":null}', 'application/json', ''],
    ['{', 'application/json', ''],
  ])('%s as %s is "%s"', (body, contentType, label) => {
    expect(labelOf(body, contentType, 'test_0.JPEG')).toBe(label);
  });
});

describe('pauseMsAfter', () => {
  it.each<[string, Exchange, number]>([
    ['an answer: none', response(200, 'bathtub'), 0],
    ['a failure: none', response(500, ''), 0],
    ['a refusal: what it says', response(503, '', { retryAfterSeconds: 3 }), 3_000],
    ['a refusal that says nothing: a second', response(429, ''), 1_000],
    ['a refusal that says a day: half a minute', response(503, '', { retryAfterSeconds: 86_400 }), 30_000],
    ['no connection: a second', broken({ unreachable: true }), 1_000],
    ['a broken connection: none', broken({}), 0],
  ])('after %s', (_sentence, exchange, ms) => {
    expect(pauseMsAfter(exchange)).toBe(ms);
  });
});
