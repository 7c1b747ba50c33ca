import { expect, test } from 'vitest';
import type { Cluster } from '../aws/cluster.ts';
import { createLog } from '../log.ts';
import { createReporter } from './report.ts';

test('a worker reports as often as it is told to, and once more at its end', async () => {
  const slept: number[] = [];
  const states: string[] = [];
  let reporting = () => {};
  const threeReports = new Promise<void>((resolve) => {
    reporting = resolve;
  });
  const reporter = createReporter({
    cluster: {
      names: { opsBucket: 'ops' },
      s3: {
        put: async (_bucket: string, _key: string, body: string) => void states.push(JSON.parse(body).state),
      },
    } as unknown as Cluster,
    name: 'i-1',
    everySeconds: 7,
    figures: () => ({ imagesDone: 0, busySeconds: 0, emptyReceivesWithBacklog: 0 }),
    clock: {
      monotonicMs: () => 0,
      wallMs: () => 0,
      sleep: async (ms, signal) => {
        slept.push(ms);
        if (slept.length < 3) return;
        reporting();
        await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
      },
    },
    log: createLog({ stderr: { write: () => true }, quiet: true, verbose: false }),
  });
  await threeReports;
  reporter.enter('stopped');
  await reporter.close();
  expect(slept.slice(0, 3)).toEqual([7_000, 7_000, 7_000]);
  expect(states.slice(0, 3)).toEqual(['starting', 'starting', 'starting']);
  expect(states.at(-1)).toBe('stopped');
});
