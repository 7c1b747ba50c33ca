import type { LaunchSettings } from '../aws/launch-templates.ts';
import { tagKeys } from '../aws/names.ts';
import type { Rule } from '../aws/security-groups.ts';
import type { Tags } from '../aws/tags.ts';
import type { Role } from '../fleet/rolling.ts';
import { isBurstable } from './architecture.ts';
import { webPolicy, workerPolicy } from './policies.ts';
import { ec2Service, type PolicySubject } from './policy-parts.ts';
import type { AnyResource, Reference, Resource } from './resources.ts';
import { nameOf, type Site, tagsOf } from './site.ts';

/** What somebody chose of the machines of a cluster. */
export interface MachineChoices {
  /** `existing`: the account's admins made instance profiles of our names, and nobody but they touches them. */
  readonly iam: 'create' | 'existing';
  /** Of roles and profiles, with a slash at both ends. */
  readonly rolePath: string;
  /** ARN of a policy that no role of this cluster may go beyond. */
  readonly permissionsBoundary: string | undefined;
  /** Of workers, most wanted first: the template has the first, the scaler asks for the others where it is not to be had. */
  readonly instanceTypes: readonly [string, ...string[]];
  readonly webInstanceType: string;
  readonly webInstances: number;
  readonly volumeGib: number;
  /** Where `imgrec serve` listens. */
  readonly port: number;
  /** Subnets for all machines; those of the default VPC when there are none. */
  readonly subnets: readonly string[];
  /** The network that may reach the web tier; whoever provisions when absent. */
  readonly allowFrom: string | undefined;
}

/** The choices that nobody need make. */
const usual: MachineChoices = {
  iam: 'create',
  rolePath: '/imgrec/',
  permissionsBoundary: undefined,
  instanceTypes: ['c7a.medium'],
  webInstanceType: 't3.small',
  webInstances: 1,
  volumeGib: 8,
  port: 8081,
  subnets: [],
  allowFrom: undefined,
};

export const machinesWith = (chosen: Partial<MachineChoices>): MachineChoices => ({ ...usual, ...chosen });

/** Where an image has the software in it. */
export const inImage = 'in-image';

/** What had to be looked up before it can be said what is wanted. */
export interface Surroundings {
  readonly vpcId: string;
  readonly imageIds: { readonly web: string; readonly worker: string };
  readonly allowFrom: string;
  /** Whether machines have public addresses: not in private subnets. */
  readonly hasPublicAddresses: boolean;
  /** SHA-256 of the software that instances fetch; `in-image` where they have it, undefined where it is still to be packed. */
  readonly software: Readonly<Record<Role, string | undefined>>;
}

const roles: readonly Role[] = ['web', 'worker'];

/** The root device of Amazon Linux. */
const rootDevice = '/dev/xvda';

/** Machines talk to AWS by HTTPS and to nobody else; a VPC's own resolver and clock are not subject to groups. */
const outward: readonly Rule[] = ['tcp 443 0.0.0.0/0'];

/** Who may take a role: EC2, for its instances. */
export const instanceTrust = (partition: string) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: ec2Service(partition) },
      Action: 'sts:AssumeRole',
    },
  ],
});

export const policySubject = (
  { names, place }: Pick<Site, 'names' | 'place'>,
  choices: Pick<MachineChoices, 'rolePath' | 'instanceTypes' | 'permissionsBoundary'> &
    Pick<PolicySubject, 'apiKeys'>,
): PolicySubject => ({ names, place, ...choices });

const identity = (site: Site, choices: MachineChoices, apiKeys: boolean): readonly AnyResource[] => {
  const subject = policySubject(site, { ...choices, apiKeys });
  const made = { path: choices.rolePath };
  return roles.flatMap((role): readonly AnyResource[] => {
    const name = nameOf(site.names, role);
    const tags = tagsOf(site, role);
    return [
      {
        kind: 'role',
        name,
        tags,
        made,
        aspects: {
          trust: instanceTrust(site.place.partition),
          policy: role === 'web' ? webPolicy(subject) : workerPolicy(subject),
          boundary: choices.permissionsBoundary,
          otherPolicies: [],
        },
      },
      { kind: 'profile', name, tags, made, aspects: { role: { ref: `role/${name}` } } },
    ];
  });
};

/** The one command of the drain document; `--no-block`, because the agent that would report the end ends with the machine. */
const drainDocument = (command: string) => ({
  schemaVersion: '2.2',
  description:
    "Stops this machine's imgrec worker: it finishes what it has begun, hands back the rest, and powers off",
  mainSteps: [
    { action: 'aws:runShellScript', name: 'drain', inputs: { timeoutSeconds: '60', runCommand: [command] } },
  ],
});

const group = (
  site: Site,
  role: Role,
  vpcId: string,
  ingress: readonly Rule[],
  more: Tags = {},
): Resource<'security-group'> => ({
  kind: 'security-group',
  name: nameOf(site.names, role),
  tags: { ...tagsOf(site, role), ...more },
  made: { vpcId },
  aspects: { ingress, egress: outward },
});

const launchSettings = (
  imageId: string,
  instanceType: string,
  volumeGib: number,
  userData: string,
  launchTags: Tags,
): Omit<LaunchSettings, 'profile' | 'securityGroups'> => ({
  imageId,
  instanceType,
  // The scaler asks for spot where it is wanted: a template that asks for it cannot be told to do without.
  market: 'on-demand',
  volume: { device: rootDevice, gib: volumeGib, type: 'gp3', encrypted: true },
  metadata: { tokens: 'required', hopLimit: 1, tags: 'disabled' },
  shutdown: 'terminate',
  credits: isBurstable(instanceType) ? 'standard' : undefined,
  keyPair: undefined,
  userData,
  launchTags,
});

/**
 * Everything that machines need, and the web instances themselves; workers are the scaler's. Pure.
 * @param userData of an instance of this role
 * @param drainCommand what stops a worker
 */
export const wantedMachines = (
  site: Site,
  choices: MachineChoices,
  surroundings: Surroundings,
  script: {
    readonly userData: (role: Role, artifact: string | undefined) => string;
    readonly drainCommand: string;
    readonly apiKeys: boolean;
  },
): readonly AnyResource[] => {
  const { names } = site;
  const { vpcId, imageIds, allowFrom, hasPublicAddresses } = surroundings;
  const profile = (name: string): Reference | string =>
    choices.iam === 'create' ? { ref: `profile/${name}` } : name;
  const template = (role: Role): Resource<'launch-template'> => {
    const name = nameOf(names, role);
    const instanceType = role === 'web' ? choices.webInstanceType : choices.instanceTypes[0];
    const access = role === 'web' && script.apiKeys ? { [tagKeys.access]: 'keys' } : {};
    const launchTags = { Name: name, ...tagsOf(site, role), ...access };
    return {
      kind: 'launch-template',
      name,
      tags: tagsOf(site, role),
      aspects: {
        ...launchSettings(
          imageIds[role],
          instanceType,
          choices.volumeGib,
          script.userData(
            role,
            surroundings.software[role] === inImage ? undefined : surroundings.software[role],
          ),
          launchTags,
        ),
        profile: profile(name),
        securityGroups: [{ ref: `security-group/${name}` }],
      },
    };
  };
  const shared: readonly AnyResource[] = [
    ...(choices.iam === 'create' ? identity(site, choices, script.apiKeys) : []),
    {
      kind: 'document',
      name: names.drainDocument,
      tags: tagsOf(site, 'drain'),
      aspects: { content: drainDocument(script.drainCommand) },
    },
    group(site, 'web', vpcId, [`tcp ${choices.port} ${allowFrom}`], { [tagKeys.allowFrom]: allowFrom }),
    group(site, 'worker', vpcId, []),
    template('web'),
    template('worker'),
  ];
  const subnetId = (index: number) =>
    choices.subnets.length === 0 ? {} : { subnetId: choices.subnets[index % choices.subnets.length] ?? '' };
  const web = Array.from({ length: choices.webInstances }, (_, index): readonly AnyResource[] => {
    const name = `${names.webName}-${index + 1}`;
    const tags = { Name: names.webName, ...tagsOf(site, 'web'), [tagKeys.slot]: String(index + 1) };
    const instance: AnyResource = {
      kind: 'instance',
      name,
      tags,
      aspects: { state: 'running' },
      made: {
        template: { ref: `launch-template/${names.webName}` },
        profile: names.webName,
        ...subnetId(index),
      },
      // It starts to work at once, and launches workers.
      needs: [
        `launch-template/${names.workerName}`,
        `document/${names.drainDocument}`,
        `parameter/${names.settingsParameter}`,
        ...(script.apiKeys ? [`secret/${names.apiKeysParameter}` as const] : []),
        `queue/${names.requests}`,
        `bucket/${names.inputBucket}`,
        `bucket/${names.outputBucket}`,
      ],
    };
    const address: AnyResource = {
      kind: 'address',
      name,
      tags,
      aspects: { instance: { ref: `instance/${name}` } },
    };
    return hasPublicAddresses ? [instance, address] : [instance];
  });
  return [...shared, ...web.flat()];
};
