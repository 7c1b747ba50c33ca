import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readLiteral } from './literal.ts';
import {
  decodeSeedRequest,
  encodeSeedReply,
  encodeSeedRequest,
  failureLabel,
  failureOf,
  readSeedReply,
  seedForms,
  stemOf,
  wireName,
} from './seed.ts';

const image = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 250]);
const text = image.toString('base64');

describe('requests on the wire of the course project', () => {
  // What CPython 3.11 prints for str(("test_0.JPEG", b64)), json.dumps(...) and so on.
  test.each([
    ['name,base64', `test_0.JPEG,${text}`],
    ['with a space', `test_0.JPEG, ${text}\n`],
    ['name:base64', `test_0.JPEG:${text}`],
    ["str() of Python's tuple", `('test_0.JPEG', '${text}')`],
    ['of one with bytes', `('test_0.JPEG', b'${text}')`],
    ['in double quotes', `("test_0.JPEG","${text}")`],
    ['a tuple without quotes', `(test_0.JPEG, ${text})`],
    ["Python's list", `['test_0.JPEG', '${text}']`],
    ['a JSON array', JSON.stringify(['test_0.JPEG', text])],
    ['a JSON object', JSON.stringify({ name: 'test_0.JPEG', image: text })],
    ['other fields', JSON.stringify({ filename: 'test_0.JPEG', image_data: text })],
    ['more fields', JSON.stringify({ unique_id: '7', file_name: 'test_0.JPEG', encoded_image: text })],
    ["str() of Python's dictionary", `{'imageName': 'test_0.JPEG', 'base64': '${text}', 'n': None}`],
    ['a "file" that is the name', JSON.stringify({ file: 'test_0.JPEG', image: text })],
    ['a "file" that is the image', JSON.stringify({ file: text, name: 'test_0.JPEG' })],
    ['a data URL', JSON.stringify({ name: 'test_0.JPEG', image: `data:image/jpeg;base64,${text}` })],
  ])('%s', (_what, body) => {
    expect(decodeSeedRequest(body)).toEqual({ kind: 'ok', value: { name: 'test_0.JPEG', image } });
  });

  test('a name with a comma: the image is what follows the last one', () => {
    expect(decodeSeedRequest(`a, b.JPEG,${text}`)).toEqual({
      kind: 'ok',
      value: { name: 'a, b.JPEG', image },
    });
  });

  test('base64 alone, with the name as an attribute', () => {
    expect(decodeSeedRequest(text, { ImageName: 'test_0.JPEG', other: 'x' })).toEqual({
      kind: 'ok',
      value: { name: 'test_0.JPEG', image },
    });
  });

  test.each([
    ['', /name/],
    ['hello', /name/],
    [text, /name/],
    ['test_0.JPEG,', /name/],
    ['test_0.JPEG,not base64!', /image/],
    ['{"name":"test_0.JPEG"}', /image/],
    ['{"v":1,"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","image":{"key":"images/a"}}', /name/],
    [JSON.stringify({ name: 'x'.repeat(2_000), image: text }), /name/],
  ])('%j is none', (body, reason) => {
    expect(decodeSeedRequest(body)).toMatchObject({
      kind: 'malformed',
      reason: expect.stringMatching(reason),
    });
  });

  test('are written exactly so', () => {
    const request = { name: 'test_0.JPEG', image };
    expect(encodeSeedRequest('plain', request)).toBe(`test_0.JPEG,${text}`);
    expect(encodeSeedRequest('tuple', request)).toBe(`('test_0.JPEG', '${text}')`);
    expect(encodeSeedRequest('json', request)).toBe(`{"name":"test_0.JPEG","image":"${text}"}`);
  });

  test('come back as they went, whatever the name', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...seedForms),
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        (form, given, bytes) => {
          const name = wireName(given).trim();
          fc.pre(name !== '');
          const body = encodeSeedRequest(form, { name, image: Buffer.from(bytes) });
          expect(decodeSeedRequest(body)).toEqual({ kind: 'ok', value: { name, image: Buffer.from(bytes) } });
        },
      ),
    );
  });

  test('of a million characters are read at once', () => {
    const large = Buffer.alloc(700_000, 7);
    for (const form of seedForms) {
      const decoded = decodeSeedRequest(encodeSeedRequest(form, { name: 'a.jpg', image: large }));
      expect(decoded.kind === 'ok' && decoded.value.image.equals(large)).toBe(true);
    }
  });
});

describe('replies on the wire of the course project', () => {
  test.each([
    '(test_0.JPEG, tabby cat)',
    "('test_0.JPEG', 'tabby cat')",
    '("test_0.JPEG", "tabby cat")',
    'test_0.JPEG,tabby cat',
    'test_0.JPEG:tabby cat\n',
    '["test_0.JPEG","tabby cat"]',
    '{"name":"test_0.JPEG","label":"tabby cat"}',
    '{"image_name": "test_0.JPEG", "classification_result": "tabby cat"}',
    '{"test_0.JPEG": "tabby cat"}',
  ])('%s', (body) => {
    expect(readSeedReply(body)[0]).toEqual({ name: 'test_0.JPEG', label: 'tabby cat' });
  });

  test('with commas can be read in more than one way', () => {
    expect(readSeedReply('(a, b.jpg, great white shark, white shark)')).toEqual([
      { name: 'a', label: 'b.jpg, great white shark, white shark' },
      { name: 'a, b.jpg', label: 'great white shark, white shark' },
      { name: 'a, b.jpg, great white shark', label: 'white shark' },
    ]);
  });

  test.each(['', 'hello', '{}', '[]', '((((((((((((', '{"a":'])('%j says nothing', (body) => {
    expect(readSeedReply(body)).toEqual([]);
  });

  test('are written exactly so', () => {
    const reply = { name: 'test_0.JPEG', label: "potter's wheel" };
    expect(encodeSeedReply('plain', reply)).toBe("(test_0.JPEG, potter's wheel)");
    expect(encodeSeedReply('tuple', reply)).toBe("('test_0.JPEG', 'potter\\'s wheel')");
    expect(encodeSeedReply('json', reply)).toBe('{"name":"test_0.JPEG","label":"potter\'s wheel"}');
  });

  test('a failure is a label that says why', () => {
    expect(failureOf(failureLabel('image-undecodable'))).toBe('image-undecodable');
    expect(failureOf(failureLabel('classifier crashed'))).toBe('not-classified');
    expect(failureOf('tabby cat')).toBeUndefined();
  });
});

describe('names on the wire', () => {
  test.each([
    ['test_0.JPEG', 'test_0.JPEG', 'test_0'],
    ['../../etc/passwd', 'passwd', 'passwd'],
    ['C:\\pictures\\a,b.jpg', 'a_b.jpg', 'a_b'],
    ["it's\n.png", 'it_s_.png', 'it_s_'],
    ['photo (1).jpg', 'photo (1).jpg', 'photo (1)'],
    ['猫.jpg', '猫.jpg', '猫'],
  ])('%j is %s, its label is stored under %s', (given, name, stem) => {
    expect(wireName(given)).toBe(name);
    expect(stemOf(name)).toBe(stem);
  });
});

describe('a literal', () => {
  test('of JSON is read as JSON.parse reads it', () => {
    const tree = fc.letrec((tie) => ({
      value: fc.oneof(
        // No deeper than a literal may be.
        { depthSize: 'small', maxDepth: 7 },
        fc.string(),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 3 }),
      ),
    })).value;
    fc.assert(
      fc.property(tree, (value) => {
        const json = JSON.stringify(value);
        expect(JSON.stringify(readLiteral(json))).toBe(json);
      }),
    );
  });

  test.each([
    ['PHP\'s "\\/" in base64', JSON.stringify('/'.repeat(500_000)).replaceAll('/', '\\/')],
    ['many strings', `["${Array.from({ length: 200_000 }, () => 'a').join('","')}"]`],
  ])('of a million characters takes no time, with %s', (_what, json) => {
    const startedAt = performance.now();
    expect(readLiteral(json)).toEqual(JSON.parse(json));
    // Looking for the end of the string at every backslash, or for a backslash in every string, takes several times as long.
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  });

  test('of whatever depth is read or is none', () => {
    expect(readLiteral('[[[1]]]')).toEqual([[[1]]]);
    expect(readLiteral('['.repeat(100_000))).toBeUndefined();
  });

  test('of whatever text is read or is none, and never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (any) => void readLiteral(any)));
  });
});
