import {
  appendFileSync,
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
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { joined } from '../chunks.ts';
import { type ObjectStore, openObjectStore } from './objects.ts';

let root = '';
let folder = '';
const opened: ObjectStore[] = [];
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'imgrec-objects-'));
  folder = path.join(root, 'bucket');
});
afterEach(() => {
  for (const store of opened.splice(0)) store.close();
  rmSync(root, { recursive: true, force: true });
});

const open = (options: { segmentBytes?: number; cleanBytes?: number } = {}): ObjectStore => {
  const store = openObjectStore({ folder, ...options });
  opened.push(store);
  return store;
};
const info = (key: string, body: Buffer) => ({
  key,
  bytes: body.length,
  etag: 'e',
  modifiedMs: 0,
  headers: {},
});
const put = (store: ObjectStore, key: string, text: string): void => {
  const body = Buffer.from(text);
  store.put(info(key, body), [body.subarray(0, 2), body.subarray(2)]);
};
const read = (store: ObjectStore, key: string): string | undefined => {
  const chunks = store.read(key);
  return chunks && joined(chunks).toString();
};
const files = (): readonly string[] => readdirSync(folder).map((name) => path.join(folder, name));
const bytesOnDisk = (): number => files().reduce((sum, file) => sum + statSync(file).size, 0);
const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const keys = [
  'a',
  'a/b',
  'a/',
  '../../outside',
  '/etc/passwd',
  '..',
  '.',
  'nul\u0000byte',
  'new\nline',
  'C:\\x',
  'é/\u{1F600}',
  'x'.repeat(1024),
  '\ud83d\ude00'.repeat(256),
];

test('keys of every kind are kept side by side, inside the folder, and found again after a restart', () => {
  const store = open();
  for (const key of keys) put(store, key, key);
  for (const reopened of [store, open()]) {
    expect([...reopened.keys()].sort()).toEqual([...keys].sort());
    for (const key of keys) expect(read(reopened, key)).toBe(key);
  }
  expect(readdirSync(root)).toEqual(['bucket']);
});

test('a body of every byte, with newlines, comes back as it was', () => {
  const body = Buffer.from(Array.from({ length: 1024 }, (_, index) => index % 256));
  open().put(info('k', body), [body]);
  expect(joined(open().read('k') ?? []).equals(body)).toBe(true);
});

test('an empty body is an object', () => {
  put(open(), 'k', '');
  expect(read(open(), 'k')).toBe('');
});

test('a large header is read whole', () => {
  const headers = { 'x-amz-meta-long': 'v'.repeat(5_000) };
  open().put({ ...info('k', Buffer.from('b')), headers }, [Buffer.from('b')]);
  expect(open().get('k')?.headers).toEqual(headers);
});

test('an overwritten object has its new body only, a removed one is gone', () => {
  const store = open();
  for (const text of ['first', 'second']) put(store, 'k', text);
  put(store, 'gone', 'x');
  store.remove('gone');
  const reopened = open();
  expect(reopened.keys()).toEqual(['k']);
  expect(read(reopened, 'k')).toBe('second');
});

test('wherever SIGKILL cuts the last record off, what was written before is whole and writing goes on', () => {
  const store = open();
  put(store, 'first', 'body of first');
  const firstBytes = bytesOnDisk();
  put(store, 'second', 'body of second');
  const [file = ''] = files();
  const whole = readFileSync(file);
  for (let cut = firstBytes; cut < whole.length; cut++) {
    writeFileSync(file, whole.subarray(0, cut));
    const cutOff = openObjectStore({ folder });
    expect(cutOff.keys()).toEqual(['first']);
    put(cutOff, 'third', 'body of third');
    cutOff.close();
    const again = openObjectStore({ folder });
    expect([...again.keys()].sort()).toEqual(['first', 'third']);
    expect(read(again, 'third')).toBe('body of third');
    again.close();
  }
});

test('damage before the end is an error that names the place, not a loss', () => {
  const store = open();
  put(store, 'k', 'body');
  const [file = ''] = files();
  const { size } = statSync(file);
  appendFileSync(file, 'garbage\nand more\n');
  expect(() => open()).toThrow(`is damaged at byte ${size}`);
  truncateSync(file, size);
  expect(open().keys()).toEqual(['k']);
});

test('a folder of the first version, with a file for each object, is refused and not taken for an empty one', () => {
  mkdirSync(path.join(folder, '0f'), { recursive: true });
  expect(() => open()).toThrow('earlier imgrec');
});

test('what was overwritten or removed gives its space back, and the rest stays', async () => {
  const store = open({ segmentBytes: 2_000, cleanBytes: 10_000 });
  for (let n = 0; n < 10; n++) put(store, `left ${n}`, `body of ${n}`);
  for (let n = 0; n < 2_000; n++) {
    put(store, `passing ${n % 50}`, 'x'.repeat(100));
    if (n % 3 === 0) store.remove(`passing ${n % 50}`);
    await later();
  }
  expect(bytesOnDisk()).toBeLessThan(40_000);
  for (const reopened of [store, open()])
    for (let n = 0; n < 10; n++) expect(read(reopened, `left ${n}`)).toBe(`body of ${n}`);
});

test('whatever is put, removed and cleaned up, a restart finds what the last one left', async () => {
  const step = fc.record({ key: fc.nat(5), text: fc.option(fc.string({ maxLength: 40 })) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      rmSync(folder, { recursive: true, force: true });
      const store = openObjectStore({ folder, segmentBytes: 300, cleanBytes: 600 });
      const model = new Map<string, string>();
      for (const { key, text } of steps) {
        if (text === null) {
          store.remove(`k${key}`);
          model.delete(`k${key}`);
        } else {
          put(store, `k${key}`, text);
          model.set(`k${key}`, text);
        }
        await later();
      }
      store.close();
      const again = openObjectStore({ folder });
      expect([...again.keys()].sort()).toEqual([...model.keys()].sort());
      for (const [key, text] of model) expect(read(again, key)).toBe(text);
      again.close();
    }),
  );
});
