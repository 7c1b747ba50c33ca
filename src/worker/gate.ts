/** Lets a limited number of jobs in at once, in the order in which they came. */
export interface Gate {
  /** Resolves with the function to call on leaving, or with undefined when the gate has closed. */
  enter(): Promise<(() => void) | undefined>;
  /** Lets nobody in any more; those who wait are turned away. */
  close(): void;
}

export const createGate = (places: number): Gate => {
  let free = places;
  let closed = false;
  const waiting: ((leave: (() => void) | undefined) => void)[] = [];
  const leave = () => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next(leaveOnce());
  };
  const leaveOnce = () => {
    let left = false;
    return () => {
      if (!left) leave();
      left = true;
    };
  };
  return {
    enter: async () => {
      if (closed) return undefined;
      if (free > 0) {
        free--;
        return leaveOnce();
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    close: () => {
      closed = true;
      for (const turnAway of waiting.splice(0)) turnAway(undefined);
    },
  };
};
