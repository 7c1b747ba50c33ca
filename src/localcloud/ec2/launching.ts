import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import type { FaultEngine } from '../faults/engine.ts';
import type { Profiles } from '../iam/profiles.ts';
import { integerOf, listOf, type Parameters } from '../query.ts';
import { sha256Hex } from '../sigv4.ts';
import type { XmlElement } from '../xml.ts';
import type { Images } from './images.ts';
import { noCapacity } from './instance-calls.ts';
import { findInstanceType } from './instance-types.ts';
import { type InstancePlace, reservationXml } from './instance-xml.ts';
import type { Instance, Instances, LaunchRequest } from './instances.ts';
import { hexId } from './names.ts';
import type { Ec2Operations } from './operations.ts';
import type { SecurityGroups } from './security-groups.ts';
import { readTags, type Tags } from './tags.ts';
import { checkLaunchParameter, overridden, type TemplateData } from './template-data.ts';
import type { Templates } from './templates.ts';
import { readUserData } from './userdata.ts';
import type { Network } from './vpc.ts';

export interface LaunchingOptions {
  readonly instances: Instances;
  readonly templates: Templates;
  readonly network: Network;
  readonly groups: SecurityGroups;
  readonly images: Images;
  readonly account: string;
  readonly place: InstancePlace;
  /** A cap on live instances: a client in a loop must not fill this machine with processes. */
  readonly maxInstances: number;
  readonly profiles: Pick<Profiles, 'byName' | 'byArn'>;
  /** How old an instance profile must be before EC2 knows it. */
  readonly profileDelayMs: number;
  readonly clock: Clock;
  readonly faults: Pick<FaultEngine, 'nextLaunch'>;
}

/** Of a RunInstances request, what is about the request and not about the instance. */
const requestParameters = /^(Action|Version|MinCount|MaxCount|ClientToken|DryRun|LaunchTemplate\..+)$/;

const invalid = (message: string): Refusal => new Refusal('InvalidParameterValue', message);

const choice = <const T extends string>(
  parameters: Parameters,
  name: string,
  values: readonly T[],
  otherwise: T,
): T => {
  const text = parameters.get(name) ?? otherwise;
  const value = values.find((one) => one === text);
  if (value === undefined) throw invalid(`Value (${text}) for parameter ${name} is invalid.`);
  return value;
};

const membersOf = (parameters: Parameters, prefix: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...parameters]
      .filter(([name]) => name.startsWith(`${prefix}.`))
      .map(([name, value]) => [name.slice(prefix.length + 1), value]),
  );

const hashOf = (parameters: Parameters): string =>
  sha256Hex(JSON.stringify([...parameters].sort(([a], [b]) => (a < b ? -1 : 1))));

const readMarket = (parameters: Parameters): 'on-demand' | 'spot' => {
  if (!parameters.has('InstanceMarketOptions.MarketType')) return 'on-demand';
  const market = choice(parameters, 'InstanceMarketOptions.MarketType', ['spot'], 'spot');
  const options = 'InstanceMarketOptions.SpotOptions';
  for (const [member, only] of [
    ['SpotInstanceType', 'one-time'],
    ['InstanceInterruptionBehavior', 'terminate'],
  ] as const)
    if ((parameters.get(`${options}.${member}`) ?? only) !== only)
      throw new Refusal('UnsupportedOperation', `Of ${member} the local cloud has only ${only}.`, 501);
  return market;
};

/** RunInstances: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html */
export const createLaunching = (options: LaunchingOptions): Ec2Operations => {
  const { instances, templates, network, groups, images, account, place, maxInstances, profiles, faults } =
    options;

  const readPlace = (
    parameters: Parameters,
  ): Pick<LaunchRequest, 'subnetId' | 'zone' | 'groupIds' | 'hasPublicAddress'> => {
    const first = 'NetworkInterface.1';
    const hasInterface = [...parameters.keys()].some((name) => name.startsWith('NetworkInterface.'));
    if (hasInterface && (parameters.has('SubnetId') || parameters.has('SecurityGroupId.1')))
      throw new Refusal(
        'InvalidParameterCombination',
        'Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request',
      );
    if ([...parameters.keys()].some((name) => /^NetworkInterface\.(?!1\.)/.test(name)))
      throw new Refusal(
        'UnsupportedOperation',
        'The local cloud gives an instance one network interface.',
        501,
      );
    const subnetId = parameters.get(hasInterface ? `${first}.SubnetId` : 'SubnetId');
    const zone = parameters.get('Placement.AvailabilityZone');
    const subnet = network.subnets.find((one) =>
      subnetId === undefined
        ? one.isPublic && (zone === undefined || one.zone === zone)
        : one.id === subnetId,
    );
    if (!subnet && subnetId !== undefined)
      throw new Refusal('InvalidSubnetID.NotFound', `The subnet ID '${subnetId}' does not exist`);
    if (!subnet) throw invalid(`Invalid availability zone: [${zone}]`);
    const named = listOf(parameters, hasInterface ? `${first}.SecurityGroupId` : 'SecurityGroupId');
    const inThem = named.length > 0 ? named.map(groups.find) : [groups.defaultOf(subnet.vpcId)];
    if (inThem.some(({ vpcId }) => vpcId !== subnet.vpcId))
      throw new Refusal(
        'InvalidParameter',
        `Security group ${named.join(', ')} and subnet ${subnet.id} belong to different networks.`,
      );
    const asked = parameters.get(`${first}.AssociatePublicIpAddress`);
    return {
      subnetId: subnet.id,
      zone: subnet.zone,
      groupIds: inThem.map(({ id }) => id),
      hasPublicAddress: asked === undefined ? subnet.isPublic : asked === 'true',
    };
  };

  /** The image and a type that fit each other. */
  const readMachine = (parameters: Parameters): Pick<LaunchRequest, 'imageId' | 'instanceType'> => {
    const imageId = parameters.get('ImageId');
    if (imageId === undefined)
      throw new Refusal('MissingParameter', 'The request must contain the parameter ImageId');
    const image = images.usable(imageId);
    const instanceType = parameters.get('InstanceType') ?? '';
    const type = findInstanceType(instanceType);
    if (!type) throw invalid(`Invalid value '${instanceType}' for InstanceType.`);
    if (type.architecture !== image.architecture)
      throw invalid(
        `The architecture '${type.architecture}' of the specified instance type does not match the architecture '${image.architecture}' of the specified AMI.`,
      );
    return { imageId, instanceType };
  };

  /** The ARN of the instance profile that either form names; '' where none is named. */
  const readProfile = (parameters: Parameters): string => {
    const name = parameters.get('IamInstanceProfile.Name');
    const arn = parameters.get('IamInstanceProfile.Arn');
    if (name === undefined && arn === undefined) return '';
    const profile = name === undefined ? profiles.byArn(arn ?? '') : profiles.byName(name);
    if (!profile || options.clock.wallMs() - profile.createdMs < options.profileDelayMs)
      throw invalid(
        name === undefined
          ? `Value (${arn}) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN`
          : `Value (${name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name`,
      );
    return profile.arn;
  };

  const counts = (parameters: Parameters): number => {
    const min = integerOf(parameters, 'MinCount');
    const max = integerOf(parameters, 'MaxCount');
    if (min === undefined || max === undefined)
      throw new Refusal('MissingParameter', 'The request must contain the parameters MinCount and MaxCount.');
    if (min < 1 || max < min) throw invalid(`MinCount ${min} and MaxCount ${max} do not fit each other.`);
    const live = instances.list().filter(({ state }) => state !== 'terminated' && state !== 'stopped').length;
    if (live + min > maxInstances)
      throw new Refusal(
        'InstanceLimitExceeded',
        `The local cloud runs at most ${maxInstances} instances and has ${live}.`,
      );
    return Math.min(max, maxInstances - live);
  };

  /** The template's parameters with the request's in their place, and the tags of both. */
  const merge = (parameters: Parameters): { readonly all: Parameters; readonly tags: Tags } => {
    const own: TemplateData = [...parameters].filter(([name]) => !requestParameters.test(name));
    for (const [name, value] of own) checkLaunchParameter(name, value);
    const hasTemplate = [...parameters.keys()].some((name) => name.startsWith('LaunchTemplate.'));
    if (!hasTemplate) return { all: new Map(own), tags: readTags(parameters, 'instance') };
    const { id, version, data } = templates.resolve(parameters);
    return {
      all: new Map(overridden(data, own)),
      tags: {
        ...readTags(new Map(data), 'instance'),
        ...readTags(parameters, 'instance'),
        // AWS sets these two on whatever comes from a template.
        'aws:ec2launchtemplate:id': id,
        'aws:ec2launchtemplate:version': String(version),
      },
    };
  };

  const read = (parameters: Parameters): Omit<LaunchRequest, 'launchIndex' | 'reservationId'> => {
    const { all, tags } = merge(parameters);
    const market = readMarket(all);
    const onShutdown = choice(all, 'InstanceInitiatedShutdownBehavior', ['stop', 'terminate'], 'stop');
    return {
      ...readMachine(all),
      clientToken: parameters.get('ClientToken') ?? '',
      requestHash: hashOf(parameters),
      tags,
      ...readPlace(all),
      profileArn: readProfile(all),
      market,
      // A one-time Spot request ends with its instance.
      onShutdown: market === 'spot' ? 'terminate' : onShutdown,
      metadataOptions: membersOf(all, 'MetadataOptions'),
      userData: readUserData(all.get('UserData')),
    };
  };

  /** What the same client token launched before. */
  const repeated = (parameters: Parameters): readonly Instance[] => {
    const token = parameters.get('ClientToken') ?? '';
    if (token.length > 64) throw invalid('ClientToken is limited to 64 characters.');
    return token === '' ? [] : instances.list().filter(({ clientToken }) => clientToken === token);
  };

  const run = (parameters: Parameters): XmlElement => {
    const earlier = repeated(parameters);
    const [first] = earlier;
    if (first) {
      if (first.requestHash !== hashOf(parameters))
        throw new Refusal(
          'IdempotentParameterMismatch',
          'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
        );
      return reservationXml(first.reservationId, account, earlier, place);
    }
    const request = read(parameters);
    const count = counts(parameters);
    if (parameters.get('DryRun') === 'true')
      throw new Refusal('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
    if (!instances.canLaunch())
      throw new Refusal(
        'UnsupportedOperation',
        'This local cloud was started without a program for its instances, or is closing.',
      );
    const reservationId = hexId('r');
    const disturbances = Array.from({ length: count }, () => faults.nextLaunch('ec2:RunInstances', request));
    const possible = disturbances.filter(({ hasCapacity }) => hasCapacity);
    // EC2 launches as many as there is room for, if that is MinCount at least.
    if (possible.length < (integerOf(parameters, 'MinCount') ?? 1)) throw noCapacity(request.instanceType);
    const members = possible.map((disturbance, launchIndex) =>
      instances.launch({ ...request, reservationId, launchIndex }, disturbance),
    );
    return reservationXml(reservationId, account, members, place);
  };

  return { RunInstances: run };
};
