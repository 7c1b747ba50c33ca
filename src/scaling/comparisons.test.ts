import { describe, expect, test } from 'vitest';
import {
  acceptableBacklog,
  decideKeda,
  decideKpa,
  decideSeed,
  decideTargetTracking,
  type Seen,
  workersForBacklog,
} from './comparisons.ts';
import type { ObservedInstance } from './observation.ts';

const readyOnes = (count: number): ObservedInstance[] =>
  Array.from({ length: count }, (_, index) => ({
    id: `i-${index}`,
    type: 'c7a.medium',
    state: 'ready',
    launchedAtSeconds: 0,
    readyAtSeconds: 100,
  }));

const seen = (visible: number, size: number, more: Partial<Seen> = {}, nowSeconds = 1_000): Seen => ({
  observation: {
    nowSeconds,
    visible,
    inFlight: 0,
    delayed: 0,
    arrivals: [],
    launchFailures: 0,
    instances: readyOnes(size),
  },
  size,
  ready: size,
  workerPerSecond: 1,
  min: 0,
  max: 100,
  ...more,
});

describe("AWS's target tracking", () => {
  // The example of "Scaling based on Amazon SQS" in the EC2 Auto Scaling User Guide.
  test('1,500 messages, 10 instances, 10 s at 0.1 s a message: 5 more', () => {
    expect(acceptableBacklog(10, 0.1)).toBe(100);
    expect(workersForBacklog(1_500, acceptableBacklog(10, 0.1)) - 10).toBe(5);
    let memory: Parameters<typeof decideTargetTracking>[0] = { points: [], pointAt: null };
    const desired = [0, 1, 2].map((minute) => {
      const outcome = decideTargetTracking(
        memory,
        seen(1_500, 10, { workerPerSecond: 10 }, 1_000 + 60 * minute),
      );
      memory = outcome.memory;
      return outcome.desired;
    });
    expect(desired).toEqual([10, 10, 15]);
  });

  // The manifest documentation of Copilot's worker services.
  test('Copilot: 10 min at 250 ms a message: 2,400 messages a task', () => {
    expect(acceptableBacklog(600, 0.25)).toBe(2_400);
  });

  test('in only after 15 points below 90 % of the target', () => {
    let memory: Parameters<typeof decideTargetTracking>[0] = { points: [], pointAt: null };
    const desired = Array.from({ length: 15 }, (_, minute) => {
      const outcome = decideTargetTracking(memory, seen(10, 10, {}, 1_000 + 60 * minute));
      memory = outcome.memory;
      return outcome.desired;
    });
    expect(desired).toEqual([...Array.from({ length: 14 }, () => 10), 1]);
    // Before it goes in again it counts from the beginning.
    expect(memory.points).toEqual([]);
  });
});

describe('KEDA', () => {
  const none = { recommended: [], activeAt: null, polledAt: null };
  // keda.sh, aws-sqs-queue: "if one pod can handle 10 messages, set the queue length target to 10. If the actual messages in the queue is 30, the scaler scales to 3 pods."
  test('30 messages at 10 a worker: 3 workers', () => {
    expect(decideKeda(none, seen(30, 1, { parameter: 10 })).desired).toBe(3);
  });

  test('from zero one worker, then at most four more or twice as many', () => {
    expect(decideKeda(none, seen(1_000, 0)).desired).toBe(1);
    expect(decideKeda(none, seen(1_000, 1)).desired).toBe(5);
    expect(decideKeda(none, seen(1_000, 8)).desired).toBe(16);
  });

  test('down no further than what was recommended within five minutes', () => {
    const { memory } = decideKeda(none, seen(50, 10));
    expect(decideKeda(memory, seen(5, 10, {}, 1_100)).desired).toBe(10);
    expect(decideKeda(memory, seen(5, 10, {}, 1_400)).desired).toBe(1);
  });
});

describe("Knative's autoscaler", () => {
  test('panics at twice the ready capacity, and halves at most', () => {
    const none = { samples: [], panicAt: null, panicMost: 0, zeroSince: null };
    expect(decideKpa(none, seen(7, 1)).desired).toBe(10);
    expect(decideKpa(none, seen(0, 8)).desired).toBe(4);
  });
});

describe("the course's rule", () => {
  test.each([
    { visible: 1, size: 0, desired: 1 },
    { visible: 7, size: 1, desired: 4 },
    { visible: 100, size: 1, desired: 19 },
    { visible: 2, size: 19, desired: 1 },
    { visible: 0, size: 3, desired: 3 },
  ])('$visible waiting, $size there: $desired', ({ visible, size, desired }) => {
    expect(decideSeed({ zeroSince: null }, seen(visible, size)).desired).toBe(desired);
  });

  test('all are ended after nothing has waited for a minute', () => {
    expect(decideSeed({ zeroSince: 950 }, seen(0, 3)).desired).toBe(3);
    expect(decideSeed({ zeroSince: 940 }, seen(0, 3)).desired).toBe(0);
  });
});
