import { describe, expect, test } from 'vitest';
import { existingResources } from './seed-resources.ts';

const none = {
  transport: 'key',
  requestQueue: undefined,
  responseQueue: undefined,
  inputBucket: undefined,
  outputBucket: undefined,
  seedForm: 'plain',
} as const;
const all = {
  ...none,
  transport: 'seed',
  requestQueue: 'req',
  responseQueue: 'resp',
  inputBucket: 'in',
  outputBucket: 'out',
} as const;

describe('the queues and buckets of --transport seed', () => {
  test('are what the settings name', () => {
    expect(existingResources(all)).toEqual({
      requestQueue: 'req',
      responseQueue: 'resp',
      inputBucket: 'in',
      outputBucket: 'out',
      form: 'plain',
    });
    expect(existingResources(none)).toBeUndefined();
  });

  test.each([
    [
      { ...all, responseQueue: undefined, outputBucket: undefined },
      '--transport seed needs --response-queue, --output-bucket',
    ],
    [{ ...all, transport: 'inline' } as const, /^--request-queue, .* are of --transport seed/],
    [{ ...none, inputBucket: 'in' }, /^--input-bucket is of --transport seed, and this is --transport key$/],
    [{ ...all, responseQueue: 'req' }, '--request-queue and --response-queue are both req'],
  ])('are refused when they make no sense: %j', (settings, message) => {
    expect(() => existingResources(settings)).toThrow(
      expect.objectContaining({
        exitCode: 64,
        message: typeof message === 'string' ? message : expect.stringMatching(message),
      }),
    );
  });
});
