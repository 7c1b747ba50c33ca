import { z } from 'zod';
import type { Market } from '../aws/ec2.ts';

/** Where capacity comes from: one instance type in one subnet, bought in one way. EC2 may be out of one and have another. */
export const pool = z.object({
  instanceType: z.string(),
  /** Absent: the launch template's or the default one. */
  subnetId: z.string().optional(),
  market: z.enum(['on-demand', 'spot']),
});
export type Pool = z.infer<typeof pool>;

export interface PoolChoices {
  /** Most wanted first. */
  readonly instanceTypes: readonly string[];
  readonly subnetIds: readonly string[];
  /** Spot first; on demand where spot is not to be had. */
  readonly spot: boolean;
}

/** A pool that refused: not asked again before `untilMs`. */
export const poolTrouble = z.object({ untilMs: z.number(), failures: z.number().int().positive() });
export type PoolTrouble = z.infer<typeof poolTrouble>;
export type PoolTroubles = Readonly<Record<string, PoolTrouble>>;

/** AWS advises to wait some minutes after InsufficientInstanceCapacity; each further refusal doubles it. */
const leastTroubleMs = 300_000;
const mostTroubleMs = 3_600_000;

export const poolKey = ({ market, instanceType, subnetId = '' }: Pool): string =>
  [market, instanceType, subnetId].join('/');

/**
 * The pool for a launch: the first way to buy, then the first type, that is not in trouble; subnets take turns by slot, so that a
 * fleet is spread over zones. Undefined when every pool is in trouble.
 */
export const choosePool = (
  choices: PoolChoices,
  troubles: PoolTroubles,
  nowMs: number,
  slot: number,
): Pool | undefined => {
  const markets: readonly Market[] = choices.spot ? ['spot', 'on-demand'] : ['on-demand'];
  const { subnetIds, instanceTypes } = choices;
  const turn = subnetIds.length === 0 ? 0 : slot % subnetIds.length;
  const subnets =
    subnetIds.length === 0 ? [undefined] : [...subnetIds.slice(turn), ...subnetIds.slice(0, turn)];
  for (const market of markets)
    for (const instanceType of instanceTypes)
      for (const subnetId of subnets) {
        const candidate: Pool = { instanceType, market, ...(subnetId === undefined ? {} : { subnetId }) };
        if ((troubles[poolKey(candidate)]?.untilMs ?? 0) <= nowMs) return candidate;
      }
  return undefined;
};

/** The troubles after a refusal; several of one moment are one trouble. */
export const withTrouble = (troubles: PoolTroubles, refused: Pool, nowMs: number): PoolTroubles => {
  const key = poolKey(refused);
  const known = troubles[key];
  if (known !== undefined && known.untilMs > nowMs) return troubles;
  const failures = (known?.failures ?? 0) + 1;
  const forMs = Math.min(mostTroubleMs, leastTroubleMs * 2 ** (failures - 1));
  return { ...troubles, [key]: { untilMs: nowMs + forMs, failures } };
};

/** The troubles without that of a pool which has just launched. */
export const withoutTrouble = (troubles: PoolTroubles, worked: Pool): PoolTroubles => {
  const { [poolKey(worked)]: _, ...others } = troubles;
  return others;
};
