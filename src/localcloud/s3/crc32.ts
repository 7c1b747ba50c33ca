import * as zlib from 'node:zlib';

const table = (): Uint32Array =>
  Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });

/** The CRC-32 of zlib and PNG, for Node before 20.15, where zlib does not offer it. */
export const crc32ByTable = (data: Buffer): number => {
  const steps = table();
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ (steps[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
};

const crc32: (data: Buffer) => number = typeof zlib.crc32 === 'function' ? zlib.crc32 : crc32ByTable;

/** As `x-amz-checksum-crc32` holds it: four bytes, big-endian, base64. */
export const crc32Base64 = (data: Buffer): string => {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(crc32(data));
  return bytes.toString('base64');
};
