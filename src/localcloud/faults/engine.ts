import type { Clock } from '../../clock.ts';
import type { Answer } from '../answer.ts';
import { decide, type FaultCounts, type FaultPlan, type Injection, noFaultsYet } from '../faults.ts';
import { decideLaunch, type LaunchFacts, type LaunchInjection, undisturbed } from './launches.ts';

/** What is remembered of an answer that may be given again. */
interface Remembered {
  readonly answer: Answer;
  readonly atMs: number;
}

/** A plan at work. */
export interface FaultEngine {
  /** Whether there is a plan; what costs nothing to ask for every request. */
  readonly isActive: () => boolean;
  set(plan: FaultPlan | undefined): void;
  /** The plan and how often each rule matched and hit; undefined when there is none. */
  report(): (FaultPlan & FaultCounts) | undefined;
  /** What happens to this request. Writes it down. `target` tells which queue or object, for the log. */
  next(operation: string, requestId: string, target: () => string): Injection | undefined;
  /** What happens to an instance that is about to start. Writes it down. */
  nextLaunch(operation: string, facts: LaunchFacts): LaunchInjection;
  /** The earlier answer to the same request, at most `ms` old. */
  recall(key: string, ms: number): Answer | undefined;
  remember(key: string, answer: Answer): void;
}

/** Questions whose answers are remembered; the oldest is forgotten first. */
const maxRemembered = 200;

export interface FaultEngineOptions {
  readonly clock: Clock;
  /** Gets a line for each injection and for each change of the plan. */
  readonly log: (line: object) => void;
}

export const createFaultEngine = ({ clock, log }: FaultEngineOptions): FaultEngine => {
  let plan: FaultPlan | undefined;
  let counts: FaultCounts = { matched: [], hit: [] };
  let sinceMs = 0;
  const remembered = new Map<string, Remembered>();
  const at = (): string => new Date(clock.wallMs()).toISOString();

  return {
    isActive: () => plan !== undefined,

    set: (next) => {
      if (next === undefined && plan === undefined) return;
      plan = next;
      counts = next ? noFaultsYet(next) : { matched: [], hit: [] };
      sinceMs = clock.monotonicMs();
      remembered.clear();
      log({ at: at(), event: next ? 'faults-set' : 'faults-cleared', ...next });
    },

    report: () => plan && { ...plan, ...counts },

    next: (operation, requestId, target) => {
      if (!plan) return undefined;
      const seconds = (clock.monotonicMs() - sinceMs) / 1000;
      const decision = decide(plan, counts, operation, seconds);
      counts = decision.counts;
      const { injection } = decision;
      if (!injection) return undefined;
      log({
        at: at(),
        event: 'fault',
        seconds: Number(seconds.toFixed(3)),
        requestId,
        operation,
        target: target(),
        fault: injection.rule?.fault ?? 'latency',
        delayMs: Math.round(injection.delayMs),
        rules: injection.rules,
        seed: plan.seed,
      });
      return injection;
    },

    nextLaunch: (operation, facts) => {
      if (!plan) return undisturbed;
      const seconds = (clock.monotonicMs() - sinceMs) / 1000;
      const decision = decideLaunch(plan, counts, operation, facts, seconds);
      counts = decision.counts;
      const { rules, ...injection } = decision.injection;
      // Callers pass whole launch requests: user data and the like do not belong into the log.
      const { instanceType, subnetId, market } = facts;
      if (rules.length > 0)
        log({
          at: at(),
          event: 'launch-fault',
          seconds: Number(seconds.toFixed(3)),
          operation,
          instanceType,
          subnetId,
          market,
          ...injection,
          rules,
          seed: plan.seed,
        });
      return decision.injection;
    },

    recall: (key, ms) => {
      const found = remembered.get(key);
      return found && clock.monotonicMs() - found.atMs <= ms ? found.answer : undefined;
    },
    remember: (key, answer) => {
      remembered.delete(key);
      remembered.set(key, { answer, atMs: clock.monotonicMs() });
      for (const oldest of remembered.keys()) {
        if (remembered.size <= maxRemembered) break;
        remembered.delete(oldest);
      }
    },
  };
};
