import { Refusal } from '../answer.ts';
import { listOf, type Parameters } from '../query.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import type { XmlElement } from '../xml.ts';
import { type Filterable, readFilters } from './filters.ts';
import { knownInstances } from './instance-calls.ts';
import type { Instances } from './instances.ts';
import { hexId } from './names.ts';
import type { Ec2Operations } from './operations.ts';
import { readTags, type Taggable, type Tags, tagsXml } from './tags.ts';

interface Address {
  readonly id: string;
  /** '' where it is associated with nothing. */
  readonly associationId: string;
  readonly instanceId: string;
  readonly tags: Tags;
}

/** All that a machine's own services can be reached at. */
const loopback = '127.0.0.1';

const filterable: Filterable<Address> = {
  'allocation-id': ({ id }) => [id],
  'association-id': ({ associationId }) => (associationId === '' ? [] : [associationId]),
  domain: () => ['vpc'],
  'instance-id': ({ instanceId }) => (instanceId === '' ? [] : [instanceId]),
  'public-ip': () => [loopback],
};

/** Elastic IP addresses: each has an id of its own, and all are this machine's loopback address. */
export const createAddresses = (options: {
  readonly shelves: Shelves;
  readonly instances: Instances;
}): {
  readonly operations: Ec2Operations;
  readonly taggable: Taggable;
  readonly isAssociated: (instanceId: string) => boolean;
} => {
  const { instances } = options;
  const addresses: Shelf<Address> = options.shelves.open('ec2.address');

  /** A terminated instance has let go of its address. */
  const current = (address: Address): Address => {
    if (address.instanceId === '') return address;
    const state = instances.get(address.instanceId)?.state ?? 'terminated';
    return state === 'terminated' ? { ...address, associationId: '', instanceId: '' } : address;
  };

  const find = (id: string): Address => {
    const address = addresses.get(id);
    if (!address)
      throw new Refusal('InvalidAllocationID.NotFound', `The allocation ID '${id}' does not exist`);
    return current(address);
  };

  const named = (parameters: Parameters): Address => {
    const id = parameters.get('AllocationId');
    if (id === undefined)
      throw new Refusal('MissingParameter', 'The request must contain the parameter AllocationId');
    return find(id);
  };

  const allocate = (parameters: Parameters): XmlElement => {
    if ((parameters.get('Domain') ?? 'vpc') !== 'vpc')
      throw new Refusal('InvalidParameterValue', 'The local cloud has addresses of the domain vpc.');
    const tags = readTags(parameters, 'elastic-ip');
    const address = { id: hexId('eipalloc'), associationId: '', instanceId: '', tags };
    addresses.put(address.id, address);
    return { publicIp: loopback, domain: 'vpc', allocationId: address.id };
  };

  const associate = (parameters: Parameters): XmlElement => {
    const address = named(parameters);
    const [instance] = knownInstances(instances, [parameters.get('InstanceId') ?? '']);
    if (!instance || !['running', 'stopping', 'stopped'].includes(instance.state))
      throw new Refusal(
        'InvalidInstanceID',
        `The ${instance?.state} instance '${instance?.id}' is not in a valid state for this operation.`,
      );
    if (address.instanceId === instance.id) return { return: true, associationId: address.associationId };
    const ofInstance = [...addresses.values()].find(({ instanceId }) => instanceId === instance.id);
    const taken = address.instanceId !== '' || ofInstance !== undefined;
    if (taken && parameters.get('AllowReassociation') !== 'true')
      throw new Refusal(
        'Resource.AlreadyAssociated',
        `resource ${address.id} or instance ${instance.id} is already associated`,
      );
    if (ofInstance) addresses.put(ofInstance.id, { ...ofInstance, associationId: '', instanceId: '' });
    const associationId = hexId('eipassoc');
    addresses.put(address.id, { ...address, associationId, instanceId: instance.id });
    return { return: true, associationId };
  };

  const disassociate = (parameters: Parameters): XmlElement => {
    const id = parameters.get('AssociationId');
    const address = [...addresses.values()].find(({ associationId }) => associationId === id);
    if (id === undefined || id === '' || !address || current(address).associationId === '')
      throw new Refusal('InvalidAssociationID.NotFound', `The association ID '${id ?? ''}' does not exist`);
    addresses.put(address.id, { ...address, associationId: '', instanceId: '' });
    return { return: true };
  };

  const release = (parameters: Parameters): XmlElement => {
    const address = named(parameters);
    if (address.associationId !== '')
      throw new Refusal('InvalidIPAddress.InUse', `The address '${address.id}' is associated`);
    addresses.remove(address.id);
    return { return: true };
  };

  const addressXml = (address: Address): XmlElement => ({
    publicIp: loopback,
    allocationId: address.id,
    domain: 'vpc',
    ...(address.associationId !== '' && {
      associationId: address.associationId,
      instanceId: address.instanceId,
      privateIpAddress: loopback,
    }),
    tagSet: tagsXml(address.tags),
  });

  const describe = (parameters: Parameters): XmlElement => {
    const ids = listOf(parameters, 'AllocationId').map((id) => find(id).id);
    const ips = listOf(parameters, 'PublicIp');
    const wanted = [...addresses.values()]
      .map(current)
      .filter(({ id }) => ids.length === 0 || ids.includes(id))
      .filter(() => ips.length === 0 || ips.includes(loopback))
      .filter(readFilters(parameters, filterable, ({ tags }) => tags));
    return { addressesSet: { item: wanted.map(addressXml) } };
  };

  return {
    isAssociated: (id) => [...addresses.values()].some(({ instanceId }) => instanceId === id),
    operations: {
      AllocateAddress: allocate,
      AssociateAddress: associate,
      DescribeAddresses: describe,
      DisassociateAddress: disassociate,
      ReleaseAddress: release,
    },
    taggable: {
      prefix: 'eipalloc',
      find,
      setTags: (id, tags) => addresses.put(id, { ...find(id), tags }),
    },
  };
};
