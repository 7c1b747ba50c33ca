import { describe, expect, test } from 'vitest';
import { startTestCloud } from '../../../test/fixtures/cluster.ts';
import { createSqs } from '../../aws/sqs.ts';
import { identify } from '../../aws/sts.ts';
import type { Clock } from '../../clock.ts';
import { systemClock } from '../../clock.ts';
import { queueKeeper } from './queues.ts';

/** Sleeps at once, and is that much later afterwards. */
const hastyClock = (): Clock => {
  let passedMs = 0;
  return {
    monotonicMs: () => systemClock.monotonicMs() + passedMs,
    wallMs: () => systemClock.wallMs(),
    sleep: async (ms) => {
      passedMs += ms;
    },
  };
};

describe('a queue that was deleted a moment ago', () => {
  const resource = { kind: 'queue', name: 'again', tags: {}, aspects: {} } as const;

  test('is made when SQS gives its name back, and the wait is explained once', async () => {
    const clock = hastyClock();
    const cloud = await startTestCloud({ clock });
    const sqs = createSqs(cloud.connection, await identify(cloud.connection));
    const lines: string[] = [];
    const keeper = queueKeeper(sqs, {
      clock,
      signal: new AbortController().signal,
      say: (line) => lines.push(line),
    });
    await keeper.create(resource);
    const found = await keeper.find('again', { cluster: 'test' });
    if (found) await keeper.remove(found);
    const beforeMs = clock.monotonicMs();
    await keeper.create(resource);
    expect(await keeper.find('again', { cluster: 'test' })).toBeDefined();
    expect(clock.monotonicMs() - beforeMs).toBeGreaterThan(55_000);
    expect(lines).toEqual(['queue again was deleted a moment ago, and SQS keeps a name for 60 s: waiting']);
    sqs.close();
    await cloud.close();
  });
});
