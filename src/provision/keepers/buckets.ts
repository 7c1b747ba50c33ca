import type { BucketAspect, S3Buckets } from '../../aws/s3-buckets.ts';
import type { Keeper } from './keeper.ts';

/** Tags come first: a run that is cut short after them leaves a bucket that says whose it is. */
const order: readonly BucketAspect[] = [
  'tags',
  'publicAccessBlocked',
  'policy',
  'ownership',
  'encryption',
  'expiries',
];

export const bucketKeeper = (buckets: S3Buckets): Keeper<'bucket'> => ({
  find: async (name) => {
    if (!(await buckets.exists(name))) return undefined;
    const [{ tags, ...aspects }, isEmpty] = await Promise.all([buckets.read(name), buckets.isEmpty(name)]);
    return { kind: 'bucket', name, id: name, tags, aspects, isEmpty };
  },
  create: async ({ name }) => {
    await buckets.create(name);
    return name;
  },
  update: async ({ name, aspects, tags }, _found, changes) => {
    for (const aspect of order)
      if (changes.includes(aspect)) await buckets.configure(name, aspect, { ...aspects, tags });
  },
  remove: async ({ name }) => {
    // It may forbid what follows, and moto takes it for doing so.
    await buckets.removePolicy(name);
    await buckets.clear(name);
    await buckets.remove(name);
  },
});
