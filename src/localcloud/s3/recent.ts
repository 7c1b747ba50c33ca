/** Bodies of objects that were written lately: an image is read once, moments after it came, and then hardly ever again. */
export interface RecentBodies {
  get(key: string): Buffer | undefined;
  keep(key: string, body: Buffer): void;
  drop(key: string): void;
}

/** Keeps at most `maxBytes` in all; the oldest write goes first. Bodies over a quarter of that are not kept. */
export const createRecentBodies = (maxBytes: number): RecentBodies => {
  const bodies = new Map<string, Buffer>();
  let bytes = 0;

  const drop = (key: string): void => {
    bytes -= bodies.get(key)?.length ?? 0;
    bodies.delete(key);
  };

  return {
    get: (key) => bodies.get(key),
    keep: (key, body) => {
      drop(key);
      if (body.length > maxBytes / 4) return;
      bodies.set(key, body);
      bytes += body.length;
      for (const oldest of bodies.keys()) {
        if (bytes <= maxBytes) break;
        drop(oldest);
      }
    },
    drop,
  };
};
