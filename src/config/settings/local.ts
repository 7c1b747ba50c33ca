import { choice, integer, optional, setting, text } from '../setting.ts';

/** A cluster on this machine. */
export const localSettings = {
  workers: setting({
    name: 'workers',
    type: optional(integer(0, 64)),
    default: undefined,
    placeholder: 'N',
    help: 'run this many worker instances on this machine, neither more nor fewer (default: 1)',
  }),
  only: setting({
    name: 'only',
    type: optional(choice(['cloud'])),
    default: undefined,
    placeholder: 'PART',
    help: 'start only this part: cloud',
  }),
  faults: setting({
    name: 'faults',
    type: optional(text),
    default: undefined,
    placeholder: 'FILE|SEED',
    help: 'make the local cloud misbehave: a JSON file of rules, or a number for a mix of faults with that seed',
  }),
} as const;
