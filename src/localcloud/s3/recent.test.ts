import { expect, test } from 'vitest';
import { createRecentBodies } from './recent.ts';

test('the oldest writes go first when the limit is reached, and a large body never pushes the others out', () => {
  const recent = createRecentBodies(100);
  for (const key of ['a', 'b', 'c', 'd']) recent.keep(key, [Buffer.alloc(25)], 25);
  recent.keep('a', [Buffer.alloc(25, 1)], 25);
  recent.keep('e', [Buffer.alloc(10)], 10);
  recent.keep('large', [Buffer.alloc(26)], 26);
  const kept = ['a', 'b', 'c', 'd', 'e', 'large'].filter((key) => recent.get(key));
  expect(kept).toEqual(['a', 'c', 'd', 'e']);
  expect(recent.get('a')?.[0]?.[0]).toBe(1);
});

test('an overwrite with a body that is not kept leaves no old body behind', () => {
  const recent = createRecentBodies(100);
  recent.keep('a', [Buffer.alloc(10)], 10);
  recent.keep('a', [Buffer.alloc(90)], 90);
  expect(recent.get('a')).toBeUndefined();
});
