import { callerNetwork } from '../aws/caller-address.ts';
import type { Ec2Setup } from '../aws/machines.ts';
import { tagKeys } from '../aws/names.ts';
import { exitCodes, ImgrecError, usageError } from '../errors.ts';
import { assignment } from '../fleet/user-data.ts';
import { type Architecture, architectureOf } from './architecture.ts';
import type { Clouds } from './clouds.ts';
import { inImage, type MachineChoices, type Surroundings } from './machines.ts';

/** Amazon's own parameter with the id of the newest Amazon Linux 2023. */
const newestImage: Readonly<Record<Architecture, string>> = {
  x64: '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64',
  arm64: '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64',
};

/** What machines without a way to the internet need endpoints for. */
const neededEndpoints = ['s3', 'sqs', 'ssm', 'ssmmessages', 'ec2messages', 'sts', 'ec2'] as const;

type Network = Pick<Surroundings, 'vpcId' | 'hasPublicAddresses'>;

/** The network of these subnets. Machines in them must be able to reach AWS. */
const networkOf = async ({ network }: Ec2Setup, ids: readonly string[]): Promise<Network> => {
  const subnets = await network.subnets(ids);
  const [vpcId, ...others] = [...new Set(subnets.map((subnet) => subnet.vpcId))];
  if (vpcId === undefined || others.length > 0)
    throw usageError(`--subnets ${ids.join(',')} are not in one VPC`, 'name subnets of one VPC');
  const stranded = subnets.filter(({ wayOut }) => wayOut === 'none').map(({ id }) => id);
  const place = { vpcId, hasPublicAddresses: subnets.some(({ wayOut }) => wayOut === 'public-address') };
  if (stranded.length === 0) return place;
  const endpoints = await network.endpoints(vpcId);
  const missing = neededEndpoints.filter((service) => !endpoints.includes(service));
  if (missing.length > 0)
    throw new ImgrecError(
      `machines in ${stranded.join(', ')} cannot reach AWS: no public address, no NAT gateway, and no VPC endpoint for ${missing.join(', ')}`,
      { hint: 'add a route through a NAT gateway, or these endpoints', exitCode: exitCodes.failed },
    );
  return place;
};

/** Every default subnet gives its machines public addresses. */
const defaultNetwork = async ({ network }: Ec2Setup): Promise<Network> => {
  const vpcId = await network.defaultVpc();
  if (vpcId === undefined)
    throw usageError('this region has no default VPC', 'name the subnets to use with --subnets');
  return { vpcId, hasPublicAddresses: true };
};

/** Amazon's newest image for an instance type. @throws ImgrecError where this region names none; CloudError */
export const newestImageFor = async ({ ssm }: Pick<Clouds, 'ssm'>, instanceType: string): Promise<string> => {
  const parameter = newestImage[architectureOf(instanceType)];
  const newest = await ssm.get(parameter);
  if (newest === undefined) throw new ImgrecError(`there is no parameter ${parameter} in this region`);
  return newest;
};

/** What instances of a role are launched from, and what they fetch. */
interface Boot {
  readonly imageId: string;
  readonly software: string | undefined;
}

/** What the user data of a template says that instances fetch. */
const softwareIn = (userData: string): string | undefined => {
  const [, line = ''] = /^# imgrec (\{.*\})$/m.exec(userData) ?? [];
  try {
    return assignment.safeParse(JSON.parse(line)).data?.artifact;
  } catch {
    return undefined;
  }
};

/**
 * An image with the software in it if there is one; else the image that the template has, so that a plan does not change whenever
 * Amazon makes a new one; else Amazon's newest, and software that is still to be packed. Software that the template names stays as
 * long as its image does: only "imgrec provision update" changes it, also over what is in an image.
 * @param ofWorkers architecture of the workers, and so of an image of ours
 */
const bootOf = async (
  { ssm, ec2, names, connection }: Clouds,
  template: string,
  instanceType: string,
  ofWorkers: Architecture,
): Promise<Boot> => {
  const architecture = architectureOf(instanceType);
  const own = architecture === ofWorkers ? await ssm.get(names.imageParameter) : undefined;
  const present = (await ec2.templates.find(template))?.settings;
  const imageId = own ?? present?.imageId;
  const ofImage = own === undefined ? undefined : inImage;
  const ofCloud = connection.instancesHaveProgram ? inImage : undefined;
  if (
    present !== undefined &&
    present.imageId !== '' &&
    present.imageId === imageId &&
    architectureOf(present.instanceType) === architecture
  )
    return { imageId, software: ofCloud ?? softwareIn(present.userData) ?? ofImage };
  return { imageId: own ?? (await newestImageFor({ ssm }, instanceType)), software: ofCloud ?? ofImage };
};

/**
 * Looks up what the wanted machines depend on. Changes nothing.
 * @throws ImgrecError where machines could not work: no VPC, no way to AWS, types of two architectures; CloudError
 */
export const survey = async (clouds: Clouds, choices: MachineChoices): Promise<Surroundings> => {
  const { ec2, names, connection } = clouds;
  const [workerType] = choices.instanceTypes;
  const ofWorkers = architectureOf(workerType);
  const architectures = new Set(choices.instanceTypes.map(architectureOf));
  if (architectures.size > 1)
    throw usageError(
      `--instance-types ${choices.instanceTypes.join(',')} are of two architectures`,
      'a launch template has one image: name types of one architecture',
    );
  const allowed = async (): Promise<string> => {
    if (choices.allowFrom !== undefined) return choices.allowFrom;
    const groups = await ec2.groups.find(names.webName);
    const group = groups.find(({ tags }) => tags[tagKeys.cluster] === names.cluster);
    return group?.tags[tagKeys.allowFrom] ?? callerNetwork(connection);
  };
  const [network, web, worker, allowFrom] = await Promise.all([
    choices.subnets.length > 0 ? networkOf(ec2, choices.subnets) : defaultNetwork(ec2),
    bootOf(clouds, names.webName, choices.webInstanceType, ofWorkers),
    bootOf(clouds, names.workerName, workerType, ofWorkers),
    allowed(),
  ]);
  return {
    ...network,
    imageIds: { web: web.imageId, worker: worker.imageId },
    software: { web: web.software, worker: worker.software },
    allowFrom,
  };
};
