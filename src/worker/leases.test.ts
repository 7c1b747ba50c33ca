import { describe, expect, test } from 'vitest';
import type { Delivery } from '../aws/sqs.ts';
import type { Clock } from '../clock.ts';
import { createLeases } from './leases.ts';

/** A clock that moves only when told, and lets everything that became due run first. */
const manualClock = () => {
  let nowMs = 0;
  const sleepers: { atMs: number; wake: () => void }[] = [];
  const clock: Clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (!signal?.aborted) sleepers.push({ atMs: nowMs + ms, wake: resolve });
      }),
  };
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    clock,
    advance: async (ms: number) => {
      for (const untilMs = nowMs + ms; ; ) {
        const [next] = sleepers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
        if (next === undefined) {
          nowMs = untilMs;
          return settle();
        }
        sleepers.splice(sleepers.indexOf(next), 1);
        nowMs = next.atMs;
        next.wake();
        await settle();
      }
    },
  };
};

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const delivery = (handle: string): Delivery => ({
  messageId: handle,
  handle,
  body: '',
  receiveCount: 1,
  ageMs: 0,
  receivedAtMs: 0,
});

const setUp = (extend: (handles: readonly string[]) => Promise<Set<string>> = async () => new Set()) => {
  const calls: { call: 'extend' | 'release'; handles: readonly string[]; seconds: number }[] = [];
  const { clock, advance } = manualClock();
  const leases = createLeases({
    sqs: {
      extend: async (_queue, handles, seconds) => {
        calls.push({ call: 'extend', handles, seconds });
        return extend(handles);
      },
      release: async (_queue, handles, seconds = 0) => {
        calls.push({ call: 'release', handles, seconds });
        return new Set();
      },
    },
    queue: 'q',
    visibilitySeconds: 30,
    capMs: 100_000,
    clock,
    log,
  });
  return { leases, calls, advance };
};

describe('leases', () => {
  test('all that are held are renewed every third of the visibility timeout, in one call', async () => {
    const { leases, calls, advance } = setUp();
    leases.hold(delivery('a'));
    leases.hold(delivery('b'));
    await advance(9_999);
    expect(calls).toEqual([]);
    await advance(1);
    expect(calls).toEqual([{ call: 'extend', handles: ['a', 'b'], seconds: 30 }]);
    await advance(10_000);
    expect(calls).toHaveLength(2);
  });

  test('a settled lease is not renewed any more', async () => {
    const { leases, calls, advance } = setUp();
    leases.settle(leases.hold(delivery('a')));
    await advance(30_000);
    expect(calls).toEqual([]);
  });

  test('a lease that SQS says is lost aborts its job and no other', async () => {
    const { leases, advance } = setUp(async () => new Set(['a']));
    const [a, b] = [leases.hold(delivery('a')), leases.hold(delivery('b'))];
    await advance(10_000);
    expect([a.lost.aborted, b.lost.aborted]).toEqual([true, false]);
    expect(leases.held()).toBe(1);
  });

  test('one failed renewal loses nothing; none for a whole visibility timeout loses the lease', async () => {
    let failing = true;
    const { leases, advance } = setUp(async () => {
      if (failing) throw new Error('down');
      return new Set();
    });
    const a = leases.hold(delivery('a'));
    await advance(20_000);
    expect(a.lost.aborted).toBe(false);
    failing = false;
    await advance(10_000);
    failing = true;
    await advance(30_000);
    expect(a.lost.aborted).toBe(false);
    await advance(10_000);
    expect(a.lost.aborted).toBe(true);
  });

  test('a job that holds its message for longer than the cap is given up', async () => {
    const { leases, advance } = setUp();
    const a = leases.hold(delivery('a'));
    await advance(100_000);
    expect(a.lost.aborted).toBe(false);
    await advance(10_000);
    expect(a.lost.aborted).toBe(true);
  });

  test('a release waits for the renewal under way, which would undo it', async () => {
    let finish = () => {};
    const { leases, calls, advance } = setUp(
      () =>
        new Promise((resolve) => {
          finish = () => resolve(new Set());
        }),
    );
    const a = leases.hold(delivery('a'));
    await advance(10_000);
    const released = leases.release(a, 0);
    await advance(1);
    expect(calls.map(({ call }) => call)).toEqual(['extend']);
    finish();
    await released;
    expect(calls.map(({ call }) => call)).toEqual(['extend', 'release']);
    await advance(60_000);
    expect(calls).toHaveLength(2);
  });

  test('a lease that was lost is not handed back: the message may be somebody else’s', async () => {
    const { leases, calls, advance } = setUp(async () => new Set(['a']));
    const a = leases.hold(delivery('a'));
    await advance(10_000);
    await leases.release(a, 0);
    expect(calls.map(({ call }) => call)).toEqual(['extend']);
  });
});
