import type { Chunks } from '../chunks.ts';

/** Bodies of objects that were written lately: an image is read once, moments after it came, and then hardly ever again. */
export interface RecentBodies {
  get(key: string): Chunks | undefined;
  /** @param bytes of all chunks */
  keep(key: string, body: Chunks, bytes: number): void;
  drop(key: string): void;
}

interface Kept {
  readonly body: Chunks;
  readonly bytes: number;
}

/** Keeps at most `maxBytes` in all; the oldest write goes first. Bodies over a quarter of that are not kept. */
export const createRecentBodies = (maxBytes: number): RecentBodies => {
  const bodies = new Map<string, Kept>();
  let total = 0;

  const drop = (key: string): void => {
    total -= bodies.get(key)?.bytes ?? 0;
    bodies.delete(key);
  };

  return {
    get: (key) => bodies.get(key)?.body,
    keep: (key, body, bytes) => {
      drop(key);
      if (bytes > maxBytes / 4) return;
      bodies.set(key, { body, bytes });
      total += bytes;
      for (const oldest of bodies.keys()) {
        if (total <= maxBytes) break;
        drop(oldest);
      }
    },
    drop,
  };
};
