import type { Observation } from '../observation.ts';
import type { Decision } from '../policy.ts';
import type { PolicyState } from '../state.ts';
import { createEyes } from './eyes.ts';
import { createFleet } from './fleet.ts';
import { fluidService } from './fluid.ts';
import { type Random, seededRandom } from './random.ts';
import { exactService } from './service.ts';
import { type Trace, traceRequests, traceSeconds } from './trace.ts';
import { createWaits, type Waits } from './waits.ts';
import type { World } from './world.ts';

/** What is simulated: the very `decide` that runs live, bound to its configuration. */
export interface SimulatedPolicy {
  readonly intervalSeconds: number;
  /** Reads true counts of this very moment, as Knative's autoscaler gets them from the processes themselves. */
  readonly exactCounts?: boolean;
  decide(state: PolicyState | undefined, observation: Observation): Decision;
}

export interface Outcome {
  readonly requests: number;
  readonly instanceHours: number;
  readonly waits: Waits;
  readonly launches: number;
  readonly peakWorkers: number;
  /** Requests that nobody had served at the end; they count with the time until then. */
  readonly unserved: number;
}

/** What happened in one second, for plots. */
export interface Moment {
  readonly second: number;
  readonly arrivals: number;
  readonly visible: number;
  /** Workers that are ready or booting. */
  readonly live: number;
  /** Requests taken up in this second, and the time from arrival to answer of all of them. */
  readonly answered: number;
  readonly waitedSeconds: number;
}

/** Above this many requests they are simulated as crowds (see `fluidService`). */
const mostExactRequests = 20_000_000;

/** The times at which the requests of one bin come in, sorted. */
const timesOf = (trace: Trace, index: number, random: Random): number[] => {
  const count = Math.round(trace.counts[index] ?? 0);
  const start = index * trace.binSeconds;
  return Array.from({ length: count }, () => start + random() * trace.binSeconds).sort((a, b) => a - b);
};

/** Hands out a trace second by second. */
const createArrivals = (trace: Trace, exact: boolean, random: Random) => {
  let bin = -1;
  let times: number[] = [];
  let next = 0;
  return (second: number): readonly number[] | number => {
    const index = Math.floor(second / trace.binSeconds);
    if (!exact) return (trace.counts[index] ?? 0) / trace.binSeconds;
    if (index !== bin) {
      // Bins need not begin at whole seconds: what is left of the last one belongs to this second.
      times = [...times.slice(next), ...timesOf(trace, index, random)];
      for (let skipped = bin + 1; skipped < index; skipped += 1)
        times = [...times, ...timesOf(trace, skipped, random)].sort((a, b) => a - b);
      next = 0;
      bin = index;
    }
    const from = next;
    while (next < times.length && (times[next] ?? 0) < second + 1) next += 1;
    return times.slice(from, next);
  };
};

/** Runs a policy over a trace. The same input gives the same outcome. */
export const simulate = (
  trace: Trace,
  policy: SimulatedPolicy,
  world: World,
  watch?: (moment: Moment) => void,
): Outcome => {
  const waits = createWaits();
  const requests = traceRequests(trace);
  const exact = requests <= mostExactRequests;
  const service = (exact ? exactService : fluidService)(world, waits, seededRandom(world.seed));
  const arrivalsOf = createArrivals(trace, exact, seededRandom(world.seed + 4));
  const fleet = createFleet(world, service);
  const eyes = createEyes(world, trace, service, policy.exactCounts === true);
  const end = Math.ceil(traceSeconds(trace)) + world.graceSeconds;
  let state: PolicyState | undefined;
  let launchFailures = 0;
  let peakWorkers = 0;

  for (let second = 0; second < end; second += 1) {
    fleet.advance(second);
    eyes.look(second);
    if (second % policy.intervalSeconds === 0) {
      const decision = policy.decide(state, eyes.observe(second, fleet.workers(), launchFailures));
      state = decision.state;
      if (decision.terminate.length > 0) fleet.abandon(new Set(decision.terminate), second);
      launchFailures = fleet.reach(decision.desired, second) ? 1 : 0;
    }
    const answeredBefore = waits.total();
    const waitedBefore = waits.sum();
    const arrivals = arrivalsOf(second);
    const count = typeof arrivals === 'number' ? arrivals : arrivals.length;
    eyes.arrived(count);
    service.arrive(second, arrivals);
    service.serve(second);
    peakWorkers = Math.max(peakWorkers, fleet.readyCount());
    fleet.finishDraining(second);
    watch?.({
      second,
      arrivals: count,
      visible: service.visible(),
      live: fleet.workers().length,
      answered: waits.total() - answeredBefore,
      waitedSeconds: waits.sum() - waitedBefore,
    });
  }
  fleet.close(end);
  const unserved = service.close(end);
  return {
    requests,
    instanceHours: fleet.instanceHours(),
    waits,
    launches: fleet.launches(),
    peakWorkers,
    unserved,
  };
};
