/** What a literal can be: Python's strings, numbers, tuples, lists and dictionaries, and so JSON's. */
export type Literal =
  | string
  | number
  | boolean
  | null
  | readonly Literal[]
  | { readonly [key: string]: Literal };

const words: ReadonlyMap<string, Literal> = new Map([
  ['None', null],
  ['null', null],
  ['True', true],
  ['true', true],
  ['False', false],
  ['false', false],
]);

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

const withoutEscapes = (text: string): string =>
  text.replace(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|([\s\S]))/gi, (_whole, x, u, plain: string | undefined) =>
    plain === undefined ? String.fromCharCode(Number.parseInt(x ?? u, 16)) : (escapes[plain] ?? plain),
  );

const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
const deepest = 8;

/**
 * Reads text that `str()`, `repr()` or `json.dumps()` wrote: `('cat.jpg', 'label')`, `{"name": "cat.jpg"}`.
 * @returns undefined when the text is no such literal, as a whole
 */
export const readLiteral = (text: string): Literal | undefined => {
  let at = 0;
  const fail = (): never => {
    throw new SyntaxError(`no literal at ${at}`);
  };
  const skipSpace = () => {
    while (/\s/.test(text[at] ?? '')) at++;
  };
  const takes = (character: string): boolean => {
    skipSpace();
    if (text[at] !== character) return false;
    at++;
    return true;
  };

  /** The first backslash at or after `at`, remembered: there may be none in a million characters, and many strings. */
  let slash = -1;
  const nextSlash = (): number => {
    if (slash < at) slash = text.indexOf('\\', at);
    if (slash === -1) slash = text.length;
    return slash;
  };

  const string = (quote: string): string => {
    const start = ++at;
    // Not a regular expression: a message is a million characters of base64.
    let end = text.indexOf(quote, at);
    while (nextSlash() < end) {
      at = slash + 2;
      // Only where the quote was what the backslash escapes.
      if (end < at) end = text.indexOf(quote, at);
    }
    if (end === -1) return fail();
    at = end + 1;
    const raw = text.slice(start, end);
    return raw.includes('\\') ? withoutEscapes(raw) : raw;
  };

  const list = (close: string, depth: number): Literal[] => {
    const items: Literal[] = [];
    for (at++; !takes(close); ) {
      items.push(value(depth + 1));
      if (!takes(',')) return takes(close) ? items : fail();
    }
    return items;
  };

  const dictionary = (depth: number): Literal => {
    const entries: [string, Literal][] = [];
    for (at++; !takes('}'); ) {
      const key = value(depth + 1);
      if (typeof key !== 'string' || !takes(':')) return fail();
      entries.push([key, value(depth + 1)]);
      if (!takes(',')) return takes('}') ? Object.fromEntries(entries) : fail();
    }
    return Object.fromEntries(entries);
  };

  const value = (depth: number): Literal => {
    if (depth > deepest) return fail();
    skipSpace();
    // Python's bytes: b'...'.
    if (text[at] === 'b' && (text[at + 1] === "'" || text[at + 1] === '"')) at++;
    const first = text[at] ?? '';
    if (first === "'" || first === '"') return string(first);
    if (first === '{') return dictionary(depth);
    const close = closing[first];
    if (close !== undefined) return list(close, depth);
    const [word = ''] = /^[\w.+-]{1,40}/.exec(text.slice(at, at + 40)) ?? [];
    const known = words.get(word);
    const number = /^[+-]?\d/.test(word) ? Number(word) : Number.NaN;
    if (known === undefined && Number.isNaN(number)) return fail();
    at += word.length;
    return known === undefined ? number : known;
  };

  try {
    const found = value(0);
    skipSpace();
    return at === text.length ? found : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};
