import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyCheck, newApiKey, parseApiKeys, renderApiKeys, rotated } from './api-keys.ts';

const key = 'a'.repeat(16);

describe('a text of API keys', () => {
  test('has one a line, with a name or without; empty lines and comments say nothing', () => {
    const text = `# for the phone app\nphone:${key}\r\n\n  batch.job@night:${key}b==  \n${key}c\n`;
    expect(parseApiKeys(text, 'keys')).toEqual([
      { name: 'phone', key },
      { name: 'batch.job@night', key: `${key}b==` },
      { name: expect.stringMatching(/^key-[0-9a-f]{8}$/), key: `${key}c` },
    ]);
  });

  test.each([
    ['nothing', '', 'holds no API key'],
    ['only comments', '# none yet\n', 'holds no API key'],
    ['a key that can be guessed', 'phone:secret', 'line 1 of keys'],
    ['a space in a key', `${key}\n${key} ${key}`, 'line 2 of keys'],
    ['a name that could forge a log line', `a b:${key}`, 'line 1 of keys'],
  ])('with %s is refused, without a word of what stands there', (_what, text, message) => {
    const parse = () => parseApiKeys(text, 'keys');
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(/secret|aaaa/);
  });

  test('is what newly made keys are written as', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), (count) => {
        const keys = Array.from({ length: count }, newApiKey);
        expect(parseApiKeys(renderApiKeys(keys), 'keys')).toEqual(keys);
      }),
    );
  });
});

test('a new key has 256 bits, and its name none of them', () => {
  const { name, key: made } = newApiKey();
  expect(Buffer.from(made, 'base64url')).toHaveLength(32);
  expect(made).not.toContain(name.replace('key-', ''));
  expect(newApiKey().key).not.toBe(made);
});

test('after a rotation the new key and the one before hold, after two the first is gone', () => {
  const [first, second, third] = [newApiKey(), newApiKey(), newApiKey()];
  expect(rotated([first], second)).toEqual([second, first]);
  expect(rotated(rotated([first], second), third)).toEqual([third, second]);
});

describe('the check', () => {
  const keys = parseApiKeys(`phone:${key}\nbatch:${key}b`, 'keys');
  const check = keyCheck(keys);

  test.each([
    [key, 'phone'],
    [`${key}b`, 'batch'],
    [key.slice(1), undefined],
    [`${key}c`, undefined],
    ['', undefined],
    [`phone:${key}`, undefined],
  ])('%j is of %j', (presented, name) => {
    expect(check(presented)).toBe(name);
  });
});
