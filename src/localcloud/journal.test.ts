import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Entry, openJournal } from './journal.ts';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'imgrec-journal-'));
  file = path.join(folder, 'journal.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const note = (n: number): Entry => ({ t: 'note', n, text: 'ü\n"' });

const open = (compactBytes?: number) => {
  const entries: Entry[] = [];
  const journal = openJournal({
    file,
    replay: (entry) => entries.push(entry),
    snapshot: () => entries,
    ...(compactBytes !== undefined && { compactBytes }),
  });
  return { journal, entries };
};

test('what was appended is replayed in order', () => {
  const { journal } = open();
  for (let n = 0; n < 3; n++) journal.append(note(n));
  expect(open().entries).toEqual([note(0), note(1), note(2)]);
});

test('a file of several blocks is read whole', () => {
  const { journal } = open();
  const long = { t: 'long', text: 'é'.repeat(300_000) };
  for (let n = 0; n < 5; n++) journal.append(long);
  expect(open().entries).toEqual(Array.from({ length: 5 }, () => long));
});

test('a torn tail is dropped wherever the cut is', () => {
  const { journal } = open();
  journal.append(note(0));
  journal.append(note(1));
  const whole = readFileSync(file);
  const first = whole.indexOf('\n') + 1;
  for (let cut = first; cut < whole.length; cut++) {
    writeFileSync(file, whole.subarray(0, cut));
    const { journal: reopened, entries } = open();
    expect(entries).toEqual([note(0)]);
    reopened.append(note(2));
    expect(open().entries).toEqual([note(0), note(2)]);
  }
});

test('damage before the end is an error that names the line, not a loss', () => {
  const { journal } = open();
  journal.append(note(0));
  appendFileSync(file, 'garbage\n');
  appendFileSync(file, `${JSON.stringify(note(1))}\n`);
  expect(() => open()).toThrow('is damaged at line 2');
});

test('the start compacts the file to what the snapshot says', () => {
  const { journal } = open();
  for (let n = 0; n < 100; n++) journal.append(note(n));
  openJournal({ file, replay: () => {}, snapshot: () => [note(7)] });
  expect(readFileSync(file, 'utf8')).toBe(`${JSON.stringify(note(7))}\n`);
});

test('a running journal that has grown fourfold is compacted and goes on', async () => {
  let last: Entry = note(0);
  const journal = openJournal({ file, replay: () => {}, snapshot: () => [last], compactBytes: 500 });
  for (let n = 1; n <= 50; n++) {
    last = note(n);
    journal.append(last);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(readFileSync(file).length).toBeLessThan(700);
  expect(open().entries.at(-1)).toEqual(note(50));
});
