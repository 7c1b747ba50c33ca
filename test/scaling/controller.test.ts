import { describe, expect, test } from 'vitest';
import { createSimClock } from '../fixtures/sim-clock.ts';
import { configOf, startScaler } from './scalers.ts';
import { createWorld, type World } from './world.ts';

const workers = 1_000;
const messages = 1_000_000;

/** AWS's published rates that a run of the scaler must stay within: launches are a bucket of 1,000 that gains two a second. */
const runsPerSecond = 1 / 10;
const limitsPerSecond: Readonly<Record<string, number>> = {
  // https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html: non-mutating actions refill at 20 a second
  'ec2:DescribeInstances': 20,
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html: 5,500 reads and 3,500 writes a second
  's3:GetObject report': 5_500,
  's3:ListObjectsV2 fleet/': 5_500,
  's3:PutObject lock': 3_500,
  // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
  'sqs:GetQueueAttributes': 3_000,
};

const populate = async (): Promise<{ readonly world: World; readonly run: () => Promise<number> }> => {
  const clock = createSimClock();
  const world = createWorld(clock);
  world.faults.bootMs = () => 0;
  const config = configOf(world, {
    policy: { ...configOf(world).policy, min: workers, max: workers },
  });
  const scaler = startScaler(world, clock, config, { dead: false });
  const run = async () => {
    await clock.advance(10_000);
    const startedMs = performance.now();
    const pending = scaler.run();
    await pending;
    return performance.now() - startedMs;
  };
  await run();
  return { world, run };
};

describe(`the controller with ${workers} workers and ${messages} messages`, { timeout: 60_000 }, () => {
  test('takes less than 2 s a run and 200 MB, and few calls', async () => {
    const { world, run } = await populate();
    expect(world.alive()).toHaveLength(workers);
    world.queue.waiting = messages;
    // Every worker has news in every run, and at most 100 reports are read of it.
    for (let round = 0; round < 3; round++) await run();
    world.calls.clear();
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    const ms = await run();
    const grownMb = (process.memoryUsage().heapUsed - before) / 2 ** 20;
    const calls = Object.fromEntries(world.calls);
    process.stdout.write(
      `controller: ${workers} workers, ${Math.round(world.queue.waiting)} messages: ${ms.toFixed(0)} ms a run, ${grownMb.toFixed(1)} MB, ${JSON.stringify(calls)}\n`,
    );
    expect(ms).toBeLessThan(2_000);
    expect(grownMb).toBeLessThan(200);
    expect(calls['s3:GetObject report']).toBeLessThanOrEqual(100);
    expect(calls['ec2:RunInstances']).toBeUndefined();
    for (const [name, limit] of Object.entries(limitsPerSecond))
      expect((calls[name] ?? 0) * runsPerSecond, name).toBeLessThan(limit);
  });
});
