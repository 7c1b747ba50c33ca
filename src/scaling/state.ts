import { z } from 'zod';

/** What a policy remembers between runs: at most 4 KB of JSON. Losing it costs quality for a while, never correctness. */
const policyState = z.object({
  v: z.literal(1),
  atSeconds: z.number(),
  arrivingPerSecond: z.number().nonnegative(),
});
export type PolicyState = z.infer<typeof policyState>;

/** The state as it was stored; undefined, which `decide` takes for lost, when there is none or it cannot be understood. */
export const readState = (stored: unknown): PolicyState | undefined => policyState.safeParse(stored).data;
