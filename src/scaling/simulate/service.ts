import type { Random } from './random.ts';
import { serviceTimes } from './random.ts';
import type { Waits } from './waits.ts';
import type { World } from './world.ts';

/** A simulated instance. */
export interface Worker {
  readonly id: number;
  readonly launchedAt: number;
  readonly readyAt: number;
  state: 'pending' | 'ready' | 'draining' | 'gone';
  interruptAt: number | undefined;
  /** When the image in hand is finished, and when that image had arrived. */
  freeAt: number;
  jobArrivedAt: number | undefined;
  imagesDone: number;
  busySeconds: number;
}

/** The queue and what the workers do with it. Time goes in steps of a second. */
export interface Service {
  /** Requests that come in the second that begins at `second`; `times` is sorted. */
  arrive(second: number, times: readonly number[] | number): void;
  join(worker: Worker): void;
  /** Serves until the end of the second that begins at `second`. */
  serve(second: number): void;
  /** A lost worker's image comes back when its visibility timeout ends. */
  lose(worker: Worker, second: number): void;
  /** Brings the worker's counters up to date. */
  count(worker: Worker): void;
  /** Stops receiving; the image in hand is finished by `freeAt`. */
  drain(worker: Worker, second: number): void;
  /** A drained worker has finished. */
  leave(worker: Worker): void;
  visible(): number;
  inFlight(second: number): number;
  /** Ends the run: those never served have waited until `second`. Returns how many. */
  close(second: number): number;
}

/** First in, first out, with room made as needed. */
const createQueue = () => {
  let items = new Float64Array(1_024);
  let head = 0;
  let tail = 0;
  return {
    push: (item: number) => {
      if (tail === items.length) {
        const live = items.subarray(head, tail);
        const next = live.length * 2 > items.length ? new Float64Array(items.length * 2) : items;
        next.set(live);
        tail -= head;
        head = 0;
        items = next;
      }
      items[tail++] = item;
    },
    first: () => items[head] ?? 0,
    shift: () => items[head++] ?? 0,
    size: () => tail - head,
  };
};

/** A binary heap of workers, the one that is free first on top. */
const createHeap = () => {
  const heap: Worker[] = [];
  const sink = (from: number) => {
    const item = heap[from] as Worker;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Worker).freeAt < (heap[child] as Worker).freeAt)
        child += 1;
      if ((heap[child] as Worker).freeAt >= item.freeAt) break;
      heap[at] = heap[child] as Worker;
      at = child;
    }
    heap[at] = item;
  };
  return {
    workers: heap as readonly Worker[],
    push: (worker: Worker) => {
      let at = heap.length;
      heap.push(worker);
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if ((heap[parent] as Worker).freeAt <= worker.freeAt) break;
        heap[at] = heap[parent] as Worker;
        at = parent;
      }
      heap[at] = worker;
    },
    /** The top worker is free later now. */
    sinkTop: () => sink(0),
    remove: (worker: Worker) => {
      const at = heap.indexOf(worker);
      if (at < 0) return;
      const last = heap.pop();
      if (last === undefined || last === worker) return;
      heap[at] = last;
      for (let index = (heap.length >> 1) - 1; index >= 0; index -= 1) sink(index);
    },
  };
};

/** Each request on its own: exact start and end, whatever the load. */
export const exactService = (world: World, waits: Waits, random: Random): Service => {
  const times = serviceTimes(world.serviceVariation, random).map((time) => time / world.serviceRate);
  const queue = createQueue();
  const heap = createHeap();
  const draining = new Set<Worker>();
  const lost: { readonly backAt: number; readonly arrivedAt: number }[] = [];
  const returned: number[] = [];

  const serveOne = (second: number): boolean => {
    const worker = heap.workers[0];
    const again = returned.length > 0;
    if (worker === undefined || (!again && queue.size() === 0)) return false;
    const arrivedAt = again ? (returned[0] ?? 0) : queue.first();
    const start = Math.max(worker.freeAt, (again ? second : arrivedAt) + world.fetchSeconds, second - 1);
    if (start >= second + 1) return false;
    if (again) returned.shift();
    else queue.shift();
    const length = times[Math.floor(random() * times.length)] ?? 0;
    worker.freeAt = start + length;
    worker.jobArrivedAt = arrivedAt;
    worker.imagesDone += 1;
    worker.busySeconds += length;
    waits.add(worker.freeAt - arrivedAt);
    heap.sinkTop();
    return true;
  };

  return {
    arrive: (_second, arrivals) => {
      if (typeof arrivals !== 'number') for (const time of arrivals) queue.push(time);
    },
    join: heap.push,
    serve: (second) => {
      for (let index = lost.length - 1; index >= 0; index -= 1) {
        const item = lost[index];
        if (item === undefined || item.backAt > second) continue;
        returned.push(item.arrivedAt);
        lost.splice(index, 1);
      }
      while (serveOne(second));
    },
    lose: (worker, second) => {
      heap.remove(worker);
      draining.delete(worker);
      if (worker.jobArrivedAt === undefined || worker.freeAt <= second) return;
      waits.remove(worker.freeAt - worker.jobArrivedAt);
      lost.push({ backAt: second + world.visibilitySeconds, arrivedAt: worker.jobArrivedAt });
    },
    count: () => {},
    drain: (worker) => {
      heap.remove(worker);
      draining.add(worker);
    },
    leave: (worker) => draining.delete(worker),
    visible: () => queue.size() + returned.length,
    inFlight: (second) => {
      let busy = lost.length;
      for (const worker of heap.workers) if (worker.freeAt > second) busy += 1;
      for (const worker of draining) if (worker.freeAt > second) busy += 1;
      return busy;
    },
    close: (second) => {
      const left = [...lost.map(({ arrivedAt }) => arrivedAt), ...returned];
      while (queue.size() > 0) left.push(queue.shift());
      for (const arrivedAt of left) waits.add(second - arrivedAt);
      return left.length;
    },
  };
};
