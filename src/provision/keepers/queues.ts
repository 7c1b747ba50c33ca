import { CloudError } from '../../aws/errors.ts';
import type { Sqs } from '../../aws/sqs.ts';
import { retry } from '../../retry.ts';
import type { Circumstances, Keeper } from './keeper.ts';

/** SQS's names for "the queue of this name was deleted less than 60 s ago", in its two protocols. */
const deletedRecently = new Set(['QueueDeletedRecently', 'AWS.SimpleQueueService.QueueDeletedRecently']);

const isTooSoon = (error: unknown): boolean => error instanceof CloudError && deletedRecently.has(error.code);

/** SQS gives a name back after 60 s; a few tries more for a clock that is not ours. */
const untilNameIsFree = { attempts: 16, limits: { floorMs: 5_000, ceilingMs: 5_000 } };

export const queueKeeper = (sqs: Sqs, { clock, say, signal }: Circumstances): Keeper<'queue'> => ({
  find: async (name) => {
    const aspects = await sqs.attributes(name);
    return aspects === undefined
      ? undefined
      : { kind: 'queue', name, id: name, tags: await sqs.tags(name), aspects };
  },
  others: (names) => sqs.list(names.replyPrefix),
  create: async ({ name, aspects, tags }) => {
    const create = () => sqs.create(name, aspects, tags);
    try {
      await create();
    } catch (error) {
      if (!isTooSoon(error)) throw error;
      say(`queue ${name} was deleted a moment ago, and SQS keeps a name for 60 s: waiting`);
      await clock.sleep(untilNameIsFree.limits.floorMs, signal);
      await retry(create, { ...untilNameIsFree, clock, signal, retryable: isTooSoon });
    }
    return name;
  },
  update: async ({ name, aspects, tags }, _found, changes) => {
    // All of them: what was as wanted is so again, and one call costs what it costs.
    if (changes.some((change) => change !== 'tags')) await sqs.setAttributes(name, aspects);
    if (changes.includes('tags')) await sqs.tag(name, tags);
  },
  remove: ({ name }) => sqs.destroy(name),
});
