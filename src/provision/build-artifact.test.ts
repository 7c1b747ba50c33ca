import { chmod, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { list } from 'tar';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { archive, isUnused } from './build-artifact.ts';

let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'imgrec-archive-'));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

/** The same content, written in another order, with other modes and dates. */
const folderWith = async (
  name: string,
  files: readonly string[],
  mode: number,
  date: Date,
): Promise<string> => {
  const folder = path.join(scratch, name);
  await mkdir(path.join(folder, 'lib'), { recursive: true });
  for (const file of files) {
    const at = path.join(folder, file);
    await writeFile(at, `content of ${file}`);
    await chmod(at, file.startsWith('run') ? mode | 0o100 : mode);
    await utimes(at, date, date);
  }
  await symlink('run.js', path.join(folder, 'link'));
  return folder;
};

describe('the archive', () => {
  test('is the same bytes for the same files, whatever the order, the dates and the umask of whoever packs', async () => {
    const one = await folderWith('one', ['run.js', 'a.js', 'lib/z.js', 'Z.js'], 0o600, new Date(2001, 1));
    const other = await folderWith('other', ['Z.js', 'lib/z.js', 'a.js', 'run.js'], 0o664, new Date(2020, 1));
    for (const folder of [one, other]) await archive(folder, `${folder}.tgz`);
    expect(await readFile(`${other}.tgz`)).toEqual(await readFile(`${one}.tgz`));
  });

  test('lets an unprivileged user read everything and run what can be run', async () => {
    const folder = await folderWith('one', ['run.js', 'lib/z.js', 'a.js'], 0o600, new Date());
    expect(await archive(folder, `${folder}.tgz`)).toBeGreaterThan('content of run.js'.length);
    const entries: string[] = [];
    await list({
      file: `${folder}.tgz`,
      onReadEntry: ({ path: name, mode = 0, type }) => entries.push(`${type} ${name} ${mode.toString(8)}`),
    });
    // In the order of their paths' bytes, which no file system decides.
    expect(entries).toEqual([
      'File a.js 644',
      'File lib/z.js 644',
      'SymbolicLink link 755',
      'File run.js 755',
    ]);
  });
});

describe('what is left out', () => {
  const onnx = 'node_modules/onnxruntime-node/bin/napi-v6';

  test.each([
    ['node_modules/zod/index.js', false],
    ['node_modules/zod/index.js.map', true],
    ['node_modules/zod/index.d.ts', true],
    ['node_modules/zod/index.d.cts', true],
    [`${onnx}/linux/x64/libonnxruntime.so.1`, false],
    [`${onnx}/linux/arm64/libonnxruntime.so.1`, true],
    [`${onnx}/darwin/arm64/onnxruntime_binding.node`, true],
    [`${onnx}/win32/x64/DirectML.dll`, true],
    ['dist/bin/imgrec.js', false],
    ['assets/models/efficientnet-lite0-int8/model.onnx', false],
  ])('of linux-x64: %s is %j', (file, unused) => {
    expect(isUnused(file, 'linux-x64')).toBe(unused);
  });
});
