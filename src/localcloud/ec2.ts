import type { Clock } from '../clock.ts';
import type { Service } from './answer.ts';
import { createAddresses } from './ec2/addresses.ts';
import { createImages } from './ec2/images.ts';
import { createInstanceCalls, knownInstances } from './ec2/instance-calls.ts';
import { createInstanceTypeCalls, findInstanceType } from './ec2/instance-types.ts';
import type { InstancePlace } from './ec2/instance-xml.ts';
import type { Instances } from './ec2/instances.ts';
import { createLaunching } from './ec2/launching.ts';
import { createNetworkCalls } from './ec2/network-calls.ts';
import type { Ec2Operations } from './ec2/operations.ts';
import { createSecurityGroups } from './ec2/security-groups.ts';
import { createTagging, type Taggable } from './ec2/tags.ts';
import { createTemplates } from './ec2/templates.ts';
import { networkOf } from './ec2/vpc.ts';
import type { FaultEngine } from './faults/engine.ts';
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
  readonly faults: Pick<FaultEngine, 'nextLaunch'>;
}

/** The protocol front of EC2 (Query protocol): launching, and the resources that launching needs. */
export const createEc2 = (options: Ec2Options): Service => {
  const { instances, shelves, clock, account, region } = options;
  const network = networkOf(region);
  const templates = createTemplates({ shelves, clock, account });
  const images = createImages({ shelves, clock, instances, account });
  const addresses = createAddresses({ shelves, instances });
  const groups = createSecurityGroups({
    shelves,
    network,
    account,
    isInUse: (id) =>
      instances.list().some(({ state, groupIds }) => state !== 'terminated' && groupIds.includes(id)),
  });
  const place: InstancePlace = {
    vpcOf: (subnetId) => network.subnets.find(({ id }) => id === subnetId)?.vpcId ?? '',
    groupName: groups.nameOf,
    hasElasticIp: addresses.isAssociated,
    architectureOf: (instanceType) => findInstanceType(instanceType)?.architecture ?? 'x86_64',
  };
  const taggableInstances: Taggable = {
    prefix: 'i',
    find: (id) => knownInstances(instances, [id])[0] ?? { tags: {} },
    setTags: instances.setTags,
  };
  const operations: Ec2Operations = {
    ...createLaunching({ ...options, templates, network, groups, images, place }),
    ...createInstanceCalls({ ...options, place }),
    ...createInstanceTypeCalls(network),
    ...createNetworkCalls(network, account),
    ...addresses.operations,
    ...groups.operations,
    ...images.operations,
    ...templates.operations,
    ...createTagging([
      taggableInstances,
      addresses.taggable,
      groups.taggable,
      templates.taggable,
      ...images.taggables,
    ]),
  };

  return {
    maxBodyBytes: 1024 * 1024,
    handle: (call, requestId) => {
      const parameters = readParameters(call.body());
      const action = parameters.get('Action') ?? '';
      const operation = Object.hasOwn(operations, action) ? operations[action] : undefined;
      if (!operation) throw unknownAction(action);
      const context = { lagMs: call.lagMs ?? 0 };
      return xmlAnswer(200, `${action}Response`, { requestId, ...operation(parameters, context) }, namespace);
    },
    refuse: (refusal, _call, requestId) =>
      xmlAnswer(refusal.status, 'Response', {
        Errors: { Error: { Code: refusal.code, Message: refusal.message } },
        RequestID: requestId,
      }),
  };
};
