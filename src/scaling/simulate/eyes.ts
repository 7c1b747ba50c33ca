import type { Observation, ObservedInstance } from '../observation.ts';
import { normal, seededRandom } from './random.ts';
import type { Service, Worker } from './service.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';

/** What the controller reads: stale, noisy counts of the queue, and the newest reports of web processes and workers. */
export const createEyes = (world: World, trace: Trace, service: Service, exactCounts: boolean) => {
  const random = seededRandom(world.seed + 3);
  const kept = world.readingAgeSeconds + 1;
  const visible = new Float64Array(kept);
  const inFlight = new Float64Array(kept);
  const reports = new Map<Worker, { at: number; state: Worker['state']; seen: ObservedInstance }>();
  let reportedAt = 0;
  let reportedTotal = 0;
  let readAt = 0;
  let readTotal = 0;
  let total = 0;

  const noisy = (count: number): number =>
    count === 0 ? 0 : Math.max(0, Math.round(count * (1 + world.readingNoise * normal(random))));

  const reportOf = (worker: Worker, second: number): ObservedInstance => {
    const last = reports.get(worker);
    const interruptAtSeconds =
      worker.interruptAt === undefined ? undefined : trace.startSeconds + worker.interruptAt;
    if (
      last !== undefined &&
      last.state === worker.state &&
      last.seen.interruptAtSeconds === interruptAtSeconds &&
      (worker.state === 'pending' || second - last.at < world.workerReportSeconds)
    )
      return last.seen;
    if (worker.state === 'ready') service.count(worker);
    const seen: ObservedInstance = {
      id: String(worker.id),
      type: 'simulated',
      state: worker.state === 'ready' ? 'ready' : 'pending',
      launchedAtSeconds: trace.startSeconds + worker.launchedAt,
      ...(worker.state === 'ready'
        ? {
            readyAtSeconds: trace.startSeconds + worker.readyAt,
            imagesDone: worker.imagesDone,
            busySeconds: worker.busySeconds,
          }
        : {}),
      ...(interruptAtSeconds === undefined ? {} : { interruptAtSeconds }),
    };
    reports.set(worker, { at: second, state: worker.state, seen });
    return seen;
  };

  return {
    /** Before the requests of this second come in. */
    look: (second: number) => {
      visible[second % kept] = service.visible();
      inFlight[second % kept] = service.inFlight(second);
      if (second % world.webReportSeconds === 0) {
        reportedAt = second;
        reportedTotal = total;
      }
    },
    arrived: (count: number) => {
      total += count;
    },
    observe: (second: number, workers: readonly Worker[], launchFailures: number): Observation => {
      const age = exactCounts ? 0 : Math.min(second, Math.floor(random() * kept));
      const slot = (second - age) % kept;
      const read = (history: Float64Array) =>
        exactCounts ? (history[slot] ?? 0) : noisy(history[slot] ?? 0);
      if (reports.size > 2 * workers.length + 100) {
        const alive = new Set(workers);
        for (const worker of reports.keys()) if (!alive.has(worker)) reports.delete(worker);
      }
      const news =
        reportedAt > readAt
          ? [
              {
                from: trace.startSeconds + readAt,
                to: trace.startSeconds + reportedAt,
                count: Math.round(reportedTotal - readTotal),
              },
            ]
          : [];
      readAt = reportedAt;
      readTotal = reportedTotal;
      return {
        nowSeconds: trace.startSeconds + second,
        visible: read(visible),
        inFlight: read(inFlight),
        delayed: 0,
        arrivals: news,
        launchFailures,
        instances: workers.map((worker) => reportOf(worker, second)),
      };
    },
  };
};
