import type { LaunchSettings } from '../aws/launch-templates.ts';
import type { BucketConfiguration } from '../aws/s3-buckets.ts';
import type { Rule } from '../aws/security-groups.ts';
import type { Attributes } from '../aws/sqs-queues.ts';

/** Everything that imgrec makes, in the order in which kinds can be made. */
export const kinds = [
  'bucket',
  'queue',
  'parameter',
  'secret',
  'document',
  'role',
  'profile',
  'security-group',
  'launch-template',
  'instance',
  'address',
  'image',
] as const;

export type Kind = (typeof kinds)[number];

/** `queue/imgrec-requests`: names are unique within a kind. */
export type Key = `${Kind}/${string}`;

/** Stands where the id of another resource belongs, which may not exist yet. */
export interface Reference {
  readonly ref: Key;
}

/** What is compared, and brought back when somebody changed it. The names of these properties are what a plan shows. */
export interface Aspects {
  readonly bucket: Omit<BucketConfiguration, 'tags'>;
  readonly queue: Attributes;
  readonly parameter: { readonly value: string };
  /** What it holds is in no plan. */
  readonly secret: { readonly type: 'SecureString' };
  readonly document: { readonly content: unknown };
  readonly role: {
    readonly trust: unknown;
    readonly policy: unknown;
    readonly boundary: string | undefined;
    /** Policies besides that one: none. */
    readonly otherPolicies: readonly [];
  };
  readonly profile: { readonly role: Reference | string };
  readonly 'security-group': { readonly ingress: readonly Rule[]; readonly egress: readonly Rule[] };
  readonly 'launch-template': Omit<LaunchSettings, 'profile' | 'securityGroups'> & {
    readonly profile: Reference | string;
    readonly securityGroups: readonly (Reference | string)[];
  };
  readonly instance: { readonly state: 'running' };
  readonly address: { readonly instance: Reference | string };
  readonly image: Readonly<Record<string, never>>;
}

/** What is said once, when it is made, and cannot be changed or is not worth it. */
export interface Birth {
  /** Of a role or profile. */
  readonly path?: string;
  /** Of a security group. */
  readonly vpcId?: string;
  /** Of an instance; EC2 chooses one of the default VPC when absent. */
  readonly subnetId?: string;
  /** Of an instance: what it is launched from. */
  readonly template?: Reference | string;
  /** Of an instance: the name of its profile, which EC2 may not know of yet. */
  readonly profile?: string;
}

/** A resource as it should be. */
export interface Resource<K extends Kind> {
  readonly kind: K;
  readonly name: string;
  readonly tags: Attributes;
  readonly aspects: Aspects[K];
  /** What must be there first, besides what the aspects refer to. */
  readonly needs?: readonly Key[];
  readonly made?: Birth;
}

/** What a plan can want: images are made by a command of their own, and found where everything is deleted. */
type Wantable = Exclude<Kind, 'image'>;

export type AnyResource = { readonly [K in Wantable]: Resource<K> }[Wantable];

/** A resource as it was found. */
export interface Found {
  readonly kind: Kind;
  readonly name: string;
  /** What others refer to it by: an id or a name. */
  readonly id: string;
  readonly tags: Attributes;
  /** As far as they are known; what was not looked at is absent. */
  readonly aspects: Readonly<Record<string, unknown>>;
  /** Of a bucket: whether it holds no object. */
  readonly isEmpty?: boolean;
}

export const keyOf = ({ kind, name }: { readonly kind: Kind; readonly name: string }): Key =>
  `${kind}/${name}`;

const isReference = (value: unknown): value is Reference =>
  typeof value === 'object' && value !== null && 'ref' in value;

/** The keys that occur anywhere in a value. Pure. */
export const referencesIn = (value: unknown): readonly Key[] => {
  if (isReference(value)) return [value.ref];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(referencesIn);
};

/** The value with each reference replaced by what `replace` gives for it; undefined leaves the reference. Pure. */
export const withReferences = <T>(value: T, replace: (key: Key) => unknown): T => {
  if (isReference(value)) return (replace(value.ref) ?? value) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => withReferences(item, replace)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, withReferences(inner as unknown, replace)]),
  ) as T;
};

/** What must be there before a resource can be made. */
export const neededBy = (resource: AnyResource): readonly Key[] => [
  ...new Set([...(resource.needs ?? []), ...referencesIn(resource.aspects), ...referencesIn(resource.made)]),
];
