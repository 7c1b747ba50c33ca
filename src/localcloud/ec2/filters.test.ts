import { expect, test } from 'vitest';
import { readParameters } from '../query.ts';
import { type Filterable, readFilters, wildcard } from './filters.ts';
import { readUserData } from './userdata.ts';

test.each([
  ['imgrec-*', 'imgrec-worker', true],
  ['imgrec-*', 'imgrec-', true],
  ['imgrec-*', 'other-imgrec-worker', false],
  ['i-?', 'i-1', true],
  ['i-?', 'i-12', false],
  ['a.c', 'abc', false],
  ['a\\*c', 'a*c', true],
  ['a\\*c', 'abc', false],
  ['(x)[y]', '(x)[y]', true],
])('the pattern %s on %s: %s', (pattern, text, matches) => {
  expect(wildcard(pattern).test(text)).toBe(matches);
});

const resource = { state: 'running', tags: { cluster: 'one', role: 'worker' } };
const filterable: Filterable<typeof resource> = { 'instance-state-name': ({ state }) => [state] };
const filter = (query: string) =>
  readFilters(readParameters(Buffer.from(query)), filterable, ({ tags }) => tags);

test.each([
  ['nothing', '', true],
  ['a tag', 'Filter.1.Name=tag%3Acluster&Filter.1.Value.1=two&Filter.1.Value.2=one', true],
  ['another value of a tag', 'Filter.1.Name=tag%3Acluster&Filter.1.Value.1=two', false],
  ['a tag key', 'Filter.1.Name=tag-key&Filter.1.Value.1=role', true],
  ['a tag called like a method', 'Filter.1.Name=tag%3AtoString&Filter.1.Value.1=*', false],
  [
    'one that holds and one that does not',
    'Filter.1.Name=tag-key&Filter.1.Value.1=role&Filter.2.Name=instance-state-name&Filter.2.Value.1=pending',
    false,
  ],
])('filtering by %s', (_name, query, matches) => {
  expect(filter(query)(resource)).toBe(matches);
});

test('an unknown filter is refused', () => {
  expect(() => filter('Filter.1.Name=colour&Filter.1.Value.1=red')).toThrow("'colour' is invalid");
});

const userData = (text: string): string => readUserData(Buffer.from(text).toString('base64'));

test('of user data only the JSON of the second line is read', () => {
  expect(userData('#!/bin/sh\n# imgrec {"v":1}\nrm -rf /\n# imgrec {"v":2}')).toBe('{"v":1}');
  expect(userData('#!/bin/sh\r\n# imgrec {"v":1}\r\n')).toBe('{"v":1}');
});

test.each([
  ['none', ''],
  ['the line in another place', '# imgrec {"v":1}\n'],
  ['no JSON', '#!/bin/sh\n# imgrec $(id)\n'],
  ['a list', '#!/bin/sh\n# imgrec []\n'],
  ['more than 16 KB', `#!/bin/sh\n# imgrec {}\n${'x'.repeat(16_384)}`],
])('user data is refused: %s', (_name, text) => {
  expect(() => userData(text)).toThrow();
});
