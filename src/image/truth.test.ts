import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImgrecError } from '../errors.ts';
import { packageRoot } from '../package.ts';
import { judge, parseTruth, rightLabels, stemOf } from './truth.ts';

const parse = (text: string) => parseTruth(text, 'truth.csv');

const labelsOf = (text: string, image: string) => {
  const right = rightLabels(parse(text), image);
  return right && [...right];
};

describe('parseTruth reads', () => {
  it.each([
    ['name,label', 'cat.jpg,tabby\n', 'cat.jpg', ['tabby']],
    ['a last line without its end', 'cat.jpg,tabby', 'cat.jpg', ['tabby']],
    ['CRLF and a byte-order mark', '\uFEFFcat.jpg,tabby\r\ndog.jpg,pug\r\n', 'cat.jpg', ['tabby']],
    ['empty lines', '\n\ncat.jpg,tabby\n  \n', 'cat.jpg', ['tabby']],
    ['spaces around both', ' cat.jpg , tabby \n', 'cat.jpg', ['tabby']],
    ['several right labels', 'cat.jpg,tabby| Tiger Cat |', 'cat.jpg', ['tabby', 'tiger cat']],
    [
      'commas in an unquoted label',
      'a.jpg,great white shark, white shark',
      'a.jpg',
      ['great white shark, white shark'],
    ],
    [
      'a quoted label with a comma',
      'a.jpg,"great white shark, white shark"',
      'a.jpg',
      ['great white shark, white shark'],
    ],
    ['a quoted name with a comma and a quote', '"a,""b"".jpg",tabby', 'a,"b".jpg', ['tabby']],
    ['a quote inside an unquoted label', 'a.jpg,jack-o"-lantern', 'a.jpg', ['jack-o"-lantern']],
    ['a line separator of Unicode in a name', '"a\u2028b.jpg",tabby', 'a\u2028b.jpg', ['tabby']],
    ['a key without extension', 'cat,tabby', 'cat.JPEG', ['tabby']],
    ['a key with another extension', 'cat.png,tabby', 'cat.JPEG', ['tabby']],
    ['a key that only looks like a name with extension', 'v1.2,tabby', 'v1.2.jpg', ['tabby']],
    ['the same line twice', 'cat.jpg,tabby\ncat.jpg,Tabby\n', 'cat.jpg', ['tabby']],
    ['a name that is a property of objects', '__proto__,tabby', '__proto__', ['tabby']],
  ])('%s', (_what, text, image, labels) => {
    expect(labelsOf(text, image)).toEqual(labels);
  });

  it.each(['image,label', 'Image,Results', 'name,label', 'FILENAME, Prediction', '"Image","Results"'])(
    'a first line "%s" as a header',
    (header) => {
      const truth = parse(`${header}\ncat.jpg,tabby\n`);
      expect([...truth.byName.keys()]).toEqual(['cat.jpg']);
    },
  );

  it('a header anywhere else as a row', () => {
    expect([...parse('cat.jpg,tabby\nimage,label\n').byName.keys()]).toEqual(['cat.jpg', 'image']);
  });
});

describe('parseTruth refuses', () => {
  it.each([
    ['', 'holds no truth'],
    ['\uFEFF\r\n', 'holds no truth'],
    ['Image,Results\n', 'holds no truth'],
    ['cat.jpg tabby\n', 'line 1 has no comma'],
    ['cat.jpg,tabby\ndog.jpg,\n', 'line 2 has no label'],
    ['cat.jpg,|\n', 'line 1 has no label'],
    [',tabby\n', 'line 1 has no name'],
    ['"cat.jpg,tabby\n', 'line 1 has a quote that is not closed'],
    ['"cat.jpg" tabby\n', 'line 1 has no comma after its quoted name'],
    ['cat.jpg,"tabby\n', 'line 1 has a quote that is not closed'],
    ['cat.jpg,"tabby",x\n', 'line 1 has something after its quoted label'],
    ['cat.jpg,tabby\n\ncat.jpg,pug\n', 'line 3 gives "cat.jpg" another label than line 1'],
  ])('%j', (text, message) => {
    expect(() => parse(text)).toThrow(ImgrecError);
    expect(() => parse(text)).toThrow(`truth.csv`);
    expect(() => parse(text)).toThrow(message);
  });
});

describe('rightLabels', () => {
  it('prefers the exact name', () => {
    expect(labelsOf('a.jpg,cat\na.png,dog\n', 'a.png')).toEqual(['dog']);
  });

  it('prefers a name without extension to one with another extension', () => {
    expect(labelsOf('a.jpg,cat\na,dog\n', 'a.png')).toEqual(['dog']);
  });

  it('does not guess between names that differ only in extension and in labels', () => {
    expect(labelsOf('a.jpg,cat\na.png,dog\na.gif,cat\n', 'a.webp')).toBeUndefined();
    expect(labelsOf('a.jpg,cat\na.png,CAT\n', 'a.webp')).toEqual(['cat']);
  });

  it('does not know other images', () => {
    expect(labelsOf('a.jpg,cat\n', 'b.jpg')).toBeUndefined();
    expect(labelsOf('a.jpg,cat\n', 'A.jpg')).toBeUndefined();
  });
});

describe('judge', () => {
  const truth = parse('a.jpg,Tabby|tiger cat\n');

  it.each([
    ['a.jpg', ' TABBY ', 'correct'],
    ['a.jpg', 'Tiger Cat', 'correct'],
    ['a.jpg', 'tabby|tiger cat', 'wrong'],
    ['a.jpg', 'tab', 'wrong'],
    ['b.jpg', 'tabby', 'unjudged'],
  ])('%s with "%s" is %s', (image, label, judgement) => {
    expect(judge(truth, image, label)).toBe(judgement);
  });

  it('judges nothing without truth', () => {
    expect(judge(undefined, 'a.jpg', 'tabby')).toBe('unjudged');
  });
});

describe('for any names and labels', () => {
  const field = fc
    .string({ minLength: 1, unit: 'grapheme' })
    .map((text) => text.replaceAll(/[\r\n|]/g, '').trim())
    .filter((text) => text !== '');
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;

  it('what was written quoted is read back', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(field, fc.array(field, { minLength: 1 })), {
          minLength: 1,
          selector: ([name]) => name,
        }),
        (rows) => {
          const text = [
            'image,label',
            ...rows.map(([name, labels]) => `${quote(name)},${quote(labels.join('|'))}`),
          ].join('\r\n');
          const truth = parse(text);
          for (const [name, labels] of rows)
            for (const label of labels) expect(judge(truth, name, label)).toBe('correct');
        },
      ),
    );
  });

  it('any text is read or refused, and nothing else is thrown', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '.', ',', '"', '|', '\n', '\r', ' ', '\uFEFF') }),
        (text) => {
          try {
            expect(parse(text).byName.size).toBeGreaterThan(0);
          } catch (error) {
            if (!(error instanceof ImgrecError)) throw error;
            expect(error.exitCode).toBe(64);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('a stem is its own stem, once an extension is removed', () => {
    expect(stemOf('test_0.JPEG')).toBe('test_0');
    expect(stemOf('test.0')).toBe('test.0');
    expect(stemOf('.jpg')).toBe('');
  });
});

const data = path.resolve(packageRoot, process.env['IMGREC_TEST_DATA'] ?? '../shared');
const absent = !existsSync(data);
const where = absent ? `skipped: no test data in ${data}, see IMGREC_TEST_DATA` : 'read from the test data';

describe.skipIf(absent)(`truth files of the course and of the photographs (${where})`, () => {
  it.each([
    ['data/imagenet-100-classification_results.csv', 100, 'test_0.JPEG', 'bathtub'],
    ['data/photos-200-truth.csv', 200, 'n01558993_robin.JPEG', 'American robin'],
    ['samples/truth.csv', 6, 'cat.jpg', 'Egyptian Mau'],
  ])('%s', (file, count, image, label) => {
    const truth = parseTruth(readFileSync(path.join(data, file), 'utf8'), file);
    expect(truth.byName.size).toBe(count);
    expect(judge(truth, image, label)).toBe('correct');
  });
});
