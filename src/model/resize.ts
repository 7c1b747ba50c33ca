import { type ResampleWindow, resample } from './resample.ts';
import { resampleWasm } from './resample-wasm.ts';
import { cachedWeightsFor, mostTaps, type Weights } from './weights.ts';

/** The window of the resized image, as interleaved RGB bytes; see `resample`, whose result it is. */
export type Resize = (source: Uint8Array, window: ResampleWindow) => Uint8Array;

/** The little of it that is used: neither Node's types nor the ECMAScript ones declare it. */
declare const WebAssembly: {
  readonly validate: (code: Uint8Array) => boolean;
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly Memory: new (size: {
    readonly initial: number;
  }) => {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  };
};

/** What resample.wat exports; positions and lengths in bytes. */
interface Passes {
  horizontal(source: number, table: number, pairs: number, line: number, lineEnd: number): void;
  vertical(lines: number, stride: number, table: number, pairs: number, out: number, outEnd: number): void;
}

/** Weights in the form that resample.wat describes. */
interface Table {
  readonly bytes: Uint8Array;
  /** Bytes of one output position. */
  readonly entryBytes: number;
  /** Pairs of taps of each output position. */
  readonly pairs: number;
}

const lowBits = 12;
const pairBytes = 8;
const pageBytes = 65_536;
/** Sources are copied in strips of about this size; one row at least. */
const stripBytes = 1 << 20;
/** Lines kept besides those that one output row needs, so that lines are seldom moved. */
const spareLines = 32;
/** For images of millions of columns: what needs more is left to JavaScript, so that the memory stays small. */
const mostMemory = 32 << 20;

/** @param pixelBytes given for columns, whose entries start with the offset of their first pixel; 0 for rows */
const tableOf = ({ first, offsets, values }: Weights, pixelBytes: number): Table => {
  const pairs = Math.ceil(mostTaps({ first, offsets, values }) / 2);
  const headBytes = pixelBytes === 0 ? 0 : 4;
  const entryBytes = headBytes + pairs * pairBytes;
  const bytes = new Uint8Array(first.length * entryBytes);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < first.length; i++) {
    const at = i * entryBytes;
    if (headBytes > 0) view.setInt32(at, (first[i] as number) * pixelBytes, true);
    const start = offsets[i] as number;
    const taps = (offsets[i + 1] as number) - start;
    for (let tap = 0; tap < taps; tap++) {
      const weight = values[start + tap] as number;
      const to = at + headBytes + (tap >> 1) * pairBytes + (tap & 1) * 2;
      view.setInt16(to, weight & ((1 << lowBits) - 1), true);
      view.setInt16(to + 4, weight >> lowBits, true);
    }
  }
  return { bytes, entryBytes, pairs };
};

const columnTables = new WeakMap<Weights, Table>();
const rowTables = new WeakMap<Weights, Table>();

const cachedTable = (tables: WeakMap<Weights, Table>, weights: Weights, pixelBytes: number): Table => {
  const known = tables.get(weights);
  if (known) return known;
  const made = tableOf(weights, pixelBytes);
  tables.set(weights, made);
  return made;
};

const aligned = (bytes: number): number => (bytes + 15) & ~15;

/** With the code of resample.wat, in a memory that grows as far as images need it and no further than `mostMemory`. */
const openSimd = (code: Uint8Array): Resize => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { imgrec: { memory } });
  const passes = instance.exports as Passes;
  let bytes = new Uint8Array(memory.buffer);

  return (source, window) => {
    const { sourceWidth, sourceHeight, width, height } = window;
    const columns = cachedWeightsFor(sourceWidth, window.resizedWidth, window.left, width);
    const rows = cachedWeightsFor(sourceHeight, window.resizedHeight, window.top, height);
    const columnTable = cachedTable(columnTables, columns, 3);
    const rowTable = cachedTable(rowTables, rows, 0);
    const sourceRowBytes = sourceWidth * 3;
    const rowBytes = width * 3;
    const stripRows = Math.min(sourceHeight, Math.max(1, Math.floor(stripBytes / sourceRowBytes)));
    const stride = aligned(rowBytes + 1);
    const lineCount = rowTable.pairs * 2 + spareLines;

    const columnsAt = 0;
    const rowsAt = aligned(columnTable.bytes.length);
    const outAt = rowsAt + aligned(rowTable.bytes.length);
    const linesAt = outAt + aligned(rowBytes * height + 16);
    const stripAt = linesAt + lineCount * stride;
    // The last pairs of a row may be read as far behind it as they are long.
    const end = stripAt + stripRows * sourceRowBytes + columnTable.pairs * 6 + 16;
    if (end > mostMemory) return resample(source, window);
    if (end > bytes.length) {
      memory.grow(Math.ceil((end - bytes.length) / pageBytes));
      bytes = new Uint8Array(memory.buffer);
    }
    bytes.set(columnTable.bytes, columnsAt);
    bytes.set(rowTable.bytes, rowsAt);

    /** Source rows from `firstLine` to `next`, exclusive, lie as lines from `linesAt` on. */
    let firstLine = rows.first[0] as number;
    let next = firstLine;
    let stripStart = 0;
    let stripEnd = 0;
    for (let j = 0; j < height; j++) {
      const first = rows.first[j] as number;
      const last = first + (rows.offsets[j + 1] as number) - (rows.offsets[j] as number);
      next = Math.max(next, first);
      if (first - firstLine + rowTable.pairs * 2 > lineCount) {
        bytes.copyWithin(
          linesAt,
          linesAt + (first - firstLine) * stride,
          linesAt + (next - firstLine) * stride,
        );
        firstLine = first;
      }
      for (; next < last; next++) {
        if (next >= stripEnd) {
          stripStart = next;
          stripEnd = Math.min(sourceHeight, next + stripRows);
          bytes.set(source.subarray(stripStart * sourceRowBytes, stripEnd * sourceRowBytes), stripAt);
        }
        const line = linesAt + (next - firstLine) * stride;
        const row = stripAt + (next - stripStart) * sourceRowBytes;
        passes.horizontal(row, columnsAt, columnTable.pairs, line, line + rowBytes);
      }
      const out = outAt + j * rowBytes;
      const lines = linesAt + (first - firstLine) * stride;
      const table = rowsAt + j * rowTable.entryBytes;
      passes.vertical(lines, stride, table, rowTable.pairs, out, out + rowBytes);
    }
    return bytes.slice(outAt, outAt + rowBytes * height);
  };
};

/** With SIMD where the machine has it. */
export const createResize = (): Resize => {
  const code = Buffer.from(resampleWasm, 'base64');
  return WebAssembly.validate(code) ? openSimd(code) : resample;
};
