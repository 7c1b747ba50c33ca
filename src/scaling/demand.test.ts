import { expect, test } from 'vitest';
import { followArrivals, noDemand } from './demand.ts';

test.each([
  ['a boot of one second: forgotten within twenty', 1, 0, 0.1],
  ['a boot of a minute: half remembered', 60, 4, 9],
  ['a boot of two minutes: as after one', 120, 4, 9],
])('the end of a load too clumped to be sure of, with %s', (_what, bootSeconds, least, most) => {
  let demand = { ...noDemand, rate: 10, clumping: 10, age: 30 };
  for (let second = 0; second < 20; second++)
    demand = followArrivals(demand, [{ from: second, to: second + 1, count: 0 }], bootSeconds);
  expect(demand.rate).toBeGreaterThanOrEqual(least);
  expect(demand.rate).toBeLessThanOrEqual(most);
});

test('from boots of a minute on, what is remembered does not depend on the boot', () => {
  const spans = [12, 8, 0, 31, 5].map((count, index) => ({ from: 10 * index, to: 10 * index + 10, count }));
  expect(followArrivals(noDemand, spans, 60)).toEqual(followArrivals(noDemand, spans, 600));
  expect(followArrivals(noDemand, spans, 60)).not.toEqual(followArrivals(noDemand, spans, 5));
});
