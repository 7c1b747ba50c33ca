import type { ChosenPolicy } from '../chosen.ts';
import { decide, type PolicyConfig } from '../policy.ts';
import { type Moment, simulate } from './engine.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';

/** One policy over one trace. Waits are from arrival to answer. */
export interface Row {
  readonly trace: string;
  readonly policy: string;
  readonly instanceHours: number;
  readonly costUsd: number;
  readonly over10sPercent: number;
  readonly over60sPercent: number;
  readonly p50Seconds: number;
  readonly p95Seconds: number;
  readonly p99Seconds: number;
  readonly launches: number;
  readonly peakWorkers: number;
  readonly unserved: number;
}

/** Times between decisions that belong to a policy; the others decide as often as they are told. */
const ownIntervals: Readonly<Partial<Record<ChosenPolicy['policy'], number>>> = {
  // The course's controller.
  seed: 10,
  // CloudWatch's shortest period for the metrics of SQS.
  'target-tracking': 60,
  // The Kubernetes autoscaler's --horizontal-pod-autoscaler-sync-period.
  keda: 15,
  // Knative's tick-interval.
  kpa: 2,
};

export interface Course {
  readonly trace: Trace;
  readonly chosen: ChosenPolicy;
  readonly world: World;
  /** Limits, schedules and interval of all policies. */
  readonly config: Omit<PolicyConfig, 'policy' | 'parameter'>;
  readonly dollarsAnHour: number;
}

const digits = (value: number, places: number): number => Number(value.toFixed(places));

/** Runs one policy over one trace. */
export const runCourse = (course: Course, watch?: (moment: Moment) => void): Row => {
  const { trace, chosen, world, dollarsAnHour } = course;
  const { policy, parameter, label } = chosen;
  const intervalSeconds = ownIntervals[policy] ?? course.config.intervalSeconds;
  const config: PolicyConfig = {
    ...course.config,
    policy,
    intervalSeconds,
    ...(parameter === undefined ? {} : { parameter }),
  };
  const { waits, ...outcome } = simulate(
    trace,
    {
      intervalSeconds,
      exactCounts: policy === 'kpa',
      decide: (state, observation) => decide(state, observation, config),
    },
    world,
    watch,
  );
  return {
    trace: trace.name,
    policy: label,
    instanceHours: digits(outcome.instanceHours, 2),
    costUsd: digits(outcome.instanceHours * dollarsAnHour, 2),
    over10sPercent: digits(waits.overPercent(10), 3),
    over60sPercent: digits(waits.overPercent(60), 3),
    p50Seconds: digits(waits.quantile(0.5), 2),
    p95Seconds: digits(waits.quantile(0.95), 2),
    p99Seconds: digits(waits.quantile(0.99), 2),
    launches: outcome.launches,
    peakWorkers: outcome.peakWorkers,
    unserved: outcome.unserved,
  };
};

/** A policy over all traces: hours, money and launches are summed, shares are the unweighted mean over the traces. */
export interface Total {
  readonly policy: string;
  readonly instanceHours: number;
  readonly costUsd: number;
  readonly over10sPercent: number;
  readonly over60sPercent: number;
}

export const totalsOf = (rows: readonly Row[]): Total[] =>
  [...new Set(rows.map(({ policy }) => policy))].map((policy) => {
    const own = rows.filter((row) => row.policy === policy);
    const sum = (pick: (row: Row) => number) => own.reduce((total, row) => total + pick(row), 0);
    return {
      policy,
      instanceHours: digits(
        sum(({ instanceHours }) => instanceHours),
        1,
      ),
      costUsd: digits(
        sum(({ costUsd }) => costUsd),
        2,
      ),
      over10sPercent: digits(sum(({ over10sPercent }) => over10sPercent) / own.length, 2),
      over60sPercent: digits(sum(({ over60sPercent }) => over60sPercent) / own.length, 2),
    };
  });
