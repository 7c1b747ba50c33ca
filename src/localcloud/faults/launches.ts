import type { Disturbance, LaunchRequest } from '../ec2/instances.ts';
import {
  bump,
  draw,
  type FaultCounts,
  type FaultPlan,
  isDue,
  isLaunchRule,
  type LaunchRule,
} from '../faults.ts';

/** What a rule may ask of an instance. */
export type LaunchFacts = Pick<LaunchRequest, 'instanceType' | 'subnetId' | 'market'>;

/** What happens to one instance. */
export interface LaunchInjection extends Disturbance {
  readonly hasCapacity: boolean;
  /** Positions of the rules in the plan. */
  readonly rules: readonly number[];
}

export const undisturbed: LaunchInjection = {
  hasCapacity: true,
  bootDelayMs: 0,
  interruption: undefined,
  rules: [],
};

const isAbout = (rule: LaunchRule, { instanceType, subnetId, market }: LaunchFacts): boolean =>
  rule.instanceTypes?.includes(instanceType) !== false &&
  rule.subnets?.includes(subnetId) !== false &&
  (rule.market === undefined || rule.market === market) &&
  (rule.fault !== 'spot-interruption' || market === 'spot');

const withRule = (before: LaunchInjection, rule: LaunchRule, jitter: number): LaunchInjection => {
  switch (rule.fault) {
    case 'no-capacity':
      return { ...before, hasCapacity: false };
    case 'boot-delay':
      return { ...before, bootDelayMs: before.bootDelayMs + rule.ms + rule.jitterMs * jitter };
    case 'boot-hang':
      return { ...before, bootDelayMs: Number.POSITIVE_INFINITY };
    case 'spot-interruption':
      return { ...before, interruption: { afterMs: rule.afterMs, noticeMs: rule.noticeMs } };
  }
};

/**
 * Decides what happens to one instance. All rules that hit hold together; the one for capacity ends it, since nothing starts then.
 * @param atSeconds since the plan was set
 */
export const decideLaunch = (
  { seed, rules }: FaultPlan,
  counts: FaultCounts,
  operation: string,
  facts: LaunchFacts,
  atSeconds: number,
): { readonly counts: FaultCounts; readonly injection: LaunchInjection } => {
  let { matched, hit } = counts;
  let injection = undisturbed;
  rules.forEach((rule, index) => {
    if (!isLaunchRule(rule) || !injection.hasCapacity) return;
    if (!isDue(rule, hit[index] ?? 0, operation, atSeconds) || !isAbout(rule, facts)) return;
    const nth = matched[index] ?? 0;
    matched = bump(matched, index);
    if (draw(seed, index, nth, 0) >= rule.probability) return;
    hit = bump(hit, index);
    injection = {
      ...withRule(injection, rule, draw(seed, index, nth, 1)),
      rules: [...injection.rules, index],
    };
  });
  return { counts: { matched, hit }, injection };
};
