import type { ClusterNames } from '../aws/names.ts';
import { type Place, queueArn } from '../aws/queue-attributes.ts';

export type Condition = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: Condition;
}

export interface Policy {
  readonly Version: '2012-10-17';
  readonly Statement: readonly Statement[];
}

/** What the policies of a cluster are about. */
export interface PolicySubject {
  readonly names: ClusterNames;
  readonly place: Place;
  /** Of the roles, with a slash at both ends. */
  readonly rolePath: string;
  /** Instance types that the scaler may launch; a cap on what a stolen credential can spend. */
  readonly instanceTypes: readonly string[];
  /** Whether the web tier reads API keys. */
  readonly apiKeys?: boolean;
  /** The boundary that every role must be made with, where there is one. */
  readonly permissionsBoundary: string | undefined;
}

export const allow = (
  Sid: string,
  Action: readonly string[],
  Resource: readonly string[],
  Condition?: Condition,
): Statement => ({ Sid, Effect: 'Allow', Action, Resource, ...(Condition ? { Condition } : {}) });

export const policy = (...Statement: readonly Statement[]): Policy => ({ Version: '2012-10-17', Statement });

export const objects = (
  { place }: Pick<PolicySubject, 'place'>,
  bucket: string,
  ...prefixes: readonly string[]
): readonly string[] => prefixes.map((prefix) => `arn:${place.partition}:s3:::${bucket}/${prefix}`);

export const bucketArn = ({ place }: Pick<PolicySubject, 'place'>, bucket: string): string =>
  `arn:${place.partition}:s3:::${bucket}`;

export const parameterArn = ({ place }: PolicySubject, name: string): string =>
  `arn:${place.partition}:ssm:${place.region}:${place.account}:parameter${name}`;

const domainOf = (partition: string): string =>
  partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';

/**
 * What a SecureString under the account's key `aws/ssm` needs besides its own action, where that key's policy is not enough: only
 * through SSM, and only for this parameter.
 * https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html
 */
export const throughSsm = (subject: PolicySubject, parameter: string): Condition => ({
  StringEquals: {
    'kms:ViaService': `ssm.${subject.place.region}.${domainOf(subject.place.partition)}`,
    'kms:EncryptionContext:PARAMETER_ARN': parameterArn(subject, parameter),
  },
});

/** Keys have ids that nobody chooses; aliases are no resources of IAM. */
export const kmsKeys = ({ place }: PolicySubject): string =>
  `arn:${place.partition}:kms:${place.region}:${place.account}:key/*`;

export const ec2Arn = ({ place }: PolicySubject, what: string, account = place.account): string =>
  `arn:${place.partition}:ec2:${place.region}:${account}:${what}`;

export const roleArn = ({ place, rolePath }: PolicySubject, name: string): string =>
  `arn:${place.partition}:iam::${place.account}:role${rolePath}${name}`;

export const documentArn = ({ place }: PolicySubject, name: string): string =>
  `arn:${place.partition}:ssm:${place.region}:${place.account}:document/${name}`;

export const profileArn = ({ place, rolePath }: PolicySubject, name: string): string =>
  `arn:${place.partition}:iam::${place.account}:instance-profile${rolePath}${name}`;

export const queueArnOf = ({ place }: PolicySubject, name: string): string => queueArn(place, name);

/** EC2 as IAM names it. */
export const ec2Service = (partition: string): string => `ec2.${domainOf(partition)}`;
