import { expect, test } from 'vitest';
import { type JournalEntry, openJournal } from './journal.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A decision about so many workers, which differs from the others in its time. */
const decision = (second: number, workers: number): JournalEntry & { before: unknown } => ({
  v: 1,
  at: new Date(second * 1_000).toISOString(),
  epoch: 1,
  config: {
    ...{ policy: 'balanced', min: 0, max: workers, schedules: [], intervalSeconds: 10 },
    ...{ priorRatePerSecond: 4, priorBootSeconds: 30 },
  },
  before: null,
  observation: {
    ...{ nowSeconds: second, visible: 0, inFlight: 0, delayed: 0, arrivals: [], launchFailures: 0 },
    instances: Array.from({ length: workers }, (_, index) => ({
      ...{ id: `i-${String(index).padStart(17, '0')}`, type: 'c7a.medium', state: 'ready' as const },
      ...{ launchedAtSeconds: 0, readyAtSeconds: 60, imagesDone: second * 4, busySeconds: second },
    })),
  },
  decided: workers,
  desired: workers,
  terminate: [],
  why: {
    ...{ policy: 'balanced', from: workers, to: workers, ready: workers, booting: 0, waiting: 0 },
    ...{ arrivingPerSecond: 0, workerPerSecond: 4, bootSeconds: 60, forRate: 0, forBacklog: 0 },
    ...{ kept: 0, hung: 0, rule: 'none' },
  },
  acts: [],
});

const journalInto = (put: (body: string) => Promise<void>) => {
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs, wallMs: () => nowMs, sleep: async () => {} };
  const s3 = { put: (_bucket: string, _key: string, body: Uint8Array | string) => put(String(body)) };
  const journal = openJournal({ s3, bucket: 'ops', clock, log: silent });
  return {
    note: async (second: number, workers: number) => {
      nowMs = second * 1_000;
      await journal.note(decision(second, workers), {}, false);
    },
    flush: journal.flush,
  };
};

test('decisions about few workers are written together each minute, those about a thousand sooner', async () => {
  const written: { workers: number; lines: number; second: number }[] = [];
  for (const workers of [3, 1_000]) {
    let now = 0;
    const journal = journalInto(async (body) => {
      written.push({ workers, lines: body.split('\n').length - 1, second: now });
    });
    for (now = 0; now <= 60; now++) await journal.note(now, workers);
  }
  const [few, ...many] = written;
  expect(few).toEqual({ workers: 3, lines: 61, second: 60 });
  expect(many.length).toBeGreaterThan(1);
  expect(many.reduce((sum, { lines }) => sum + lines, 0)).toBeGreaterThan(30);
});

test('what S3 does not take is kept up to a bound, and the newest of it is written when it does', async () => {
  let isUp = false;
  let written = '';
  const journal = journalInto(async (body) => {
    if (!isUp) throw new Error('no');
    written = body;
  });
  for (let second = 0; second < 120; second++) await journal.note(second, 1_000);
  isUp = true;
  await journal.flush();
  const last: JournalEntry = JSON.parse(written.trimEnd().split('\n').at(-1) ?? '');
  expect(last.observation.nowSeconds).toBe(119);
  expect(written.length).toBeLessThan(16_000_000);
});
