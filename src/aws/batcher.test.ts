import { describe, expect, test } from 'vitest';
import { createBatcher } from './batcher.ts';

const recording = (options: { maxItems?: number; maxBytes?: number } = {}) => {
  const batches: string[][] = [];
  const batcher = createBatcher<string, string>({
    maxItems: options.maxItems ?? 10,
    ...(options.maxBytes === undefined
      ? {}
      : { maxBytes: options.maxBytes, bytesOf: (item: string) => item.length }),
    lingerMs: () => 1,
    send: async (items) => {
      batches.push([...items]);
      return items.map((item) => (item === 'bad' ? new Error('refused') : item.toUpperCase()));
    },
  });
  return { batches, batcher };
};

describe('a batcher', () => {
  test('sends what comes together in one batch, and gives each its own result', async () => {
    const { batches, batcher } = recording();
    expect(await Promise.all(['a', 'b', 'c'].map((item) => batcher.add(item)))).toEqual(['A', 'B', 'C']);
    expect(batches).toEqual([['a', 'b', 'c']]);
  });

  test('a full batch goes at once', async () => {
    const { batches, batcher } = recording({ maxItems: 2 });
    await Promise.all(['a', 'b', 'c'].map((item) => batcher.add(item)));
    expect(batches).toEqual([['a', 'b'], ['c']]);
  });

  test('the bytes of a batch stay below the limit', async () => {
    const { batches, batcher } = recording({ maxBytes: 5 });
    await Promise.all(['aaa', 'bbb', 'c'].map((item) => batcher.add(item)));
    expect(batches).toEqual([['aaa'], ['bbb', 'c']]);
  });

  test('one refused item does not fail its neighbours', async () => {
    const { batcher } = recording();
    const [good, bad] = await Promise.allSettled([batcher.add('good'), batcher.add('bad')]);
    expect(good).toMatchObject({ status: 'fulfilled', value: 'GOOD' });
    expect(bad).toMatchObject({ status: 'rejected' });
  });

  test('a batch that fails rejects all of its items, and the next one is sent all the same', async () => {
    let calls = 0;
    const batcher = createBatcher<string, string>({
      maxItems: 10,
      lingerMs: () => 1,
      send: async (items) => {
        if (++calls === 1) throw new Error('down');
        return items;
      },
    });
    const first = await Promise.allSettled([batcher.add('a'), batcher.add('b')]);
    expect(first.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await batcher.add('c')).toBe('c');
  });

  test('flush sends what waits and waits for what is under way', async () => {
    const { batches, batcher } = recording();
    const added = batcher.add('a');
    await batcher.flush();
    expect(batches).toEqual([['a']]);
    expect(await added).toBe('A');
  });
});
