import { expect, test } from 'vitest';
import { readDeletion } from './delete-many.ts';

test('keys come with their entities resolved, in order', () => {
  const document = `<?xml version="1.0" encoding="UTF-8"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a&amp;&lt;b&gt;&#x1F431;&#13;</Key></Object><Object><Key>ü</Key></Object><Quiet>true</Quiet></Delete>`;
  expect(readDeletion(document)).toEqual({ keys: ['a&<b>🐱\r', 'ü'], quiet: true });
});

test.each([
  '',
  '<Delete></Delete>',
  '<Delete><Object></Object></Delete>',
  '<Delete><Object><Key></Key></Object></Delete>',
  '<Other><Object><Key>k</Key></Object></Other>',
  '<Delete><Object><Key>&#x110000;</Key></Object></Delete>',
])('%s is MalformedXML', (document) => {
  expect(() => readDeletion(document)).toThrow('not well-formed');
});

test('a version is refused, for deleting the present object instead would be a silent success', () => {
  const document = '<Delete><Object><Key>k</Key><VersionId>v</VersionId></Object></Delete>';
  expect(() => readDeletion(document)).toThrow('VersionId');
});
