import { expect, test } from 'vitest';
import { attributesMd5, readOutgoing, selectAttributes } from './content.ts';

test('the MD5 of attributes is what AWS computes', () => {
  // Golden: Python's hashlib over the documented encoding (length-prefixed name, type, transport byte, value).
  expect(attributesMd5({ timestamp: { DataType: 'Number', StringValue: '1493147359900' } })).toBe(
    '235c5c510d26fb653d073faed50ae77c',
  );
  expect(attributesMd5({})).toBeUndefined();
});

test('attributes count towards the size of a message', () => {
  expect(
    readOutgoing({ MessageBody: 'é', MessageAttributes: { ab: { DataType: 'Binary', BinaryValue: 'AAAA' } } })
      .bytes,
  ).toBe(2 + 2 + 6 + 3);
});

test.each([
  ['an empty body', { MessageBody: '' }],
  ['a control character', { MessageBody: 'a\u0000' }],
  ['half a surrogate pair', { MessageBody: '\ud800' }],
  ['U+FFFE', { MessageBody: '\ufffe' }],
  ['a body that is no string', { MessageBody: 5 }],
  ['an attribute without a type', { MessageBody: 'a', MessageAttributes: { x: { StringValue: 'v' } } }],
  [
    'an attribute of an unknown type',
    { MessageBody: 'a', MessageAttributes: { x: { DataType: 'Text', StringValue: 'v' } } },
  ],
  [
    'a number that is none',
    { MessageBody: 'a', MessageAttributes: { x: { DataType: 'Number', StringValue: 'one' } } },
  ],
  [
    'a reserved attribute name',
    { MessageBody: 'a', MessageAttributes: { 'AWS.x': { DataType: 'String', StringValue: 'v' } } },
  ],
])('%s is refused', (_name, input) => {
  expect(() => readOutgoing(input)).toThrow();
});

test('an attribute named __proto__ is an attribute like any other', () => {
  const input = JSON.parse(
    '{"MessageBody":"a","MessageAttributes":{"__proto__":{"DataType":"String","StringValue":"v"}}}',
  );
  expect(Object.keys(readOutgoing(input).attributes ?? {})).toEqual(['__proto__']);
});

test('a receiver gets the attributes it asked for by name, prefix or all', () => {
  const text = (value: string) => ({ DataType: 'String', StringValue: value });
  const attributes = { 'a.x': text('1'), 'a.y': text('2'), b: text('3') };
  const chosen = (...wanted: string[]) => Object.keys(selectAttributes(attributes, wanted) ?? {});
  expect(chosen('b')).toEqual(['b']);
  expect(chosen('a.*')).toEqual(['a.x', 'a.y']);
  expect(chosen('All')).toEqual(['a.x', 'a.y', 'b']);
  expect(chosen()).toEqual([]);
});
