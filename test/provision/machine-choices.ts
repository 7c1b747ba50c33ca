import type { MachineChoices } from '../../src/provision/machines.ts';

/** Machines as somebody may want them. */
export const someMachines: MachineChoices = {
  iam: 'create',
  rolePath: '/imgrec/',
  permissionsBoundary: undefined,
  instanceTypes: ['c7a.medium', 'm7a.medium'],
  webInstanceType: 't3.small',
  webInstances: 1,
  volumeGib: 8,
  port: 8081,
  subnets: [],
  allowFrom: undefined,
};
