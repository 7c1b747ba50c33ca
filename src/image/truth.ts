import { readFile } from 'node:fs/promises';
import { usageError } from '../errors.ts';
import { hasImageExtension } from './formats.ts';

/** Which labels are right for which image. */
export interface Truth {
  /** Right labels, compared form, by image name as the file gave it. */
  readonly byName: ReadonlyMap<string, ReadonlySet<string>>;
  /** The same by name without extension; undefined where two names differ only in extension and in their labels. */
  readonly byStem: ReadonlyMap<string, ReadonlySet<string> | undefined>;
}

export type Judgement = 'correct' | 'wrong' | 'unjudged';

/** `test_0.JPEG` -> `test_0`; what is not an image's extension belongs to the name. */
export const stemOf = (name: string): string =>
  hasImageExtension(name) ? name.slice(0, name.lastIndexOf('.')) : name;

/** Labels are compared without regard to case and to spaces around them: truth files are written by hand. */
const compared = (label: string): string => label.trim().toLowerCase();

const sameLabels = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  a.size === b.size && [...a].every((label) => b.has(label));

const headerNames = new Set(['image', 'images', 'name', 'file', 'filename', 'file name', 'image name']);
const headerLabels = new Set([
  'label',
  'labels',
  'result',
  'results',
  'prediction',
  'class',
  'classification',
]);

const isHeader = (name: string, label: string): boolean =>
  headerNames.has(compared(name)) && headerLabels.has(compared(label));

/** A field in double quotes, `""` standing for one (RFC 4180, section 2), and what follows it. */
const quotedField = /^\s*"((?:[^"]|"")*)"\s*(.*)$/s;

const unquote = (field: string): string => field.replaceAll('""', '"');

/**
 * Splits `name,label`. An unquoted label is all the rest of its line, so `shark.jpg,great white shark, white shark`
 * needs no quotes; returns what is wrong with the line otherwise.
 */
const splitLine = (line: string): { readonly name: string; readonly label: string } | string => {
  let name: string;
  let rest: string;
  if (line.trimStart().startsWith('"')) {
    const [, field, after] = quotedField.exec(line) ?? [];
    if (field === undefined || after === undefined) return 'has a quote that is not closed';
    if (!after.startsWith(',')) return 'has no comma after its quoted name';
    name = unquote(field);
    rest = after.slice(1);
  } else {
    const comma = line.indexOf(',');
    if (comma < 0) return 'has no comma';
    name = line.slice(0, comma);
    rest = line.slice(comma + 1);
  }
  if (!rest.trimStart().startsWith('"')) return { name: name.trim(), label: rest.trim() };
  const [, field, after] = quotedField.exec(rest) ?? [];
  if (field === undefined || after === undefined) return 'has a quote that is not closed';
  if (after !== '') return 'has something after its quoted label';
  return { name: name.trim(), label: unquote(field).trim() };
};

/**
 * Reads ground truth: `name,label` a line, with or without a header, names with or without extension, `a|b` where
 * several labels are right. CRLF, a byte-order mark, empty lines and quoted fields are fine.
 * @param source the file's name, for messages
 * @throws ImgrecError (exit 64) naming the line that cannot be read, or a name that is given twice with different labels
 */
export const parseTruth = (text: string, source: string): Truth => {
  const byName = new Map<string, ReadonlySet<string>>();
  const firstLine = new Map<string, number>();
  const refuse = (lineNumber: number, what: string) =>
    usageError(`${source}, line ${lineNumber} ${what}`, 'each line is "name,label", or "name,label|label"');
  let rows = 0;
  for (const [at, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (line.trim() === '') continue;
    const split = splitLine(line);
    if (typeof split === 'string') throw refuse(at + 1, split);
    const { name, label } = split;
    if (rows++ === 0 && isHeader(name, label)) continue;
    if (name === '') throw refuse(at + 1, 'has no name');
    const labels = new Set(label.split('|').map(compared));
    labels.delete('');
    if (labels.size === 0) throw refuse(at + 1, 'has no label');
    const earlier = byName.get(name);
    if (earlier !== undefined && !sameLabels(earlier, labels))
      throw refuse(at + 1, `gives "${name}" another label than line ${firstLine.get(name)}`);
    if (earlier === undefined) firstLine.set(name, at + 1);
    byName.set(name, labels);
  }
  if (byName.size === 0) throw usageError(`${source} holds no truth`, 'each line is "name,label"');
  return truthOf(byName);
};

/**
 * Reads a truth file, see `parseTruth`.
 * @throws ImgrecError (exit 64) also when it cannot be read
 */
export const readTruth = async (file: string): Promise<Truth> =>
  parseTruth(
    await readFile(file, 'utf8').catch((error: Error) => {
      throw usageError(`cannot read ${file}: ${error.message}`, '--truth names a file of "name,label" lines');
    }),
    file,
  );

/** Truth from labels already at hand, by image name. */
export const truthOf = (labels: Iterable<readonly [string, Iterable<string>]>): Truth => {
  const byName = new Map(
    [...labels].map(([name, each]) => [name, new Set([...each].map(compared)) as ReadonlySet<string>]),
  );
  const byStem = new Map<string, ReadonlySet<string> | undefined>();
  for (const [name, each] of byName) {
    const stem = stemOf(name);
    const other = byStem.get(stem);
    byStem.set(
      stem,
      !byStem.has(stem) || (other !== undefined && sameLabels(other, each)) ? each : undefined,
    );
  }
  return { byName, byStem };
};

/** The right labels of an image: by its exact name, else by its stem; undefined when the truth does not say. */
export const rightLabels = (truth: Truth, image: string): ReadonlySet<string> | undefined => {
  const stem = stemOf(image);
  return truth.byName.get(image) ?? truth.byName.get(stem) ?? truth.byStem.get(stem);
};

export const judge = (truth: Truth | undefined, image: string, label: string): Judgement => {
  const right = truth && rightLabels(truth, image);
  if (right === undefined) return 'unjudged';
  return right.has(compared(label)) ? 'correct' : 'wrong';
};
