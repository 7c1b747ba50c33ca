import * as zlib from 'node:zlib';

/** The table of a reflected 32-bit CRC. */
const table = (polynomial: number): Uint32Array =>
  Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value;
  });

const crcByTable = (polynomial: number): ((data: Buffer) => number) => {
  let steps: Uint32Array | undefined;
  return (data) => {
    steps ??= table(polynomial);
    let crc = 0xffffffff;
    for (const byte of data) crc = (crc >>> 8) ^ (steps[(crc ^ byte) & 0xff] ?? 0);
    return (crc ^ 0xffffffff) >>> 0;
  };
};

/** The CRC-32 of zlib and PNG, for Node before 20.15, where zlib does not offer it. */
export const crc32ByTable = crcByTable(0xedb88320);

/** Castagnoli's, https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4 */
const crc32c = crcByTable(0x82f63b78);

const crc32: (data: Buffer) => number = typeof zlib.crc32 === 'function' ? zlib.crc32 : crc32ByTable;

/**
 * CRC-64/NVME, reflected polynomial 0x9a6c9329ac4bc9b5, in two halves because JavaScript's bit operators have 32 bits.
 * Source: NVM Express NVM Command Set Specification 1.0d, 5.2.1.3.4.
 */
const crc64Nvme = (() => {
  let tables: { readonly high: Uint32Array; readonly low: Uint32Array } | undefined;
  const makeTables = () => {
    const high = new Uint32Array(256);
    const low = new Uint32Array(256);
    for (let index = 0; index < 256; index++) {
      let value = BigInt(index);
      for (let bit = 0; bit < 8; bit++)
        value = value & 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n;
      high[index] = Number(value >> 32n);
      low[index] = Number(value & 0xffffffffn);
    }
    return { high, low };
  };
  return (data: Buffer): { readonly high: number; readonly low: number } => {
    tables ??= makeTables();
    let high = 0xffffffff;
    let low = 0xffffffff;
    for (const byte of data) {
      const index = (low ^ byte) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (tables.low[index] ?? 0);
      high = (high >>> 8) ^ (tables.high[index] ?? 0);
    }
    return { high: ~high >>> 0, low: ~low >>> 0 };
  };
})();

const base64 = (...words: readonly number[]): string => {
  const bytes = Buffer.allocUnsafe(4 * words.length);
  words.forEach((word, index) => {
    bytes.writeUInt32BE(word, 4 * index);
  });
  return bytes.toString('base64');
};

/** As `x-amz-checksum-crc32` and its kin hold it: big-endian, base64. */
export const crc32Base64 = (data: Buffer): string => base64(crc32(data));
export const crc32cBase64 = (data: Buffer): string => base64(crc32c(data));
export const crc64NvmeBase64 = (data: Buffer): string => {
  const { high, low } = crc64Nvme(data);
  return base64(high, low);
};
