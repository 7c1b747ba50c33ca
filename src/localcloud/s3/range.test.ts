import { expect, test } from 'vitest';
import { readRange } from './range.ts';

test.each([
  ['bytes=0-0', 10, { first: 0, last: 0 }],
  ['bytes=2-4', 10, { first: 2, last: 4 }],
  ['bytes=7-', 10, { first: 7, last: 9 }],
  ['bytes=7-99', 10, { first: 7, last: 9 }],
  ['bytes=-3', 10, { first: 7, last: 9 }],
  ['bytes=-99', 10, { first: 0, last: 9 }],
])('%s of %i bytes', (header, size, expected) => {
  expect(readRange(header, size)).toEqual(expected);
});

test.each(['bytes=4-2', 'bytes=-', 'bytes=1-2,4-5', 'lines=1-2', 'bytes=a-b', '', undefined])(
  '%s is ignored',
  (header) => expect(readRange(header, 10)).toBeUndefined(),
);

test.each([
  ['bytes=10-', 10],
  ['bytes=-0', 10],
  ['bytes=0-', 0],
])('%s of %i bytes is InvalidRange', (header, size) => {
  expect(() => readRange(header, size)).toThrow('not satisfiable');
});
