import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clusterNames } from '../aws/names.ts';
import { diff, type Owner } from './diff.ts';
import { type AnyResource, type Found, keyOf, neededBy, type Resource } from './resources.ts';
import { wantedResources } from './wanted.ts';

const place = { account: '123456789012', region: 'eu-central-1', partition: 'aws' };
const names = clusterNames('demo', place.account, place.region);
const owner: Owner = { cluster: 'demo', installId: 'install', adopt: false };
const wanted = wantedResources(
  { names, place, installId: owner.installId },
  { retentionSeconds: 7 * 86_400, visibilitySeconds: 30, workerSettings: {} },
);

const find = <K extends AnyResource['kind']>(kind: K, name: string) => {
  const resource = wanted.find((candidate) => candidate.kind === kind && candidate.name === name);
  if (resource === undefined) throw new Error(`${name} is not wanted`);
  return resource as AnyResource & Resource<K>;
};
const queue = find('queue', 'demo-requests');
const bucket = find('bucket', 'demo-input-123456789012-eu-central-1');

const asFound = ({ kind, name, tags, aspects }: AnyResource): Found => ({
  kind,
  name,
  id: `id-of-${name}`,
  tags,
  aspects: { ...aspects },
});
const everything = wanted.map(asFound);

/** What a plan says of one resource, when it was found so. */
const verdict = (resource: AnyResource, change: Partial<Found>, who: Owner = owner) => {
  const { steps, conflicts } = diff([resource], [{ ...asFound(resource), ...change }], who);
  return { ...steps[0], conflicts };
};

describe('wanted resources', () => {
  test('the journal of the scaler is kept for two weeks', () => {
    const { expiries } = find('bucket', 'demo-ops-123456789012-eu-central-1').aspects;
    expect(expiries).toContainEqual({ prefix: 'journal/', days: 14 });
  });

  test('dead letters are kept longer than requests, since they keep their age', () => {
    const requests = Number(queue.aspects['MessageRetentionPeriod']);
    const letters = Number(find('queue', 'demo-requests-dlq').aspects['MessageRetentionPeriod']);
    expect(letters).toBeGreaterThan(requests);
  });

  test('every resource is tagged with its cluster, installation and role', () => {
    for (const { tags } of wanted) {
      expect(tags).toMatchObject({ 'imgrec:cluster': 'demo', 'imgrec:install': 'install' });
      expect(tags['imgrec:role']).toBeTruthy();
    }
  });

  test('queues and buckets are encrypted, and closed to plain HTTP', () => {
    for (const { kind, aspects } of wanted) {
      if (kind !== 'queue' && kind !== 'bucket') continue;
      const text = JSON.stringify(aspects).replaceAll('\\', '');
      expect(text).toContain('"aws:SecureTransport":"false"');
      expect(text).toMatch(/"SqsManagedSseEnabled":"true"|"encryption":"AES256"/);
    }
  });

  test('each comes after all that it needs, and the bucket of install.json before all', () => {
    const seen = new Set<string>();
    for (const resource of wanted) {
      expect(neededBy(resource).filter((key) => !seen.has(key))).toEqual([]);
      seen.add(keyOf(resource));
    }
    expect([...seen][0]).toBe(`bucket/${names.opsBucket}`);
  });
});

describe('the difference between wanted and found', () => {
  test('what does not exist is created', () => {
    const { steps } = diff(wanted, [], owner);
    expect(steps.map(({ action }) => action)).toEqual(wanted.map(() => 'create'));
  });

  test('what is as wanted is kept', () => {
    const { steps, conflicts } = diff(wanted, everything, owner);
    expect(conflicts).toEqual([]);
    for (const step of steps) expect(step).toMatchObject({ action: 'keep', changes: [] });
  });

  test('what is no longer wanted is deleted, after all else', () => {
    const extra = { ...asFound(queue), name: 'demo-old' };
    const { steps } = diff(wanted, everything, owner, [extra]);
    expect(steps.at(-1)).toMatchObject({ action: 'delete', kind: 'queue', name: 'demo-old' });
  });

  test('what the service adds is none of our business', () => {
    const found = {
      aspects: { ...queue.aspects, QueueArn: 'arn', ApproximateNumberOfMessages: '7' },
      tags: { ...queue.tags, owner: 'me' },
    };
    expect(verdict(queue, found)).toMatchObject({ action: 'keep' });
  });

  test('JSON attributes are compared by meaning: another order, numbers as text', () => {
    const redrive = JSON.parse(queue.aspects['RedrivePolicy'] ?? '') as Record<string, unknown>;
    const respelled = JSON.stringify({
      maxReceiveCount: '10',
      deadLetterTargetArn: redrive['deadLetterTargetArn'],
    });
    expect(verdict(queue, { aspects: { ...queue.aspects, RedrivePolicy: respelled } })).toMatchObject({
      action: 'keep',
    });
  });

  test('lists are compared without their order', () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed).reverse();
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, reversed(inner)]));
    };
    const two = { expiries: ['images/', 'other/'].map((prefix) => ({ prefix, days: 1 })) };
    const resource = { ...bucket, aspects: { ...bucket.aspects, ...two } };
    const aspects = reversed(resource.aspects) as Found['aspects'];
    expect(aspects['expiries']).not.toEqual(two.expiries);
    expect(verdict(resource, { aspects })).toMatchObject({ action: 'keep' });
  });

  test('an attribute that not every SQS tells is not missed', () => {
    const letters = find('queue', 'demo-requests-dlq');
    const { RedriveAllowPolicy, ...aspects } = letters.aspects;
    expect(RedriveAllowPolicy).toBeDefined();
    expect(verdict(letters, { aspects })).toMatchObject({ action: 'keep' });
  });

  test('a changed attribute, a missing attribute and a missing tag are named, with both values', () => {
    const { SqsManagedSseEnabled: _dropped, ...aspects } = queue.aspects;
    const tags = { ...queue.tags, 'imgrec:role': 'other' };
    expect(verdict(queue, { aspects: { ...aspects, VisibilityTimeout: '12' }, tags })).toMatchObject({
      action: 'update',
      changes: ['SqsManagedSseEnabled', 'VisibilityTimeout', 'tags'],
      reason: 'tags are missing; SqsManagedSseEnabled is absent, not true; VisibilityTimeout is 12, not 30',
    });
  });

  test.each([
    ['publicAccessBlocked', { publicAccessBlocked: false }],
    ['ownership', { ownership: 'ObjectWriter' }],
    ['encryption', { encryption: undefined }],
    ['expiries', { expiries: [{ prefix: 'images/', days: 1 }] }],
    ['policy', { policy: undefined }],
  ])('a bucket with another %s is updated in that alone', (aspect, change) => {
    expect(verdict(bucket, { aspects: { ...bucket.aspects, ...change } })).toMatchObject({
      action: 'update',
      changes: [aspect],
    });
  });

  test('whichever aspect of whichever resource is changed, the plan shows exactly that', () => {
    const places = wanted.flatMap((resource) =>
      Object.keys(resource.aspects).map((aspect) => ({ resource, aspect })),
    );
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.string(), ({ resource, aspect }, junk) => {
        const aspects = { ...resource.aspects, [aspect]: `changed ${junk}` };
        expect(verdict(resource, { aspects })).toMatchObject({ action: 'update', changes: [aspect] });
      }),
    );
  });
});

describe('whose a resource is', () => {
  const untagged = { tags: {} };
  const lost = { tags: { ...queue.tags, 'imgrec:install': 'another' } };
  const foreign = { tags: { ...queue.tags, 'imgrec:cluster': 'other' } };
  const willing = { ...owner, adopt: true };

  test.each([
    ['without tags', untagged, 'exists without tags of this cluster', true],
    ['of another installation', lost, 'belongs to another installation of a cluster of this name', true],
    ['of another cluster', foreign, 'belongs to cluster other', false],
  ])('one %s stands in the way', (_what, found, why, isAdoptable) => {
    expect(verdict(queue, found).conflicts).toEqual([
      { kind: 'queue', name: 'demo-requests', why, isAdoptable },
    ]);
  });

  test.each([
    ['without tags', untagged],
    ['of another installation', lost],
  ])('one %s is taken over with --adopt', (_what, found) => {
    expect(verdict(queue, found, willing)).toMatchObject({
      action: 'update',
      changes: ['tags'],
      reason: 'taken over',
      conflicts: [],
    });
  });

  test('one of another cluster is never taken over', () => {
    expect(verdict(queue, foreign, willing).conflicts).toHaveLength(1);
  });

  test('an empty bucket without tags is taken over: a run was cut short', () => {
    expect(verdict(bucket, { ...untagged, isEmpty: true })).toMatchObject({
      action: 'update',
      conflicts: [],
    });
    expect(verdict(bucket, { ...untagged, isEmpty: false }).conflicts).toHaveLength(1);
  });
});
