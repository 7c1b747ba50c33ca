import type { Random } from './random.ts';
import { serviceTimes } from './random.ts';
import type { Service, Worker } from './service.ts';
import type { Waits } from './waits.ts';
import type { World } from './world.ts';

/** Service times stand for all of them at these many quantiles. */
const quantiles = 8;

/**
 * The requests of each second as one crowd, served at the rate of all workers together: for loads of which each request
 * on its own would take too long. Exact where many workers are busy, as waits from chance collisions are left out;
 * a test compares it with `exactService`.
 */
export const fluidService = (world: World, waits: Waits, random: Random): Service => {
  const sorted = serviceTimes(world.serviceVariation, random);
  const service = Array.from(
    { length: quantiles },
    (_, index) => (sorted[Math.floor(((index + 0.5) / quantiles) * sorted.length)] ?? 1) / world.serviceRate,
  );
  const mean = 1 / world.serviceRate;
  const ready = new Set<Worker>();
  /** Crowds waiting, oldest first; `head` is the first of them. */
  const crowds: { readonly second: number; left: number }[] = [];
  let head = 0;
  let waiting = 0;
  /** Images that each worker has done since the start, had it been there: all share alike. */
  let doneByEach = 0;
  const joinedAt = new Map<Worker, number>();
  let inService = 0;
  let lost: { readonly backAt: number; readonly second: number }[] = [];

  const takeFrom = (crowd: { readonly second: number; left: number }, amount: number, second: number) => {
    crowd.left -= amount;
    waiting -= amount;
    const wait = Math.max(0, second - crowd.second) + world.fetchSeconds;
    for (const time of service) waits.add(wait + time, amount / quantiles);
  };

  return {
    arrive: (second, arrivals) => {
      const left = typeof arrivals === 'number' ? arrivals : arrivals.length;
      if (left > 0) crowds.push({ second, left });
      waiting += left;
    },
    join: (worker) => {
      ready.add(worker);
      joinedAt.set(worker, doneByEach);
    },
    serve: (second) => {
      for (const item of lost)
        if (item.backAt <= second) {
          crowds.push({ second: item.second, left: 1 });
          waiting += 1;
        }
      lost = lost.filter((item) => item.backAt > second);
      let capacity = ready.size * world.serviceRate;
      const before = capacity;
      while (capacity > 1e-9 && head < crowds.length) {
        const crowd = crowds[head];
        if (crowd === undefined) break;
        const amount = Math.min(capacity, crowd.left);
        takeFrom(crowd, amount, second);
        capacity -= amount;
        if (crowd.left <= 1e-9) head += 1;
      }
      if (head > 4_096) {
        crowds.splice(0, head);
        head = 0;
      }
      const served = before - capacity;
      if (ready.size > 0) doneByEach += served / ready.size;
      // Little's law: as many are in service as come in a service time.
      inService = served * mean;
    },
    lose: (worker, second) => {
      const busy = ready.size > 0 && random() < inService / ready.size;
      ready.delete(worker);
      if (busy) lost.push({ backAt: second + world.visibilitySeconds, second });
    },
    count: (worker) => {
      worker.imagesDone = doneByEach - (joinedAt.get(worker) ?? doneByEach);
      worker.busySeconds = worker.imagesDone * mean;
    },
    drain: (worker, second) => {
      ready.delete(worker);
      joinedAt.delete(worker);
      worker.freeAt = second + mean;
    },
    leave: () => {},
    visible: () => Math.round(waiting),
    inFlight: () => Math.round(inService) + lost.length,
    close: (second) => {
      for (const crowd of crowds.slice(head)) waits.add(second - crowd.second, crowd.left);
      return Math.round(waiting);
    },
  };
};
