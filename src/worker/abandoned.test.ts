import { describe, expect, test } from 'vitest';
import { createSimClock } from '../../test/fixtures/sim-clock.ts';
import { awaitAbandoned } from './abandoned.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const idleMs = 600_000;

const start = (options: {
  readonly written: () => number | undefined;
  readonly idleSinceMs?: () => number | undefined;
}) => {
  const clock = createSimClock();
  const stop = new AbortController();
  let ended: boolean | undefined;
  const { written, idleSinceMs = () => 0 } = options;
  void awaitAbandoned({
    s3: {
      head: async () => {
        const lastModifiedMs = written();
        return lastModifiedMs === undefined ? undefined : { lastModifiedMs };
      },
    },
    bucket: 'ops',
    idleMs,
    idleSinceMs,
    clock,
    log: silent,
    signal: stop.signal,
  }).then((result) => {
    ended = result;
  });
  return { clock, stop, ended: () => ended };
};

describe('a worker that nobody needs', () => {
  test('is abandoned when there is no scaler at all', async () => {
    const { clock, ended } = start({ written: () => undefined });
    await clock.advance(idleMs - 1);
    expect(ended()).toBeUndefined();
    await clock.advance(120_000);
    expect(ended()).toBe(true);
  });

  test('stays while a scaler writes', async () => {
    let written = 1;
    const { clock, ended, stop } = start({ written: () => written++ });
    await clock.advance(10 * idleMs);
    expect(ended()).toBeUndefined();
    stop.abort();
    await clock.advance(1);
    expect(ended()).toBe(false);
  });

  test('is abandoned when the scaler has stopped writing', async () => {
    let written = 1;
    let atWork = true;
    const { clock, ended } = start({ written: () => (atWork ? written++ : written) });
    await clock.advance(5 * idleMs);
    atWork = false;
    await clock.advance(idleMs / 2);
    expect(ended()).toBeUndefined();
    await clock.advance(idleMs);
    expect(ended()).toBe(true);
  });

  test('stays while it has work', async () => {
    let since: number | undefined;
    const { clock, ended } = start({ written: () => undefined, idleSinceMs: () => since });
    await clock.advance(5 * idleMs);
    expect(ended()).toBeUndefined();
    since = clock.monotonicMs();
    await clock.advance(idleMs + 60_000);
    expect(ended()).toBe(true);
  });

  test('stays while the cloud cannot be asked', async () => {
    const { clock, ended } = start({
      written: () => {
        throw new Error('no answer');
      },
    });
    await clock.advance(5 * idleMs);
    expect(ended()).toBeUndefined();
  });
});
