import { z } from 'zod';
import type { FoundInstance } from '../aws/ec2.ts';
import { pool } from './pools.ts';

/**
 * A launch that is stored before its call is made. Whoever finds it makes the same call again, with the same token, until the
 * instance is listed: so neither a crash nor a lost answer nor a list that lags launches twice.
 */
export const launchIntent = z.object({
  slot: z.number().int().positive(),
  token: z.string(),
  atMs: z.number(),
  pool,
  /** Every parameter of the call, so that it can be repeated verbatim by a scaler with other settings. */
  request: z.object({
    template: z.string(),
    instanceType: z.string(),
    subnetId: z.string().optional(),
    market: z.enum(['on-demand', 'spot']),
    tags: z.record(z.string(), z.string()),
    clientToken: z.string(),
  }),
  /** Known once EC2 has answered. */
  instanceId: z.string().optional(),
});
export type LaunchIntent = z.infer<typeof launchIntent>;

/** An instance that EC2 confirmed and does not list for this long has never lived. */
const forgetMs = 600_000;

/** Intents whose instance is not listed yet. */
export const openIntents = (
  intents: readonly LaunchIntent[],
  listed: readonly FoundInstance[],
  nowMs: number,
): LaunchIntent[] => {
  const tokens = new Set(listed.map(({ clientToken }) => clientToken));
  const ids = new Set(listed.map(({ id }) => id));
  return intents.filter(({ token, instanceId, atMs }) => {
    if (tokens.has(token)) return false;
    return instanceId === undefined || (!ids.has(instanceId) && nowMs - atMs < forgetMs);
  });
};

/** An instance that EC2 confirmed is listed within this time; its launch is repeated only after that. */
const listedAfterMs = 10_000;

/** Whether the call of an open intent is to be made again. */
export const isDue = ({ instanceId, atMs }: LaunchIntent, nowMs: number): boolean =>
  instanceId === undefined || nowMs - atMs >= listedAfterMs;

/** The lowest slots from 1 to `max` that nobody uses. */
export const freeSlots = (max: number, used: ReadonlySet<number>): number[] =>
  Array.from({ length: max }, (_, index) => index + 1).filter((slot) => !used.has(slot));
