/** A body in the pieces it came in. They are not joined: that costs as much as hashing them. */
export type Chunks = readonly Buffer[];

export const bytesOf = (chunks: Chunks): number => {
  let bytes = 0;
  for (const chunk of chunks) bytes += chunk.length;
  return bytes;
};

export const joined = (chunks: Chunks): Buffer =>
  chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);

/** From `start` to before `end`. */
export const sliced = (chunks: Chunks, start: number, end: number): Chunks => {
  const parts: Buffer[] = [];
  let position = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(Math.max(0, start - position), Math.max(0, end - position));
    if (part.length > 0) parts.push(part);
    position += chunk.length;
  }
  return parts;
};
