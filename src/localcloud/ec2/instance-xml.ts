import type { XmlElement } from '../xml.ts';
import type { Instance, InstanceState } from './instances.ts';
import { tagsXml } from './tags.ts';

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html */
const stateCodes: Readonly<Record<InstanceState, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

export const stateCode = (state: InstanceState): number => stateCodes[state];

export const stateXml = (state: InstanceState): XmlElement => ({ code: stateCodes[state], name: state });

/** What an answer tells of an instance's surroundings. */
export interface InstancePlace {
  readonly vpcOf: (subnetId: string) => string;
  readonly groupName: (groupId: string) => string;
  readonly architectureOf: (instanceType: string) => string;
  readonly hasElasticIp: (instanceId: string) => boolean;
}

/** The parts that the terminated no longer have. */
const presenceXml = (instance: Instance, place: InstancePlace): XmlElement => ({
  privateIpAddress: '127.0.0.1',
  // Every address of this machine is the same one, so a process can be reached at what its instance is told to have.
  ...((place.hasElasticIp(instance.id) || (instance.hasPublicAddress && instance.state !== 'stopped')) && {
    ipAddress: '127.0.0.1',
  }),
  subnetId: instance.subnetId,
  vpcId: place.vpcOf(instance.subnetId),
  groupSet: {
    item: instance.groupIds.map((groupId) => ({ groupId, groupName: place.groupName(groupId) })),
  },
});

/** How EC2 describes an instance: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html */
export const instanceXml = (instance: Instance, place: InstancePlace): XmlElement => {
  const { state, reason, metadataOptions } = instance;
  return {
    instanceId: instance.id,
    imageId: instance.imageId,
    instanceState: stateXml(state),
    privateDnsName: state === 'terminated' ? '' : 'localhost',
    dnsName: '',
    reason: reason?.message ?? '',
    amiLaunchIndex: instance.launchIndex,
    instanceType: instance.instanceType,
    launchTime: new Date(instance.launchedMs).toISOString(),
    placement: { availabilityZone: instance.zone, tenancy: 'default' },
    monitoring: { state: 'disabled' },
    ...(state !== 'terminated' && presenceXml(instance, place)),
    ...(reason && { stateReason: { code: reason.code, message: reason.message } }),
    architecture: place.architectureOf(instance.instanceType),
    ...(instance.clientToken !== '' && { clientToken: instance.clientToken }),
    ...(instance.market === 'spot' && { instanceLifecycle: 'spot' }),
    ...(instance.profileArn !== '' && { iamInstanceProfile: { arn: instance.profileArn } }),
    metadataOptions: {
      state: 'applied',
      httpTokens: metadataOptions['HttpTokens'] ?? 'optional',
      httpPutResponseHopLimit: metadataOptions['HttpPutResponseHopLimit'] ?? '1',
      httpEndpoint: metadataOptions['HttpEndpoint'] ?? 'enabled',
      instanceMetadataTags: metadataOptions['InstanceMetadataTags'] ?? 'disabled',
    },
    tagSet: tagsXml(instance.tags),
  };
};

export const reservationXml = (
  reservationId: string,
  ownerId: string,
  members: readonly Instance[],
  place: InstancePlace,
): XmlElement => ({
  reservationId,
  ownerId,
  groupSet: '',
  instancesSet: { item: members.map((member) => instanceXml(member, place)) },
});
