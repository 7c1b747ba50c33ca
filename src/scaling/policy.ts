import type { Observation } from './observation.ts';
import type { PolicyState } from './state.ts';
import type { Why } from './why.ts';

/** How a policy is tuned. */
export interface PolicyConfig {
  readonly policy: 'economy' | 'balanced' | 'latency' | 'seed' | 'target-tracking' | 'keda' | 'kpa' | 'fixed';
  readonly min: number;
  readonly max: number;
  /** Least workers in the minute of a cron expression and until the next run of another: `{cron: "0 8 * * 1-5", min: 3}`. */
  readonly schedules: readonly { readonly cron: string; readonly min: number }[];
  /** Time between two runs. */
  readonly intervalSeconds: number;
  /** Replaces the dials of economy, balanced and latency. */
  readonly targetWaitSeconds?: number;
  /** Until the first images and boots have been measured. */
  readonly priorRatePerSecond: number;
  readonly priorBootSeconds: number;
}

export interface Decision {
  readonly state: PolicyState;
  /** Workers wanted, as an absolute number: ready and booting, without interrupted ones and those in `terminate`. */
  readonly desired: number;
  /** Instances whose boot is given up. */
  readonly terminate: readonly string[];
  /** Launches of the present kind keep being refused: take the next pool (type, zone, market). */
  readonly alternative: boolean;
  readonly why: Why;
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/**
 * Decides how many workers there should be. Pure: no clock, no randomness, no I/O; the same input gives the same output.
 * `state` is undefined at the first run and when it was lost: then the present fleet stays for a run.
 */
export const decide = (
  state: PolicyState | undefined,
  observation: Observation,
  config: PolicyConfig,
): Decision => {
  const { nowSeconds, visible, inFlight, delayed, arrivals, instances } = observation;
  const counted = instances.filter((instance) => instance.interruptAtSeconds === undefined);
  const from = counted.length;
  const ready = counted.filter((instance) => instance.state === 'ready').length;
  const waiting = visible + inFlight + delayed;
  const seconds = arrivals.reduce((sum, span) => sum + span.to - span.from, 0);
  const count = arrivals.reduce((sum, span) => sum + span.count, 0);
  const fresh = seconds > 0 ? count / seconds : 0;
  const arrivingPerSecond = state === undefined ? fresh : 0.5 * (state.arrivingPerSecond + fresh);
  const forRate = Math.ceil(arrivingPerSecond / config.priorRatePerSecond);
  const forBacklog = Math.ceil(visible / config.priorRatePerSecond / 20);
  const needed = Math.max(forRate + forBacklog, waiting > 0 ? Math.max(1, from) : 0);
  const to = clamp(state === undefined ? from : needed, config.min, config.max);
  return {
    state: { v: 1, atSeconds: nowSeconds, arrivingPerSecond },
    desired: to,
    terminate: [],
    alternative: observation.launchFailures > 1,
    why: {
      policy: config.policy,
      from,
      to,
      ready,
      booting: from - ready,
      waiting,
      arrivingPerSecond,
      workerPerSecond: config.priorRatePerSecond,
      bootSeconds: config.priorBootSeconds,
      forRate,
      forBacklog,
      kept: 0,
      hung: 0,
      rule: state === undefined ? 'state-lost' : 'none',
    },
  };
};
