import { z } from 'zod';
import {
  kedaMemorySchema,
  kpaMemorySchema,
  seedMemorySchema,
  targetTrackingMemorySchema,
} from './comparisons.ts';
import { learnedSchema } from './learning.ts';
import { ownMemorySchema } from './own.ts';

/** What a policy remembers between runs: at most 4 KB of JSON. Losing it costs quality for a while, never correctness. */
const policyState = z.object({
  v: z.literal(1),
  atSeconds: z.number(),
  learned: learnedSchema,
  /** Refused launches: how many runs in a row, and when the next one may be tried. */
  refused: z.object({ runs: z.number().int().nonnegative(), untilSeconds: z.number() }),
  /** Of the policy that ran; another one starts with none. */
  memory: z.discriminatedUnion('of', [
    z.object({ of: z.literal('own'), own: ownMemorySchema }),
    z.object({ of: z.literal('seed'), seed: seedMemorySchema }),
    z.object({ of: z.literal('target-tracking'), targetTracking: targetTrackingMemorySchema }),
    z.object({ of: z.literal('keda'), keda: kedaMemorySchema }),
    z.object({ of: z.literal('kpa'), kpa: kpaMemorySchema }),
    z.object({ of: z.literal('fixed') }),
  ]),
});
export type PolicyState = z.infer<typeof policyState>;

/** The state as it was stored; undefined, which `decide` takes for lost, when there is none or it cannot be understood. */
export const readState = (stored: unknown): PolicyState | undefined => policyState.safeParse(stored).data;
