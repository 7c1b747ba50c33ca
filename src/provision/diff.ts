import { isDeepStrictEqual } from 'node:util';
import type { BucketAspect, BucketConfiguration } from '../aws/s3-buckets.ts';
import type { Attributes } from '../aws/sqs-queues.ts';
import type { Resource } from './wanted.ts';

/** A resource as it was found; undefined when it does not exist. */
export type Found =
  | { readonly kind: 'queue'; readonly attributes: Attributes; readonly tags: Attributes }
  | { readonly kind: 'bucket'; readonly configuration: BucketConfiguration }
  | undefined;

/** One change to make. `aspects` are the names of what differs; a resource to create has none. */
export interface Step {
  readonly action: 'create' | 'update';
  readonly resource: Resource;
  readonly aspects: readonly string[];
}

const parsed = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return text;
  }
};

/** Attributes are text; some hold JSON whose spelling the service may change, and its numbers may come back as text. */
const sameAttribute = (wanted: string, found: string | undefined): boolean =>
  wanted === found || isDeepStrictEqual(stringified(parsed(wanted)), stringified(parsed(found)));

const stringified = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(stringified)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, stringified(inner)]))
      : String(value);

const missingTags = (wanted: Attributes, found: Attributes): boolean =>
  Object.entries(wanted).some(([key, value]) => found[key] !== value);

const sortedExpiries = (configuration: BucketConfiguration) =>
  [...configuration.expiries].sort((a, b) => a.prefix.localeCompare(b.prefix));

const bucketAspects = (wanted: BucketConfiguration, found: BucketConfiguration): BucketAspect[] => {
  const differs: Readonly<Record<BucketAspect, boolean>> = {
    publicAccessBlocked: wanted.publicAccessBlocked !== found.publicAccessBlocked,
    ownership: wanted.ownership !== found.ownership,
    encryption: wanted.encryption !== found.encryption,
    expiries: !isDeepStrictEqual(sortedExpiries(wanted), sortedExpiries(found)),
    policy: !isDeepStrictEqual(wanted.policy, found.policy),
    tags: missingTags(wanted.tags, found.tags),
  };
  return (Object.keys(differs) as BucketAspect[]).filter((aspect) => differs[aspect]);
};

/** What has to change so that `found` becomes `wanted`; undefined when nothing has to. Pure. */
export const diff = (wanted: Resource, found: Found): Step | undefined => {
  if (found === undefined || found.kind !== wanted.kind)
    return { action: 'create', resource: wanted, aspects: [] };
  const aspects =
    wanted.kind === 'bucket' && found.kind === 'bucket'
      ? bucketAspects(wanted.configuration, found.configuration)
      : wanted.kind === 'queue' && found.kind === 'queue'
        ? [
            ...Object.keys(wanted.attributes).filter(
              (name) => !sameAttribute(wanted.attributes[name] ?? '', found.attributes[name]),
            ),
            ...(missingTags(wanted.tags, found.tags) ? ['tags'] : []),
          ]
        : [];
  return aspects.length === 0 ? undefined : { action: 'update', resource: wanted, aspects };
};
