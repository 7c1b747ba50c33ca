import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { extract } from 'tar';
import { describe, expect, test } from 'vitest';
import { version } from '../../src/package.ts';
import { buildArtifact, inScratchFolder, packSelf } from '../../src/provision/build-artifact.ts';
import { type Target, targets } from '../../src/provision/node-binary.ts';

/** Packing takes half a minute a target and npm's registry: at night. `test/e2e/boot.test.ts` packs this machine's own each time. */
const asked = process.env['IMGREC_TEST_NIGHTLY'] === '1';

/** `e_machine` of the ELF header: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html and its register of machines. */
const machines: Readonly<Record<Target, number>> = { 'linux-x64': 62, 'linux-arm64': 183 };

const withFile = async <T>(file: string, read: (handle: FileHandle) => Promise<T>): Promise<T> => {
  const handle = await open(file);
  try {
    return await read(handle);
  } finally {
    await handle.close();
  }
};

/** For which machine a file was compiled; undefined when it is no ELF file. */
const machineOf = (file: string): Promise<number | undefined> =>
  withFile(file, async (handle) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(20), 0, 20, 0);
    return bytesRead === 20 && buffer.subarray(0, 4).equals(Buffer.from('\x7fELF', 'latin1'))
      ? buffer.readUInt16LE(18)
      : undefined;
  });

/** Whether a file is compiled for another system: Mach-O of either order, or PE. */
const isForeign = (file: string): Promise<boolean> =>
  withFile(file, async (handle) => {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    const magic = buffer.toString('hex');
    return ['cffaedfe', 'cefaedfe', 'feedfacf', 'cafebabe'].includes(magic) || magic.startsWith('4d5a');
  });

describe.skipIf(!asked)(`the software${asked ? '' : ' (IMGREC_TEST_NIGHTLY is not 1)'}`, () => {
  test.each(targets)(
    'for %s is of that machine in every file that is compiled',
    {
      timeout: 600_000,
    },
    async (target) => {
      await inScratchFolder(async (scratch) => {
        const { signal } = new AbortController();
        const built = await buildArtifact(await packSelf(scratch, signal), target, scratch, signal);
        const at = path.join(scratch, 'unpacked');
        await mkdir(at);
        await extract({ file: built.file, cwd: at });
        const files = (await readdir(at, { recursive: true, withFileTypes: true }))
          .filter((entry) => entry.isFile())
          .map((entry) => path.relative(at, path.join(entry.parentPath, entry.name)));
        const compiled = new Map<string, number>();
        const foreign: string[] = [];
        for (const file of files) {
          const machine = await machineOf(path.join(at, file));
          if (machine !== undefined) compiled.set(file, machine);
          else if (await isForeign(path.join(at, file))) foreign.push(file);
        }

        expect(foreign).toEqual([]);
        expect([...compiled].filter(([, machine]) => machine !== machines[target])).toEqual([]);
        const cpu = target.replace('linux-', '');
        expect([...compiled.keys()]).toEqual(
          expect.arrayContaining([
            'node/bin/node',
            expect.stringMatching(
              new RegExp(`onnxruntime-node/bin/.*/linux/${cpu}/onnxruntime_binding.node$`),
            ),
            expect.stringMatching(new RegExp(`onnxruntime-node/bin/.*/linux/${cpu}/libonnxruntime.so`)),
            expect.stringMatching(new RegExp(`@img/sharp-linux-${cpu}/.*\\.node$`)),
            expect.stringMatching(new RegExp(`@img/sharp-libvips-linux-${cpu}/.*libvips-cpp\\.so`)),
          ]),
        );
        expect(files).toEqual(
          expect.arrayContaining([
            'dist/bin/imgrec.js',
            'assets/models/efficientnet-lite0-int8/model.onnx',
            'assets/userdata/imgrec@.service',
          ]),
        );
        // What is only for building and testing stays here.
        expect(files.filter((file) => /node_modules\/(typescript|vitest|@biomejs)\//.test(file))).toEqual([]);
        process.stdout.write(
          `artifact of imgrec ${version} for ${target}: ${built.bytes} bytes, ${built.unpackedBytes} unpacked, ${compiled.size} compiled files\n`,
        );
      });
    },
  );
});
