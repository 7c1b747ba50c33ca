import type { Clock } from '../clock.ts';
import type { Service } from './answer.ts';
import { createInstanceCalls, knownInstances } from './ec2/instance-calls.ts';
import type { InstancePlace } from './ec2/instance-xml.ts';
import type { Instances } from './ec2/instances.ts';
import { createLaunching } from './ec2/launching.ts';
import type { Ec2Operations } from './ec2/operations.ts';
import { createTagging, type Taggable } from './ec2/tags.ts';
import { createTemplates } from './ec2/templates.ts';
import { defaultVpc } from './ec2/vpc.ts';
import type { Profiles } from './iam/profiles.ts';
import { readParameters, unknownAction, xmlAnswer } from './query.ts';
import type { Shelves } from './shelf.ts';

const namespace = 'http://ec2.amazonaws.com/doc/2016-11-15/';

export interface Ec2Options {
  readonly instances: Instances;
  readonly shelves: Shelves;
  readonly clock: Clock;
  readonly account: string;
  readonly region: string;
  /** Live at the same time. */
  readonly maxInstances: number;
  readonly profiles: Pick<Profiles, 'byName' | 'byArn'>;
  /** How old an instance profile must be before EC2 knows it. */
  readonly profileDelayMs: number;
}

/** The protocol front of EC2 (Query protocol): launching, and the resources that launching needs. */
export const createEc2 = (options: Ec2Options): Service => {
  const { instances, shelves, clock, account, region } = options;
  const vpc = defaultVpc(region);
  const templates = createTemplates({ shelves, clock, account });
  const place: InstancePlace = {
    vpcId: vpc.id,
    groupNames: new Map(),
    addressOf: () => undefined,
    architectureOf: () => (process.arch === 'arm64' ? 'arm64' : 'x86_64'),
  };
  const taggableInstances: Taggable = {
    prefix: 'i',
    find: (id) => knownInstances(instances, [id])[0] ?? { tags: {} },
    setTags: instances.setTags,
  };
  const operations: Ec2Operations = {
    ...createLaunching({ ...options, templates, vpc, place }),
    ...createInstanceCalls({ instances, account, place }),
    ...templates.operations,
    ...createTagging([taggableInstances, templates.taggable]),
  };

  return {
    maxBodyBytes: 1024 * 1024,
    handle: (call, requestId) => {
      const parameters = readParameters(call.body());
      const action = parameters.get('Action') ?? '';
      const operation = Object.hasOwn(operations, action) ? operations[action] : undefined;
      if (!operation) throw unknownAction(action);
      return xmlAnswer(200, `${action}Response`, { requestId, ...operation(parameters) }, namespace);
    },
    refuse: (refusal, _call, requestId) =>
      xmlAnswer(refusal.status, 'Response', {
        Errors: { Error: { Code: refusal.code, Message: refusal.message } },
        RequestID: requestId,
      }),
  };
};
