import { machinesWith } from '../../src/provision/machines.ts';

/** Machines as somebody may want them. */
export const someMachines = machinesWith({ instanceTypes: ['c7a.medium', 'm7a.medium'] });
