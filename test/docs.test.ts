import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../commands/program.ts';
import { packageRoot } from '../src/package.ts';

/** What the documentation names, exists: commands and flags, links, rooms. */

const documents = [
  ...readdirSync(packageRoot).filter((name) => name.endsWith('.md')),
  ...['docs', 'assets']
    .flatMap((folder) =>
      readdirSync(path.join(packageRoot, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
        path.join(folder, name),
      ),
    )
    .filter((name) => name.endsWith('.md')),
].sort();

const textOf = (document: string): string => readFileSync(path.join(packageRoot, document), 'utf8');

/** The lines of fenced and of indented code blocks. */
const codeLines = (text: string): string[] => {
  let fenced = false;
  return text.split('\n').filter((line) => {
    if (line.startsWith('```')) {
      fenced = !fenced;
      return false;
    }
    return fenced || line.startsWith('    ');
  });
};

/** `imgrec bench --dev   # comment` as words; undefined for a line that is no imgrec command. */
const commandOf = (line: string): string[] | undefined => {
  const [, command] = /^\s*(?:\$ )?imgrec +(.*)$/.exec(line) ?? [];
  return command
    ?.replace(/\s+#.*$/, '')
    .trim()
    .split(/\s+/);
};

/** The command's own help; undefined when there is no such command (then commander prints the help of imgrec itself). */
const helpOf = async (...verbs: readonly string[]): Promise<string | undefined> => {
  let help = '';
  const stream = {
    write: (text: string | Uint8Array) => {
      help += String(text);
      return true;
    },
  };
  await run({
    argv: [...verbs, '--help'],
    environment: {},
    workingFolder: packageRoot,
    stdout: stream,
    stderr: stream,
    signal: new AbortController().signal,
  });
  return help.startsWith(`Usage: imgrec ${verbs.join(' ')} `) ? help : undefined;
};

/** The help of the command that a line of words calls: `provision plan --json` is about `plan`, `classify photo.jpg` about `classify`. */
const helpFor = async (verb: string, next: string | undefined): Promise<string | undefined> =>
  (next !== undefined && /^[a-z-]+$/.test(next) && !next.startsWith('-')
    ? await helpOf(verb, next)
    : undefined) ?? helpOf(verb);

/** The flags that a command's own help lists. */
const flagsIn = (help: string): Set<string> =>
  new Set([...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, flag = '']) => flag));

const commands = documents.flatMap((document) =>
  codeLines(textOf(document)).flatMap((line) => {
    const words = commandOf(line);
    return words === undefined ? [] : [{ document, words, line: line.trim() }];
  }),
);

const inlineFlags = [...textOf('README.md').matchAll(/`imgrec (\w+)((?: [^`\s]+)*)`/g)].map(
  ([all, verb = '', rest = '']) => ({
    document: 'README.md',
    line: all,
    words: [verb, ...rest.trim().split(/\s+/)],
  }),
);

/** Announced by README.md as not there yet. */
const announced = new Set<string>();

describe('commands that the documentation shows', () => {
  test('README.md shows some', () => {
    expect(commands.filter(({ document }) => document === 'README.md').length).toBeGreaterThan(8);
  });

  test.each([...commands, ...inlineFlags].filter(({ words: [verb = ''] }) => !announced.has(verb)))(
    '$document: $line',
    async ({ words: [verb = '', ...rest] }) => {
      const help = await helpFor(verb, rest[0]);
      expect(help, `there is no command ${verb}`).toBeDefined();
      const known = flagsIn(help ?? '');
      const flags = rest.filter((word) => word.startsWith('--')).map((word) => word.replace(/=.*$/, ''));
      expect(flags.filter((flag) => !known.has(flag))).toEqual([]);
    },
  );

  test('what is announced as missing is missing', async () => {
    for (const verb of announced) expect(await helpOf(verb)).toBeUndefined();
  });
});

/** The name that GitHub gives a heading: lower case, spaces to hyphens, without punctuation. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

const anchorsIn = (text: string): string[] =>
  [...text.matchAll(/^#+ +(.+)$/gm)].map(([, heading = '']) => anchorOf(heading));

const links = documents.flatMap((document) =>
  [...textOf(document).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => ({ document, target }))
    .filter(({ target }) => !/^[a-z]+:/.test(target)),
);

describe('links between documents', () => {
  test('there are some', () => {
    expect(links.length).toBeGreaterThan(8);
  });

  test.each(links)('$document: $target', ({ document, target }) => {
    const [file = '', anchor] = target.split('#');
    const linked = file === '' ? document : path.join(path.dirname(document), file);
    expect(existsSync(path.join(packageRoot, linked)), `${linked} does not exist`).toBe(true);
    if (anchor !== undefined) expect(anchorsIn(textOf(linked))).toContain(anchor);
  });
});

/** Rows of the table in rooms.md, as `room -> what it may import`. */
const rowsOf = (text: string): { readonly room: string; readonly mayImport: string }[] =>
  [...text.matchAll(/^\| `([^`]+)\/` \| .+ \| (.+) \|$/gm)].map(([, room = '', mayImport = '']) => ({
    room,
    mayImport,
  }));

/** The rows of `mayImport` in dependency-rule.test.ts, as it is written there. */
const rule = (): Map<string, string> => {
  const [, table = ''] =
    /const mayImport[^{]*\{(.*?)\n\};/s.exec(
      readFileSync(path.join(packageRoot, 'test', 'dependency-rule.test.ts'), 'utf8'),
    ) ?? [];
  return new Map(
    [...table.matchAll(/^ {2}(\w+): \[(.*)\],$/gm)].map(([, room = '', list = '']) => [
      room,
      list.replaceAll("'", ''),
    ]),
  );
};

describe('the table of rooms', () => {
  const rows = rowsOf(textOf('docs/design/rooms.md'));

  test.each(rows)('$room exists', ({ room }) => {
    expect(existsSync(path.join(packageRoot, room))).toBe(true);
  });

  test('says what the dependency rule says', () => {
    const documented = new Map(
      rows.map(({ room, mayImport }) => [
        path.basename(room),
        mayImport.replace('–', '').replace('everything but bin', '*'),
      ]),
    );
    const enforced = rule();
    // The files of src/ itself have a sentence of their own below the table.
    enforced.delete('src');
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(enforced));
  });

  test('names every file that stands in src/ itself', () => {
    const files = readdirSync(path.join(packageRoot, 'src')).filter(
      (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
    );
    const [, sentence = ''] =
      /the files directly in `src\/` \(([^)]*)\)/.exec(textOf('docs/design/rooms.md')) ?? [];
    expect(sentence.replaceAll('`', '').split(', ').sort()).toEqual(files.sort());
  });
});
