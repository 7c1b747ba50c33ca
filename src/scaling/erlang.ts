/**
 * Fewest workers for which at most `share` of the requests wait longer than `waitSeconds`, in a queue with Poisson arrivals
 * and exponential service times (M/M/n): P(W > w) = C(n, a) exp(-(n mu - lambda) w), where C is Erlang's formula of 1917,
 * computed from Erlang's B by its recursion. 0 for no arrivals, `max` when no smaller number is enough.
 */
export const workersForRate = (
  arrivingPerSecond: number,
  workerPerSecond: number,
  waitSeconds: number,
  share: number,
  max: number,
): number => {
  if (arrivingPerSecond <= 0) return 0;
  const offered = arrivingPerSecond / workerPerSecond;
  let blocked = 1;
  for (let n = 1; n < max; n += 1) {
    blocked = (offered * blocked) / (n + offered * blocked);
    if (n <= offered) continue;
    const waits = blocked / (1 - (offered / n) * (1 - blocked));
    if (waits * Math.exp(-(n * workerPerSecond - arrivingPerSecond) * waitSeconds) <= share) return n;
  }
  return max;
};
