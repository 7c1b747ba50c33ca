import { expect, test } from 'vitest';
import { workersForRate } from './erlang.ts';

// Erlang C from the tables in Gross, Harris et al., "Fundamentals of Queueing Theory": C(3, 2) = 4/9, C(12, 10) = 0.4494.
test.each([
  { arriving: 0, wait: 0, share: 0.02, workers: 0 },
  { arriving: 2, wait: 0, share: 0.45, workers: 3 },
  { arriving: 2, wait: 0, share: 0.44, workers: 4 },
  { arriving: 10, wait: 0, share: 0.45, workers: 12 },
  { arriving: 10, wait: 0, share: 0.449, workers: 13 },
  { arriving: 10, wait: 1_000, share: 0.01, workers: 11 },
  // C(3, 2) e^-(3 - 2) = 0.1635.
  { arriving: 2, wait: 1, share: 0.17, workers: 3 },
  { arriving: 2, wait: 1, share: 0.16, workers: 4 },
])(
  '$arriving a second at 1 a worker, at most $share wait over $wait s: $workers',
  ({ arriving, wait, share, workers }) => {
    expect(workersForRate(arriving, 1, wait, share, 100)).toBe(workers);
  },
);

test('never more than the maximum, also where no number is enough', () => {
  expect(workersForRate(50, 1, 1, 0.01, 19)).toBe(19);
});
