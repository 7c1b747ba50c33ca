import { Refusal } from '../answer.ts';
import { listOf } from '../query.ts';
import type { XmlElement } from '../xml.ts';
import { type Filterable, noTags, readFilters } from './filters.ts';
import type { Ec2Operations } from './operations.ts';
import { pageOf } from './paging.ts';
import type { Network } from './vpc.ts';

export interface InstanceType {
  readonly id: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly architecture: 'x86_64' | 'arm64';
  readonly isBurstable: boolean;
}

const sizes = { medium: 1, large: 2, xlarge: 4, '2xlarge': 8, '4xlarge': 16 } as const;

/** A family whose sizes double, with so many GiB for each vCPU: https://aws.amazon.com/ec2/instance-types/ */
const family = (
  name: string,
  gibPerVcpu: number,
  architecture: InstanceType['architecture'],
  smallest: 'medium' | 'large',
): readonly InstanceType[] =>
  Object.entries(sizes)
    .filter(([, vcpus]) => vcpus >= sizes[smallest])
    .map(([size, vcpus]) => ({
      id: `${name}.${size}`,
      vcpus,
      memoryMib: vcpus * gibPerVcpu * 1024,
      architecture,
      isBurstable: false,
    }));

const burstable = (name: string, architecture: InstanceType['architecture']): readonly InstanceType[] =>
  (
    [
      ['nano', 2, 512],
      ['micro', 2, 1024],
      ['small', 2, 2048],
      ['medium', 2, 4096],
      ['large', 2, 8192],
      ['xlarge', 4, 16_384],
      ['2xlarge', 8, 32_768],
    ] as const
  ).map(([size, vcpus, memoryMib]) => ({
    id: `${name}.${size}`,
    vcpus,
    memoryMib,
    architecture,
    isBurstable: true,
  }));

/** Types that a cluster like this one runs on: compute, general and burstable, of the last generations. */
export const instanceTypes: readonly InstanceType[] = [
  ...['c7a', 'c8a'].flatMap((name) => family(name, 2, 'x86_64', 'medium')),
  ...['m7a', 'm8a'].flatMap((name) => family(name, 4, 'x86_64', 'medium')),
  ...['c6a', 'c6i', 'c7i', 'c7i-flex'].flatMap((name) => family(name, 2, 'x86_64', 'large')),
  ...['m6a', 'm6i', 'm7i', 'm7i-flex'].flatMap((name) => family(name, 4, 'x86_64', 'large')),
  ...['c6g', 'c7g', 'c8g'].flatMap((name) => family(name, 2, 'arm64', 'medium')),
  ...['m6g', 'm7g', 'm8g'].flatMap((name) => family(name, 4, 'arm64', 'medium')),
  ...['t3', 't3a'].flatMap((name) => burstable(name, 'x86_64')),
  ...burstable('t4g', 'arm64'),
];

const byId = new Map(instanceTypes.map((type) => [type.id, type]));

/** Undefined for a type that does not exist, here or anywhere. */
export const findInstanceType = (id: string): InstanceType | undefined => byId.get(id);

const filterable: Filterable<InstanceType> = {
  'burstable-performance-supported': ({ isBurstable }) => [String(isBurstable)],
  'current-generation': () => ['true'],
  'instance-type': ({ id }) => [id],
  'processor-info.supported-architecture': ({ architecture }) => [architecture],
  'supported-usage-class': () => ['on-demand', 'spot'],
  'vcpu-info.default-vcpus': ({ vcpus }) => [String(vcpus)],
};

const typeXml = (type: InstanceType): XmlElement => ({
  instanceType: type.id,
  currentGeneration: true,
  supportedUsageClasses: { item: ['on-demand', 'spot'] },
  supportedRootDeviceTypes: { item: ['ebs'] },
  hypervisor: 'nitro',
  processorInfo: { supportedArchitectures: { item: [type.architecture] } },
  vCpuInfo: { defaultVCpus: type.vcpus },
  memoryInfo: { sizeInMiB: type.memoryMib },
  burstablePerformanceSupported: type.isBurstable,
});

export const createInstanceTypeCalls = (network: Network): Ec2Operations => ({
  DescribeInstanceTypes: (parameters) => {
    const ids = listOf(parameters, 'InstanceType');
    const unknown = ids.filter((id) => !byId.has(id));
    if (unknown.length > 0)
      throw new Refusal(
        'InvalidInstanceType',
        `The following supplied instance types do not exist: [${unknown.join(', ')}]`,
      );
    const wanted = instanceTypes
      .filter(({ id }) => ids.length === 0 || ids.includes(id))
      .filter(readFilters(parameters, filterable, noTags));
    const { page, nextToken } = pageOf(parameters, wanted, { min: 5, max: 100 });
    return {
      instanceTypeSet: { item: page.map(typeXml) },
      nextToken,
    };
  },

  DescribeInstanceTypeOfferings: (parameters) => {
    const locationType = parameters.get('LocationType') ?? 'region';
    const places: Readonly<Record<string, readonly string[]>> = {
      region: [network.zones[0]?.slice(0, -1) ?? ''],
      'availability-zone': network.zones,
    };
    const locations = places[locationType];
    if (!locations)
      throw new Refusal('InvalidParameterValue', `The local cloud has no locations of type ${locationType}.`);
    const all = instanceTypes.flatMap(({ id: type }) =>
      locations.map((location) => ({ id: `${type}@${location}`, type, location })),
    );
    const filter = readFilters<(typeof all)[number]>(
      parameters,
      { 'instance-type': ({ type }) => [type], location: ({ location }) => [location] },
      noTags,
    );
    const { page, nextToken } = pageOf(parameters, all.filter(filter), { min: 5, max: 1000 });
    return {
      instanceTypeOfferingSet: {
        item: page.map(({ type, location }) => ({ instanceType: type, locationType, location })),
      },
      nextToken,
    };
  },
});
