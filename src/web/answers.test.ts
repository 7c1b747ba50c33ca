import { describe, expect, test } from 'vitest';
import type { JobResult } from '../jobs/contract.ts';
import { answerOf, problem, renderAnswer } from './answers.ts';

const result: JobResult = {
  v: 1,
  id: 'abcdefghijklmnopqrstuvwxyz',
  status: 'ok',
  label: 'tabby cat',
  probability: 0.5,
  top: [{ label: 'tabby cat', probability: 0.5 }],
  model: { name: 'm', sha256: 's' },
};
const failed = (reason: string): JobResult => ({
  ...result,
  status: 'failed',
  label: null,
  probability: null,
  top: [],
  error: { reason, message: 'because' },
});

describe('answers', () => {
  test.each([
    ['label', 'tabby cat'],
    ['stem:label', 'test_0:tabby cat'],
    ['tuple', '(test_0, tabby cat)'],
  ] as const)('in the form %s', (form, body) => {
    expect(renderAnswer(answerOf(result, 'test_0.JPEG'), form, false)).toMatchObject({ status: 200, body });
  });

  test('as JSON where it is asked for', () => {
    const rendered = renderAnswer(answerOf(result, 'a.jpg'), 'label', true);
    expect(rendered.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(JSON.parse(rendered.body)).toEqual({ ...result, name: 'a.jpg' });
  });

  test.each([
    ['image-undecodable', 422],
    ['image-unsupported', 415],
    ['image-too-large', 413],
    ['image-gone', 500],
    ['dead-letter', 500],
  ])('a job that failed with %s is a %d, never a 200', (reason, status) => {
    expect(renderAnswer(answerOf(failed(reason), 'a'), 'label', false).status).toBe(status);
  });

  test('an expired job is a 504', () => {
    expect(answerOf({ ...result, status: 'expired', label: null }, 'a').status).toBe(504);
  });

  test('a refusal says when to come back', () => {
    expect(
      renderAnswer(problem('id', 503, 'Unavailable', 'later', 2), 'label', false).headers['retry-after'],
    ).toBe('2');
  });
});
