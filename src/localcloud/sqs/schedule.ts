/** A binary heap of things that become due; the earliest is on top. Times are monotonic milliseconds. */
export interface Schedule<T> {
  add(dueMs: number, item: T): void;
  /** The earliest entry that `isCurrent` accepts; entries that it refuses are dropped on the way. */
  peek(): { readonly dueMs: number; readonly item: T } | undefined;
  pop(): void;
}

interface Entry<T> {
  readonly dueMs: number;
  readonly item: T;
}

/**
 * @param isCurrent false for an entry that a later one replaced: nothing is ever searched for and removed, because
 * each lease renewal would pay for that search
 */
export const createSchedule = <T>(isCurrent: (item: T, dueMs: number) => boolean): Schedule<T> => {
  const heap: Entry<T>[] = [];
  const dueAt = (index: number): number => heap[index]?.dueMs ?? Number.POSITIVE_INFINITY;

  const swap = (a: number, b: number): void => {
    const [first, second] = [heap[a], heap[b]];
    if (first && second) {
      heap[a] = second;
      heap[b] = first;
    }
  };

  const pop = (): void => {
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let parent = 0; ; ) {
      const left = 2 * parent + 1;
      const smaller = dueAt(left + 1) < dueAt(left) ? left + 1 : left;
      if (dueAt(smaller) >= dueAt(parent)) return;
      swap(parent, smaller);
      parent = smaller;
    }
  };

  return {
    add: (dueMs, item) => {
      heap.push({ dueMs, item });
      for (let child = heap.length - 1; child > 0; ) {
        const parent = (child - 1) >> 1;
        if (dueAt(parent) <= dueAt(child)) return;
        swap(parent, child);
        child = parent;
      }
    },
    peek: () => {
      for (let top = heap[0]; top !== undefined; top = heap[0]) {
        if (isCurrent(top.item, top.dueMs)) return top;
        pop();
      }
      return undefined;
    },
    pop,
  };
};
