import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openObjectStore } from './objects.ts';

let root = '';
let folder = '';
let unfinished = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'imgrec-objects-'));
  folder = path.join(root, 'bucket');
  unfinished = path.join(root, 'unfinished');
  mkdirSync(unfinished);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const open = () => openObjectStore(folder, unfinished);
const info = (key: string, body: Buffer) => ({
  key,
  bytes: body.length,
  etag: 'e',
  modifiedMs: 0,
  headers: {},
});
const files = () =>
  readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());

const keys = [
  'a',
  'a/b',
  'a/',
  '../../outside',
  '/etc/passwd',
  '..',
  '.',
  'nul\u0000byte',
  'C:\\x',
  'é/\u{1F600}',
  'x'.repeat(1024),
  '\ud83d\ude00'.repeat(256),
];

test('keys of every kind are kept side by side, inside the folder, and found again after a restart', () => {
  const store = open();
  for (const key of keys) store.put(info(key, Buffer.from(key)), Buffer.from(key));
  for (const reopened of [store, open()]) {
    expect([...reopened.keys()].sort()).toEqual([...keys].sort());
    for (const key of keys) expect(reopened.read(key)?.toString()).toBe(key);
  }
  expect(files().every((entry) => entry.parentPath.startsWith(folder))).toBe(true);
  expect(readdirSync(root).sort()).toEqual(['bucket', 'unfinished']);
});

test('a body of every byte, with newlines, comes back as it was', () => {
  const body = Buffer.from(Array.from({ length: 1024 }, (_, index) => index % 256));
  open().put(info('k', body), body);
  expect(open().read('k')?.equals(body)).toBe(true);
});

test('an empty body is an object', () => {
  open().put(info('k', Buffer.alloc(0)), Buffer.alloc(0));
  expect(open().read('k')?.length).toBe(0);
});

test('a large header is read whole', () => {
  const headers = { 'x-amz-meta-long': 'v'.repeat(5_000) };
  open().put({ ...info('k', Buffer.from('b')), headers }, Buffer.from('b'));
  expect(open().get('k')?.headers).toEqual(headers);
});

test('an overwritten object has its new body only, a removed one is gone', () => {
  const store = open();
  for (const text of ['first', 'second']) store.put(info('k', Buffer.from(text)), Buffer.from(text));
  store.put(info('gone', Buffer.from('x')), Buffer.from('x'));
  store.remove('gone');
  const reopened = open();
  expect(reopened.keys()).toEqual(['k']);
  expect(reopened.read('k')?.toString()).toBe('second');
});

test('a file that is cut, foreign or in the wrong place is not an object', () => {
  open().put(info('whole', Buffer.from('body')), Buffer.from('body'));
  open().put(info('cut', Buffer.from('body')), Buffer.from('body'));
  const cut = files().find((entry) =>
    readFileSync(path.join(entry.parentPath, entry.name), 'utf8').includes('"cut"'),
  );
  if (!cut) throw new Error('no file holds the key');
  const file = path.join(cut.parentPath, cut.name);
  truncateSync(file, statSync(file).size - 1);
  mkdirSync(path.join(folder, 'zz'));
  writeFileSync(path.join(folder, 'zz', 'foreign'), 'no header');
  writeFileSync(
    path.join(folder, 'zz', 'misplaced'),
    `${JSON.stringify(info('other', Buffer.from('b')))}\nb`,
  );
  expect(open().keys()).toEqual(['whole']);
});
