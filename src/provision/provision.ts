import { randomUUID } from 'node:crypto';
import type { Connection } from '../aws/connection.ts';
import { CloudError } from '../aws/errors.ts';
import { encodeInstall, installKey, readInstallId } from '../aws/install.ts';
import { clusterNames, tagKeys } from '../aws/names.ts';
import { createS3 } from '../aws/s3.ts';
import { type BucketAspect, createS3Buckets, type S3Buckets } from '../aws/s3-buckets.ts';
import { createSqs, type Sqs } from '../aws/sqs.ts';
import { createSsm } from '../aws/ssm.ts';
import { identify } from '../aws/sts.ts';
import { diff, type Found, type Step } from './diff.ts';
import { type Resource, wantedResources } from './wanted.ts';

export interface Change {
  readonly action: 'create' | 'update';
  readonly resource: string;
  readonly aspects: readonly string[];
}

export interface ProvisionReport {
  readonly cluster: string;
  readonly account: string;
  readonly region: string;
  readonly installId: string;
  readonly resources: readonly string[];
  readonly changes: readonly Change[];
}

export interface ProvisionChoices {
  readonly retentionSeconds: number;
  readonly visibilitySeconds: number;
  /** What workers read at their start: the content of an imgrec.json. */
  readonly workerSettings: Readonly<Record<string, unknown>>;
}

const nameOf = (resource: Resource): string => `${resource.kind} ${resource.name}`;

const observe = async (resource: Resource, sqs: Sqs, buckets: S3Buckets): Promise<Found> => {
  if (resource.kind === 'bucket')
    return (await buckets.exists(resource.name))
      ? { kind: 'bucket', configuration: await buckets.read(resource.name) }
      : undefined;
  const attributes = await sqs.attributes(resource.name);
  return attributes === undefined
    ? undefined
    : { kind: 'queue', attributes, tags: await sqs.tags(resource.name) };
};

const carryOut = async ({ action, resource, aspects }: Step, sqs: Sqs, buckets: S3Buckets): Promise<void> => {
  if (resource.kind === 'bucket') {
    if (action === 'create') await buckets.create(resource.name);
    const toSet = action === 'create' ? Object.keys(resource.configuration) : aspects;
    for (const aspect of toSet as BucketAspect[])
      await buckets.configure(resource.name, aspect, resource.configuration);
    return;
  }
  if (action === 'create') return sqs.create(resource.name, resource.attributes, resource.tags);
  const changed = Object.fromEntries(
    Object.entries(resource.attributes).filter(([name]) => aspects.includes(name)),
  );
  if (Object.keys(changed).length > 0) await sqs.setAttributes(resource.name, changed);
  if (aspects.includes('tags')) await sqs.tag(resource.name, resource.tags);
};

/**
 * Makes the resources of a cluster, or changes what differs; a second run changes nothing.
 * Cut short at any point, the next run carries on: every step looks before it acts.
 * @throws CloudError when a call fails.
 */
export const provision = async (
  connection: Connection,
  choices: ProvisionChoices,
  onChange: (change: Change) => void = () => {},
): Promise<ProvisionReport> => {
  const identity = await identify(connection);
  const { account, region } = identity;
  const place = { account, region, partition: identity.arn.split(':')[1] ?? 'aws' };
  const names = clusterNames(connection.cluster, account, region);
  const sqs = createSqs(connection, identity);
  const s3 = createS3(connection, account);
  const buckets = createS3Buckets(connection, account, region);
  const ssm = createSsm(connection);
  const changes: Change[] = [];
  const changed = (change: Change) => {
    changes.push(change);
    onChange(change);
  };

  /** The install id is made once: whoever writes install.json first decides it, and it needs the ops bucket. */
  const installId = async (): Promise<string> => {
    const read = async () => {
      try {
        return await readInstallId(s3, names.opsBucket);
      } catch (error) {
        // Whoever may configure the bucket need not be allowed to read its objects; its tags say the same.
        if (!(error instanceof CloudError) || error.status !== 403) throw error;
        const { tags } = await buckets.read(names.opsBucket);
        if (tags[tagKeys.cluster] === names.cluster && tags[tagKeys.install]) return tags[tagKeys.install];
        throw error;
      }
    };
    if (!(await buckets.exists(names.opsBucket))) {
      await buckets.create(names.opsBucket);
      changed({ action: 'create', resource: `bucket ${names.opsBucket}`, aspects: [] });
    }
    const existing = await read();
    if (existing !== undefined) return existing;
    const fresh = randomUUID();
    await s3.putOnce(names.opsBucket, installKey, encodeInstall(fresh), 'application/json');
    return (await read()) ?? fresh;
  };

  try {
    const id = await installId();
    const wanted = wantedResources(names, place, { ...choices, installId: id });
    const untagged = changes.length > 0;
    for (const resource of wanted) {
      const step = diff(resource, await observe(resource, sqs, buckets));
      if (step === undefined) continue;
      await carryOut(step, sqs, buckets);
      // The ops bucket was made above, before its configuration could be known: that is one change, not two.
      if (untagged && resource.name === names.opsBucket) continue;
      changed({ action: step.action, resource: nameOf(resource), aspects: step.aspects });
    }
    const settings = JSON.stringify(choices.workerSettings);
    const stored = await ssm.get(names.settingsParameter);
    if (stored !== settings) {
      await ssm.put(names.settingsParameter, settings);
      changed({
        action: stored === undefined ? 'create' : 'update',
        resource: `parameter ${names.settingsParameter}`,
        aspects: [],
      });
    }
    return {
      cluster: names.cluster,
      account,
      region,
      installId: id,
      resources: [...wanted.map(nameOf), `parameter ${names.settingsParameter}`],
      changes,
    };
  } finally {
    for (const client of [sqs, s3, buckets, ssm]) client.close();
  }
};
