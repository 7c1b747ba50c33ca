import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ImageHeader } from '../image/inspect.ts';

/** What of the codec's embind interface is used. Arrays are views of its memory, valid until the next call. */
interface JpegDecoder {
  getEncodedBuffer(bytes: number): Uint8Array;
  decode(): void;
  getDecodedBuffer(): Uint8Array;
  getFrameInfo(): { readonly width: number; readonly height: number; readonly componentCount: number };
}

interface Codec {
  readonly JPEGDecoder: new () => JpegDecoder;
}

declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => object;
};

type OpenCodec = (options: {
  /** Emscripten's hook: makes the instance, from code that was compiled once. */
  instantiateWasm(imports: object, ready: (instance: object) => void): object;
  print(line: string): void;
  printErr(line: string): void;
}) => Promise<Codec>;

const greyToRgb = (grey: Uint8Array): Uint8Array => {
  const rgb = new Uint8Array(grey.length * 3);
  for (const [i, value] of grey.entries()) rgb.fill(value, i * 3, i * 3 + 3);
  return rgb;
};

/** RGB of a small JPEG; undefined when it is better decoded by sharp. */
export type DecodeSmallJpeg = (bytes: Uint8Array, header: ImageHeader) => Promise<Uint8Array | undefined>;

/**
 * libjpeg-turbo compiled to WASM: the same pixels as sharp's, since it is the same library. It refuses whatever gives a
 * warning, which sharp partly accepts; so it never has the last word, and what it refuses is given to sharp. It accepts
 * nothing that sharp refuses. Only where damaged data overflow the arithmetic may some pixels differ.
 */
export const createSmallJpegDecoder = (): DecodeSmallJpeg => {
  const require = createRequire(import.meta.url);
  const openCodec = require('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs') as OpenCodec;
  const code = new WebAssembly.Module(
    readFileSync(require.resolve('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm')),
  );
  const open = async (): Promise<JpegDecoder> => {
    const codec = await openCodec({
      instantiateWasm: (imports, ready) => {
        const instance = new WebAssembly.Instance(code, imports);
        ready(instance);
        return instance;
      },
      print: () => {},
      printErr: () => {},
    });
    return new codec.JPEGDecoder();
  };
  let decoder: JpegDecoder | undefined;

  return async (bytes, { width, height }) => {
    const current = decoder ?? (await open());
    // Back only after success: an exception leaves the decoder, and what it had allocated, in its memory.
    decoder = undefined;
    try {
      current.getEncodedBuffer(bytes.length).set(bytes);
      current.decode();
    } catch {
      // Exceptions of C++ are numbers here, and mean nothing but "not this one".
      return undefined;
    }
    decoder = current;
    const frame = current.getFrameInfo();
    if (frame.width !== width || frame.height !== height) return undefined;
    const pixels = current.getDecodedBuffer();
    if (frame.componentCount === 1) return greyToRgb(pixels);
    return frame.componentCount === 3 ? pixels.slice() : undefined;
  };
};
