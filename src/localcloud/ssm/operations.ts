import type { Input } from '../input.ts';

/** The operations of one subject of SSM, by name. Each throws a Refusal. */
export type SsmOperations = Readonly<Record<string, (input: Input) => object>>;
