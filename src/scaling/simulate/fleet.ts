import { seededRandom } from './random.ts';
import type { Service, Worker } from './service.ts';
import type { World } from './world.ts';

const noticeSeconds = 120;
const slowBootFactor = 5;

/** The fleet: launches, boots, interruptions, ends, and the bill. */
export const createFleet = (world: World, service: Service) => {
  const boots = seededRandom(world.seed + 2);
  const spots = seededRandom(world.seed + 1);
  let workers: Worker[] = [];
  let draining: Worker[] = [];
  const noticeAt = new Map<Worker, number>();
  let nextId = 1;
  let billedSeconds = 0;
  let launches = 0;
  let readyCount = 0;

  const end = (worker: Worker, second: number) => {
    if (worker.state === 'ready') readyCount -= 1;
    worker.state = 'gone';
    noticeAt.delete(worker);
    billedSeconds += Math.max(world.minBilledSeconds, second - worker.launchedAt);
  };
  const sweep = () => {
    workers = workers.filter(({ state }) => state === 'pending' || state === 'ready');
  };
  const bootSeconds = (): number => {
    if (world.hungBoots > 0 && boots() < world.hungBoots) return Number.POSITIVE_INFINITY;
    const usual = world.bootMinSeconds + boots() * (world.bootMaxSeconds - world.bootMinSeconds);
    return world.slowBoots > 0 && boots() < world.slowBoots ? slowBootFactor * usual : usual;
  };
  const refuses = (second: number): boolean =>
    (world.refusedLaunches > 0 && boots() < world.refusedLaunches) ||
    (world.outage !== undefined && second >= world.outage.fromSeconds && second < world.outage.toSeconds);

  return {
    workers: () => workers,
    readyCount: () => readyCount,
    launches: () => launches,
    instanceHours: () => billedSeconds / 3_600,
    /** Boots that end and spot instances that are taken away in this second. */
    advance: (second: number) => {
      for (const worker of workers)
        if (worker.state === 'pending' && worker.readyAt <= second) {
          worker.state = 'ready';
          worker.freeAt = worker.readyAt;
          readyCount += 1;
          service.join(worker);
          if (world.spotPerHour > 0)
            noticeAt.set(worker, second - (Math.log(1 - spots()) * 3_600) / world.spotPerHour);
        }
      for (const [worker, at] of noticeAt) {
        if (worker.interruptAt === undefined && at <= second) worker.interruptAt = second + noticeSeconds;
        if (worker.interruptAt !== undefined && worker.interruptAt <= second) {
          service.lose(worker, second);
          end(worker, second);
          sweep();
          draining = draining.filter(({ state }) => state !== 'gone');
        }
      }
    },
    /** Launches or drains until `desired` are counted; returns whether a launch was refused. */
    reach: (desired: number, second: number): boolean => {
      const counted = workers.filter(({ interruptAt }) => interruptAt === undefined);
      if (desired > counted.length) {
        if (refuses(second)) return true;
        for (let index = counted.length; index < desired; index += 1) {
          launches += 1;
          workers.push({
            id: nextId++,
            state: 'pending',
            launchedAt: second,
            readyAt: second + bootSeconds(),
            interruptAt: undefined,
            freeAt: 0,
            jobArrivedAt: undefined,
            imagesDone: 0,
            busySeconds: 0,
          });
        }
      } else if (desired < counted.length) {
        // Newest first, those still booting before all others.
        const isReady = (worker: Worker) => (worker.state === 'ready' ? 1 : 0);
        const victims = counted.toSorted((a, b) => isReady(a) - isReady(b) || b.launchedAt - a.launchedAt);
        for (const victim of victims.slice(0, counted.length - desired)) {
          if (victim.state === 'pending') {
            end(victim, second);
            continue;
          }
          readyCount -= 1;
          victim.state = 'draining';
          service.drain(victim, second);
          draining.push(victim);
        }
        sweep();
      }
      return false;
    },
    abandon: (ids: ReadonlySet<string>, second: number) => {
      for (const worker of workers)
        if (worker.state === 'pending' && ids.has(String(worker.id))) end(worker, second);
      sweep();
    },
    /** Ends those that have finished the image in hand. */
    finishDraining: (second: number) => {
      if (draining.length === 0) return;
      for (const worker of draining)
        if (worker.freeAt <= second + 1) {
          service.leave(worker);
          end(worker, Math.max(second, worker.freeAt));
        }
      draining = draining.filter(({ state }) => state !== 'gone');
    },
    close: (second: number) => {
      for (const worker of [...workers, ...draining]) end(worker, second);
    },
  };
};
