import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import { publicImages } from '../public-images.ts';
import { listOf, type Parameters } from '../query.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import type { XmlElement } from '../xml.ts';
import { type Filterable, readFilters } from './filters.ts';
import { knownInstances } from './instance-calls.ts';
import { findInstanceType } from './instance-types.ts';
import type { Instances } from './instances.ts';
import { hexId, isId } from './names.ts';
import type { Ec2Operations } from './operations.ts';
import { pageOf } from './paging.ts';
import { readTags, type Taggable, type Tags, tagsXml } from './tags.ts';

export interface Image {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly owner: 'amazon' | 'self';
  readonly architecture: 'x86_64' | 'arm64';
  /** Wall clock, milliseconds. */
  readonly createdMs: number;
  /** '' for Amazon's, whose snapshots are not ours to see. */
  readonly snapshotId: string;
  /** '' for Amazon's. */
  readonly sourceInstanceId: string;
  readonly tags: Tags;
}

interface Snapshot {
  readonly id: string;
  readonly imageId: string;
  readonly createdMs: number;
  readonly description: string;
  readonly tags: Tags;
}

export interface Images {
  readonly operations: Ec2Operations;
  readonly taggables: readonly Taggable[];
  /** Throws a Refusal where there is none, or none yet. */
  readonly usable: (id: string) => Image;
}

/** How long a new image is pending: long enough that whoever does not wait for it fails. */
const pendingMs = 500;
const amazonId = '137112412989';
const volumeGib = 8;

const amazonImages: readonly Image[] = publicImages.map(({ id, name, architecture }) => ({
  id,
  name,
  description: 'Amazon Linux 2023',
  owner: 'amazon',
  architecture,
  createdMs: Date.UTC(2026, 0, 1),
  snapshotId: '',
  sourceInstanceId: '',
  tags: {},
}));

/** Machine images and their snapshots. An image remembers what it was made of; no disk is copied, since no instance has one. */
export const createImages = (options: {
  readonly shelves: Shelves;
  readonly clock: Clock;
  readonly instances: Instances;
  readonly account: string;
}): Images => {
  const { clock, instances, account } = options;
  const images: Shelf<Image> = options.shelves.open('ec2.image');
  const snapshots: Shelf<Snapshot> = options.shelves.open('ec2.snapshot');

  const stateOf = ({ createdMs }: Image): 'pending' | 'available' =>
    clock.wallMs() - createdMs < pendingMs ? 'pending' : 'available';
  const ownerId = ({ owner }: Image): string => (owner === 'amazon' ? amazonId : account);
  const all = (): readonly Image[] => [...amazonImages, ...images.values()];

  const find = (id: string): Image => {
    if (!isId('ami', id)) throw new Refusal('InvalidAMIID.Malformed', `Invalid id: "${id}"`);
    const image = images.get(id) ?? amazonImages.find((one) => one.id === id);
    if (!image) throw new Refusal('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);
    return image;
  };

  const own = (id: string): Image => {
    const image = find(id);
    if (image.owner !== 'self') throw new Refusal('AuthFailure', `Not authorized for image:${id}`, 403);
    return image;
  };

  const findSnapshot = (id: string): Snapshot => {
    const snapshot = snapshots.get(id);
    if (!snapshot) throw new Refusal('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);
    return snapshot;
  };

  const create = (parameters: Parameters): XmlElement => {
    const name = parameters.get('Name') ?? '';
    if (!/^[a-zA-Z0-9()[\] ./\-'@_]{3,128}$/.test(name))
      throw new Refusal('InvalidAMIName.Malformed', `AMI name '${name}' is not valid: 3 to 128 characters`);
    if ([...images.values()].some((image) => image.name === name))
      throw new Refusal('InvalidAMIName.Duplicate', `AMI name ${name} is already in use by another AMI`);
    const [instance] = knownInstances(instances, [parameters.get('InstanceId') ?? '']);
    if (!instance || (instance.state !== 'running' && instance.state !== 'stopped'))
      throw new Refusal('IncorrectState', `The instance is ${instance?.state}, not running or stopped.`);
    if (instance.state === 'running' && parameters.get('NoReboot') !== 'true')
      throw new Refusal(
        'UnsupportedOperation',
        'The local cloud reboots no instance: stop it first, or ask for NoReboot.',
        501,
      );
    const createdMs = clock.wallMs();
    const imageId = hexId('ami');
    const snapshot: Snapshot = {
      id: hexId('snap'),
      imageId,
      createdMs,
      description: `Created by CreateImage(${instance.id}) for ${imageId}`,
      tags: readTags(parameters, 'snapshot'),
    };
    snapshots.put(snapshot.id, snapshot);
    images.put(imageId, {
      id: imageId,
      name,
      description: parameters.get('Description') ?? '',
      owner: 'self',
      // The instance's own image, from which it would come, may be gone.
      architecture: findInstanceType(instance.instanceType)?.architecture ?? 'x86_64',
      createdMs,
      snapshotId: snapshot.id,
      sourceInstanceId: instance.id,
      tags: readTags(parameters, 'image'),
    });
    return { imageId };
  };

  const deregister = (parameters: Parameters): XmlElement => {
    const image = own(parameters.get('ImageId') ?? '');
    if (parameters.get('DeleteAssociatedSnapshots') === 'true')
      throw new Refusal('UnsupportedOperation', 'The local cloud leaves snapshots to DeleteSnapshot.', 501);
    images.remove(image.id);
    return { return: true };
  };

  const deleteSnapshot = (parameters: Parameters): XmlElement => {
    const snapshot = findSnapshot(parameters.get('SnapshotId') ?? '');
    if (images.get(snapshot.imageId))
      throw new Refusal(
        'InvalidSnapshot.InUse',
        `The snapshot ${snapshot.id} is currently in use by ${snapshot.imageId}`,
      );
    snapshots.remove(snapshot.id);
    return { return: true };
  };

  const imageFilters: Filterable<Image> = {
    architecture: ({ architecture }) => [architecture],
    description: ({ description }) => [description],
    'image-id': ({ id }) => [id],
    'image-type': () => ['machine'],
    'is-public': ({ owner }) => [String(owner === 'amazon')],
    name: ({ name }) => [name],
    'owner-alias': ({ owner }) => (owner === 'amazon' ? ['amazon'] : []),
    'owner-id': (image) => [ownerId(image)],
    'root-device-type': () => ['ebs'],
    state: (image) => [stateOf(image)],
    'virtualization-type': () => ['hvm'],
  };

  const snapshotFilters: Filterable<Snapshot> = {
    description: ({ description }) => [description],
    'snapshot-id': ({ id }) => [id],
    status: () => ['completed'],
  };

  const imageXml = (image: Image): XmlElement => ({
    imageId: image.id,
    imageLocation: `${ownerId(image)}/${image.name}`,
    imageState: stateOf(image),
    imageOwnerId: ownerId(image),
    ...(image.owner === 'amazon' && { imageOwnerAlias: 'amazon' }),
    creationDate: new Date(image.createdMs).toISOString(),
    isPublic: image.owner === 'amazon',
    architecture: image.architecture,
    imageType: 'machine',
    name: image.name,
    ...(image.description !== '' && { description: image.description }),
    rootDeviceType: 'ebs',
    rootDeviceName: '/dev/xvda',
    virtualizationType: 'hvm',
    enaSupport: true,
    ...(image.sourceInstanceId !== '' && { sourceInstanceId: image.sourceInstanceId }),
    blockDeviceMapping: {
      item: {
        deviceName: '/dev/xvda',
        ebs: {
          ...(image.snapshotId !== '' && { snapshotId: image.snapshotId }),
          volumeSize: volumeGib,
          volumeType: 'gp3',
          deleteOnTermination: true,
          encrypted: false,
        },
      },
    },
    tagSet: tagsXml(image.tags),
  });

  const snapshotXml = (snapshot: Snapshot): XmlElement => ({
    snapshotId: snapshot.id,
    volumeId: snapshot.id.replace('snap-', 'vol-'),
    status: 'completed',
    progress: '100%',
    startTime: new Date(snapshot.createdMs).toISOString(),
    ownerId: account,
    description: snapshot.description,
    volumeSize: volumeGib,
    encrypted: false,
    tagSet: tagsXml(snapshot.tags),
  });

  /** Of `Owner.N`: `self`, `amazon` or an account; none means all. */
  const isOwnedBy = (owners: readonly string[], image: Image): boolean =>
    owners.length === 0 || owners.includes(image.owner) || owners.includes(ownerId(image));

  const describe = (parameters: Parameters): XmlElement => {
    const ids = listOf(parameters, 'ImageId').map((id) => find(id).id);
    const owners = listOf(parameters, 'Owner');
    const wanted = all()
      .filter(({ id }) => ids.length === 0 || ids.includes(id))
      .filter((image) => isOwnedBy(owners, image))
      .filter(readFilters(parameters, imageFilters, ({ tags }) => tags));
    const { page, nextToken } = pageOf(parameters, wanted, { min: 1, max: 1000 });
    return { imagesSet: { item: page.map(imageXml) }, nextToken };
  };

  const describeSnapshots = (parameters: Parameters): XmlElement => {
    const ids = listOf(parameters, 'SnapshotId').map((id) => findSnapshot(id).id);
    const owners = listOf(parameters, 'Owner');
    const isOurs = owners.length === 0 || owners.includes('self') || owners.includes(account);
    const wanted = [...snapshots.values()]
      .filter(({ id }) => isOurs && (ids.length === 0 || ids.includes(id)))
      .filter(readFilters(parameters, snapshotFilters, ({ tags }) => tags));
    const { page, nextToken } = pageOf(parameters, wanted, { min: 5, max: 1000 });
    return { snapshotSet: { item: page.map(snapshotXml) }, nextToken };
  };

  return {
    operations: {
      CreateImage: create,
      DeleteSnapshot: deleteSnapshot,
      DeregisterImage: deregister,
      DescribeImages: describe,
      DescribeSnapshots: describeSnapshots,
    },
    taggables: [
      { prefix: 'ami', find: own, setTags: (id, tags) => images.put(id, { ...own(id), tags }) },
      {
        prefix: 'snap',
        find: findSnapshot,
        setTags: (id, tags) => snapshots.put(id, { ...findSnapshot(id), tags }),
      },
    ],
    usable: (id) => {
      const image = find(id);
      if (stateOf(image) === 'pending')
        throw new Refusal('InvalidAMIID.Unavailable', `The image ID '${id}' is not available`);
      return image;
    },
  };
};
