import { describe, expect, test } from 'vitest';
import { clusterNames } from '../aws/names.ts';
import { diff, type Found } from './diff.ts';
import { type Resource, wantedResources } from './wanted.ts';

const place = { account: '123456789012', region: 'eu-central-1', partition: 'aws' };
const names = clusterNames('demo', place.account, place.region);
const wanted = wantedResources(names, place, {
  retentionSeconds: 7 * 86_400,
  visibilitySeconds: 30,
  installId: 'install',
});

const find = <K extends Resource['kind']>(kind: K, name: string) => {
  const resource = wanted.find((candidate) => candidate.kind === kind && candidate.name === name);
  if (resource?.kind !== kind) throw new Error(`${name} is not wanted`);
  return resource as Extract<Resource, { kind: K }>;
};
const queue = find('queue', 'demo-requests');
const bucket = find('bucket', 'demo-input-123456789012-eu-central-1');
const asFound = (resource: Resource): Found =>
  resource.kind === 'queue' ? { ...resource } : { ...resource };

describe('wanted resources', () => {
  test('dead letters are kept longer than requests, since they keep their age', () => {
    const requests = Number(queue.attributes['MessageRetentionPeriod']);
    expect(Number(find('queue', 'demo-requests-dlq').attributes['MessageRetentionPeriod'])).toBeGreaterThan(
      requests,
    );
  });

  test('every resource is tagged with its cluster, installation and role, encrypted, and closed to plain HTTP', () => {
    for (const resource of wanted) {
      const { tags, policy, encrypted } =
        resource.kind === 'queue'
          ? {
              tags: resource.tags,
              policy: resource.attributes['Policy'],
              encrypted: resource.attributes['SqsManagedSseEnabled'] === 'true',
            }
          : {
              tags: resource.configuration.tags,
              policy: JSON.stringify(resource.configuration.policy),
              encrypted: resource.configuration.encryption === 'AES256',
            };
      expect(tags).toMatchObject({ 'imgrec:cluster': 'demo', 'imgrec:install': 'install' });
      expect(tags['imgrec:role']).toBeTruthy();
      expect(policy).toContain('"aws:SecureTransport":"false"');
      expect(encrypted).toBe(true);
    }
  });
});

describe('the difference between wanted and found', () => {
  test('what does not exist is created', () => {
    expect(diff(queue, undefined)).toMatchObject({ action: 'create' });
  });

  test('what is as wanted is left alone', () => {
    for (const resource of wanted) expect(diff(resource, asFound(resource)), resource.name).toBeUndefined();
  });

  test('what the service adds is none of our business', () => {
    const found: Found = {
      kind: 'queue',
      attributes: { ...queue.attributes, QueueArn: 'arn', ApproximateNumberOfMessages: '7' },
      tags: { ...queue.tags, owner: 'me' },
    };
    expect(diff(queue, found)).toBeUndefined();
  });

  test('JSON attributes are compared by meaning: another order, numbers as text', () => {
    const redrive = JSON.parse(queue.attributes['RedrivePolicy'] ?? '') as Record<string, unknown>;
    const respelled = JSON.stringify({
      maxReceiveCount: '10',
      deadLetterTargetArn: redrive['deadLetterTargetArn'],
    });
    const found: Found = {
      kind: 'queue',
      tags: queue.tags,
      attributes: { ...queue.attributes, RedrivePolicy: respelled },
    };
    expect(diff(queue, found)).toBeUndefined();
  });

  test('a changed attribute, a missing attribute and a missing tag are named', () => {
    const { SqsManagedSseEnabled: _dropped, ...attributes } = queue.attributes;
    const found: Found = { kind: 'queue', attributes: { ...attributes, VisibilityTimeout: '12' }, tags: {} };
    expect(diff(queue, found)).toMatchObject({
      action: 'update',
      aspects: ['SqsManagedSseEnabled', 'VisibilityTimeout', 'tags'],
    });
  });

  test.each([
    ['publicAccessBlocked', { publicAccessBlocked: false }],
    ['ownership', { ownership: 'ObjectWriter' }],
    ['encryption', { encryption: undefined }],
    ['expiries', { expiries: [{ prefix: 'images/', days: 1 }] }],
    ['policy', { policy: undefined }],
    ['tags', { tags: { 'imgrec:cluster': 'other' } }],
  ])('a bucket with another %s is updated in that alone', (aspect, change) => {
    const found: Found = { kind: 'bucket', configuration: { ...bucket.configuration, ...change } };
    expect(diff(bucket, found)).toMatchObject({ action: 'update', aspects: [aspect] });
  });
});
