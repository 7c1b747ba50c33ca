import type { LaunchSettings } from '../../src/aws/launch-templates.ts';
import { clusterNames } from '../../src/aws/names.ts';
import type { Site } from '../../src/provision/site.ts';
import type { Wish } from '../../src/provision/wanted.ts';
import { someMachines } from './machine-choices.ts';

const place = { account: '111122223333', region: 'us-east-1', partition: 'aws' };

/** A cluster that exists nowhere. */
export const someSite: Site = {
  names: clusterNames('demo', place.account, place.region),
  place,
  installId: 'a4f7b0de-8d0e-4c8e-9b5f-4f2f7c6d1e10',
};

/** What a template may say that nothing is launched from. */
export const someLaunchSettings: LaunchSettings = {
  imageId: 'ami-0a100000000000864',
  instanceType: 'c7a.medium',
  profile: 'test-worker',
  securityGroups: [],
  market: 'on-demand',
  volume: { device: '/dev/xvda', gib: 8, type: 'gp3', encrypted: true },
  metadata: { tokens: 'required', hopLimit: 1, tags: 'disabled' },
  shutdown: 'terminate',
  credits: undefined,
  keyPair: undefined,
  userData: '#!/bin/sh\n# imgrec {"v":1,"role":"worker","cluster":"test"}\n',
  launchTags: {},
};

/** All there is to wish for, without looking anything up. */
export const someWish: Wish = {
  retentionSeconds: 7 * 86_400,
  visibilitySeconds: 30,
  workerSettings: { 'max-receives': 3 },
  apiKeys: true,
  machines: {
    choices: someMachines,
    surroundings: {
      vpcId: 'vpc-0123456789abcdef0',
      imageIds: { web: 'ami-0123456789abcdef0', worker: 'ami-0123456789abcdef0' },
      allowFrom: '203.0.113.7/32',
      hasPublicAddresses: true,
      software: { web: 'a'.repeat(64), worker: 'a'.repeat(64) },
    },
    userData: (role) => `#!/bin/sh\n# imgrec {"v":1,"role":"${role}"}\n`,
    drainCommand: 'systemctl stop imgrec@worker.service',
  },
};
