import { describe, expect, test } from 'vitest';
import { createSimClock } from '../../test/fixtures/sim-clock.ts';
import type { Step } from './diff.ts';
import type { Key } from './resources.ts';
import { runSteps } from './run-steps.ts';

const step = (name: string, after: readonly string[] = []): Step => ({
  action: 'create',
  kind: 'queue',
  name,
  changes: [],
  reason: 'does not exist',
  after: after.map((each): Key => `queue/${each}`),
});

/** Steps that take as many seconds as their name says, and what was under way when each began. */
const run = (steps: readonly Step[], seconds: Readonly<Record<string, number>>) => {
  const clock = createSimClock();
  const stop = new AbortController();
  const running = new Set<string>();
  const began: string[] = [];
  const told: string[] = [];
  const done = runSteps(
    steps,
    async ({ name }) => {
      began.push(`${name} beside ${[...running].join(' and ') || 'nothing'}`);
      running.add(name);
      await clock.sleep((seconds[name] ?? 1) * 1_000);
      running.delete(name);
      if (name === 'broken') throw new Error('it broke');
    },
    { signal: stop.signal, clock, onDone: ({ name }, took) => told.push(`${name} ${took}`) },
  );
  done.catch(() => undefined);
  return { clock, stop, began, told, done };
};

describe('steps', () => {
  test('that do not wait for each other are carried out at once, the others after what they need', async () => {
    const { clock, began, told, done } = run(
      [step('a'), step('b', ['a']), step('c'), step('d', ['b', 'c'])],
      { a: 1, b: 1, c: 5 },
    );
    await clock.advance(10_000);
    expect(began).toEqual(['a beside nothing', 'c beside a', 'b beside c', 'd beside nothing']);
    expect(told).toEqual(['a 1', 'b 1', 'c 5', 'd 1']);
    expect((await done).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('are at most eight at once', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `s${index}`);
    const { clock, began, done } = run(
      names.map((name) => step(name)),
      {},
    );
    await clock.advance(500);
    expect(began).toHaveLength(8);
    await clock.advance(5_000);
    expect(await done).toHaveLength(12);
  });

  test('that run when it is interrupted are finished, and no other is begun', async () => {
    const { clock, stop, began, done } = run([step('a'), step('b'), step('c', ['a'])], { a: 2, b: 3 });
    await clock.advance(1_000);
    stop.abort();
    await clock.advance(10_000);
    expect(began).toHaveLength(2);
    expect((await done).map(({ name }) => name)).toEqual(['a', 'b']);
  });

  test('that run when one fails are finished, no other is begun, and the failure is told', async () => {
    const { clock, told, began, done } = run([step('broken'), step('b'), step('c', ['b'])], { b: 3 });
    await clock.advance(10_000);
    await expect(done).rejects.toThrow('it broke');
    expect(told).toEqual(['b 3']);
    expect(began).toHaveLength(2);
  });
});
