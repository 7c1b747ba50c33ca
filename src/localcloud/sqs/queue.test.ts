import { describe, expect, test } from 'vitest';
import type { Clock } from '../../clock.ts';
import type { Content } from './message.ts';
import { createQueue, type Queue, type QueueEvent, type QueueSettings } from './queue.ts';

/** A clock that stands still until `advance`; sleepers wake in the order of their time. */
const createFakeClock = () => {
  let nowMs = 1_000;
  let stepMs = 0;
  const sleepers = new Set<{ readonly dueMs: number; readonly wake: () => void }>();
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  const clock: Clock = {
    monotonicMs: () => nowMs,
    wallMs: () => 1_700_000_000_000 + nowMs + stepMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const sleeper = { dueMs: nowMs + ms, wake: resolve };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          resolve();
        });
      }),
  };
  return {
    clock,
    settle,
    sleeping: () => sleepers.size,
    stepWallClock: (ms: number) => {
      stepMs += ms;
    },
    advance: async (ms: number): Promise<void> => {
      const endMs = nowMs + ms;
      for (let round = 0; round < 1_000; round++) {
        const next = [...sleepers].filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
        if (!next) break;
        nowMs = Math.max(nowMs, next.dueMs);
        sleepers.delete(next);
        next.wake();
        await settle();
      }
      nowMs = endMs;
      await settle();
    },
  };
};

const content = (id: string, delaySeconds = 0): Content => ({
  id,
  body: `body of ${id}`,
  bodyMd5: '',
  sentMs: 0,
  delaySeconds,
});

const open = (settings: Partial<QueueSettings> = {}) => {
  const fake = createFakeClock();
  const events: QueueEvent[] = [];
  const queues = new Map<string, Queue>();
  let diskFull = false;
  const make = (name: string, own: Partial<QueueSettings>): Queue => {
    const queue = createQueue({
      clock: fake.clock,
      settings: () => ({ visibilitySeconds: 30, retentionSeconds: 345_600, ...own }),
      record: (event) => {
        if (diskFull) throw new Error('disk full');
        events.push(event);
      },
      name,
      queueNamed: (other) => queues.get(other),
    });
    queues.set(name, queue);
    return queue;
  };
  return {
    ...fake,
    events,
    queue: make('main', settings),
    addQueue: make,
    fillDisk: (full: boolean) => {
      diskFull = full;
    },
  };
};

const poll = async (
  queue: Queue,
  { signal, ...options }: { max?: number; visibility?: number; wait?: number; signal?: AbortSignal } = {},
) =>
  (
    await queue.receive({
      max: options.max ?? 10,
      visibilitySeconds: options.visibility ?? 30,
      waitSeconds: options.wait ?? 0,
      ...(signal && { signal: () => signal }),
    })
  ).map(({ message, receiveCount }) => `${message.id}:${receiveCount}`);

describe('visibility', () => {
  test('a received message is hidden for its visibility timeout and then comes again, counted', async () => {
    const { queue, advance } = open();
    queue.send(content('a'));
    expect(await poll(queue, { visibility: 5 })).toEqual(['a:1']);
    await advance(4_999);
    expect(await poll(queue)).toEqual([]);
    await advance(1);
    expect(await poll(queue)).toEqual(['a:2']);
  });

  test('a step of the wall clock neither shows a message early nor keeps it hidden', async () => {
    const { queue, advance, stepWallClock } = open();
    queue.send(content('a'));
    await poll(queue, { visibility: 5 });
    stepWallClock(3_600_000);
    expect(await poll(queue)).toEqual([]);
    stepWallClock(-7_200_000);
    await advance(5_000);
    expect(await poll(queue)).toEqual(['a:2']);
  });

  test('an extension counts from now and the earlier end means nothing any more', async () => {
    const { queue, advance } = open();
    queue.send(content('a'));
    await poll(queue, { visibility: 5 });
    await advance(4_000);
    expect(queue.changeVisibility('a', 1, 10)).toBe('changed');
    await advance(9_999);
    expect(queue.counts()).toEqual({ visible: 0, inFlight: 1, delayed: 0 });
    await advance(1);
    expect(queue.counts()).toEqual({ visible: 1, inFlight: 0, delayed: 0 });
  });

  test('visibility 0 hands the message back at once, and only once', async () => {
    const { queue } = open();
    queue.send(content('a'));
    await poll(queue);
    expect(queue.changeVisibility('a', 1, 0)).toBe('changed');
    expect(queue.changeVisibility('a', 1, 0)).toBe('not-in-flight');
    expect(await poll(queue)).toEqual(['a:2']);
  });

  test('a message is held at most twelve hours from its receive', async () => {
    const { queue, advance } = open();
    queue.send(content('a'));
    await poll(queue, { visibility: 43_200 });
    await advance(1_000);
    expect(queue.changeVisibility('a', 1, 43_200)).toBe('beyond-limit');
    expect(queue.changeVisibility('a', 1, 43_199)).toBe('changed');
  });
});

describe('receipt handles', () => {
  test('an old handle neither deletes nor extends what was received again', async () => {
    const { queue, advance } = open();
    queue.send(content('a'));
    await poll(queue, { visibility: 1 });
    await advance(1_000);
    expect(await poll(queue, { visibility: 5 })).toEqual(['a:2']);
    queue.remove('a', 1);
    expect(queue.changeVisibility('a', 1, 100)).toBe('not-in-flight');
    await advance(5_000);
    expect(await poll(queue)).toEqual(['a:3']);
  });

  test('the latest handle deletes although the message is visible again', async () => {
    const { queue, advance } = open();
    queue.send(content('a'));
    await poll(queue, { visibility: 1 });
    await advance(1_000);
    queue.remove('a', 1);
    expect(queue.counts()).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
    expect(queue.changeVisibility('a', 1, 5)).toBe('missing');
  });
});

describe('delay and retention', () => {
  test('a delayed message is counted as delayed and shown when its delay is over', async () => {
    const { queue, advance } = open();
    queue.send(content('a', 3));
    expect(queue.counts()).toEqual({ visible: 0, inFlight: 0, delayed: 1 });
    await advance(2_999);
    expect(await poll(queue)).toEqual([]);
    await advance(1);
    expect(await poll(queue)).toEqual(['a:1']);
  });

  test('a message older than the retention is gone, also when it is in flight', async () => {
    const { queue, advance } = open({ retentionSeconds: 60 });
    queue.send(content('a'));
    queue.send(content('b'));
    await poll(queue, { max: 1, visibility: 600 });
    await advance(59_000);
    queue.send(content('c'));
    await advance(1_001);
    expect(queue.counts()).toEqual({ visible: 1, inFlight: 0, delayed: 0 });
    expect(await poll(queue)).toEqual(['c:1']);
  });
});

describe('redrive', () => {
  const redriving = (maxReceives: number) => {
    const opened = open({ redrive: { maxReceives, queueName: 'dead' } });
    return { ...opened, dead: opened.addQueue('dead', {}) };
  };

  test('a message that was received too often goes to the dead-letter queue under its id, with its count', async () => {
    const { queue, dead, events } = redriving(2);
    queue.send(content('a'));
    for (let receive = 1; receive <= 2; receive++) {
      expect(await poll(queue)).toEqual([`a:${receive}`]);
      queue.changeVisibility('a', receive, 0);
    }
    expect(await poll(queue)).toEqual([]);
    expect(events.at(-1)).toEqual({ kind: 'move', id: 'a', to: 'dead' });
    expect(await poll(dead)).toEqual(['a:3']);
  });

  test('a dead letter on top of the queue does not hide those behind it', async () => {
    const { queue } = redriving(1);
    queue.send(content('a'));
    await poll(queue, { visibility: 0 });
    queue.send(content('b'));
    expect(await poll(queue, { max: 1 })).toEqual(['b:1']);
  });

  test('two queues that are each other’s dead-letter queue pass a message on without end only as receivers come', async () => {
    const { queue, addQueue, advance } = redriving(1);
    const dead = addQueue('dead', { redrive: { maxReceives: 1, queueName: 'main' } });
    queue.send(content('a'));
    await poll(queue, { visibility: 1 });
    const [first, second] = [poll(queue, { wait: 5, visibility: 1 }), poll(dead, { wait: 5, visibility: 1 })];
    await advance(6_000);
    expect([await first, await second]).toEqual([[], ['a:2']]);
  });

  test('a wait ends with the dead letter when it moves into the queue', async () => {
    const { queue, dead } = redriving(1);
    queue.send(content('a'));
    await poll(queue, { visibility: 0 });
    const waiting = poll(dead, { wait: 20 });
    expect(await poll(queue)).toEqual([]);
    expect(await waiting).toEqual(['a:2']);
  });
});

describe('long polls', () => {
  test('one wakes for a message that is sent, for one whose delay ends and for one that becomes visible again', async () => {
    const { queue, advance } = open();
    const sent = poll(queue, { wait: 20, visibility: 2 });
    queue.send(content('a'));
    expect(await sent).toEqual(['a:1']);
    const visible = poll(queue, { wait: 20 });
    await advance(2_000);
    expect(await visible).toEqual(['a:2']);
    const delayed = poll(queue, { wait: 20 });
    queue.send(content('b', 7));
    await advance(7_000);
    expect(await delayed).toEqual(['b:1']);
  });

  test('it ends empty after its wait and leaves no timer', async () => {
    const { queue, advance, sleeping } = open();
    let ended = false;
    const waiting = poll(queue, { wait: 20 }).then((received) => {
      ended = true;
      return received;
    });
    await advance(19_999);
    expect(ended).toBe(false);
    await advance(1);
    expect(await waiting).toEqual([]);
    expect(sleeping()).toBe(0);
  });

  test('one message goes to the poll that waited first, the next to the second', async () => {
    const { queue } = open();
    const first = poll(queue, { wait: 20 });
    const second = poll(queue, { wait: 20 });
    queue.send(content('a'));
    queue.send(content('b'));
    expect([await first, await second]).toEqual([['a:1'], ['b:1']]);
  });

  test('an aborted poll takes nothing and the message goes to the next one', async () => {
    const { queue } = open();
    const abort = new AbortController();
    const first = poll(queue, { wait: 20, signal: abort.signal });
    const second = poll(queue, { wait: 20 });
    abort.abort();
    queue.send(content('a'));
    expect([await first, await second]).toEqual([[], ['a:1']]);
  });

  test('closing the queue ends them empty', async () => {
    const { queue, sleeping } = open();
    const waiting = poll(queue, { wait: 20 });
    queue.close();
    expect(await waiting).toEqual([]);
    expect(sleeping()).toBe(0);
  });
});

describe('the record', () => {
  test('when a send cannot be written down, there is no message', async () => {
    const { queue, fillDisk } = open();
    fillDisk(true);
    expect(() => queue.send(content('a'))).toThrow('disk full');
    fillDisk(false);
    expect(await poll(queue)).toEqual([]);
  });

  test('when a receive cannot be written down, the message stays visible and uncounted', async () => {
    const { queue, fillDisk } = open();
    queue.send(content('a'));
    fillDisk(true);
    await expect(poll(queue)).rejects.toThrow('disk full');
    fillDisk(false);
    expect(await poll(queue)).toEqual(['a:1']);
  });

  test('a poll that waits is told when its receive cannot be written down', async () => {
    const { queue, advance, fillDisk } = open();
    queue.send(content('a'));
    await poll(queue, { visibility: 5 });
    const waiting = poll(queue, { wait: 20 });
    fillDisk(true);
    const told = expect(waiting).rejects.toThrow('disk full');
    await advance(5_000);
    await told;
  });
});
