import { describe, expect, test } from 'vitest';
import { explainAt, explainLast, explainObject, renderExplanation } from './explain.ts';
import { type JournalEntry, journalKey, openJournal } from './journal.ts';
import type { Observation } from './observation.ts';
import { decide, type PolicyConfig } from './policy.ts';
import type { PolicyState } from './state.ts';

const config: PolicyConfig = {
  policy: 'balanced',
  min: 0,
  max: 8,
  schedules: [],
  intervalSeconds: 10,
  priorRatePerSecond: 4,
  priorBootSeconds: 30,
};
const startSeconds = Date.UTC(2026, 0, 5, 8) / 1_000;
const observation = (run: number): Observation => ({
  nowSeconds: startSeconds + run * 10,
  visible: run * 40,
  inFlight: 0,
  delayed: 0,
  arrivals:
    run === 0 ? [] : [{ from: startSeconds + (run - 1) * 10, to: startSeconds + run * 10, count: 40 }],
  launchFailures: 0,
  instances: [],
});

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A bucket, and the journal that a scaler has written into it. */
const live = async (runs: number, urgent: (run: number) => boolean) => {
  const objects = new Map<string, string>();
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs, wallMs: () => nowMs, sleep: async () => {} };
  const s3 = {
    put: async (_bucket: string, key: string, body: Uint8Array | string) =>
      void objects.set(key, String(body)),
    list: async (_bucket: string, prefix: string) =>
      [...objects.keys()]
        .filter((key) => key.startsWith(prefix))
        .map((key) => ({ key, bytes: 0, lastModifiedMs: 0, etag: '' })),
    get: async (_bucket: string, key: string) => Buffer.from(objects.get(key) ?? ''),
  };
  const journal = openJournal({ s3, bucket: 'ops', clock, log: silent });
  let state: PolicyState | undefined;
  for (let run = 0; run < runs; run++) {
    nowMs = run * 10_000;
    const seen = observation(run);
    const decision = decide(state, seen, config);
    const entry: JournalEntry & { before: unknown } = {
      v: 1,
      at: new Date(seen.nowSeconds * 1_000).toISOString(),
      epoch: 1,
      config,
      before: state ?? null,
      observation: seen,
      decided: decision.desired,
      desired: decision.desired,
      terminate: decision.terminate,
      why: decision.why,
      acts: urgent(run) ? ['launch slot 1'] : [],
    };
    await journal.note(entry, decision.state, urgent(run));
    ({ state } = decision);
  }
  await journal.flush();
  return { objects, s3 };
};

describe('the journal', () => {
  test('has an object for what was done, and one a minute for what was not', async () => {
    const { objects } = await live(20, (run) => run === 3);
    const lines = [...objects.values()].map((body) => body.trimEnd().split('\n').length);
    expect(lines).toEqual([4, 7, 7, 2]);
    expect([...objects.keys()][0]).toBe(journalKey(new Date(startSeconds * 1_000).toISOString()));
    expect([...objects.keys()][0]).toBe('journal/scale/2026-01-05/08-00-00-000.json');
  });

  test('says what was remembered once an object: the rest follows from it', async () => {
    const { objects } = await live(7, () => false);
    const [first = '', second = ''] = [...objects.values()].flatMap((body) => body.split('\n'));
    expect(JSON.parse(first)).toHaveProperty('before', null);
    expect(JSON.parse(second)).not.toHaveProperty('before');
  });
});

describe('an explanation', () => {
  test('makes each decision again and finds the same', async () => {
    const { s3 } = await live(20, (run) => run % 5 === 0);
    const explained = await explainLast(s3, 'ops', 100);
    expect(explained).toHaveLength(20);
    expect(explained.every(({ replay }) => replay === 'same')).toBe(true);
    expect(await explainLast(s3, 'ops', 3)).toEqual(explained.slice(-3));
  });

  test('finds the decision that held at a moment', async () => {
    const { s3 } = await live(20, (run) => run % 5 === 0);
    const at = await explainAt(s3, 'ops', (startSeconds + 47) * 1_000);
    expect(at?.at).toBe(new Date((startSeconds + 40) * 1_000).toISOString());
    expect(await explainAt(s3, 'ops', (startSeconds - 1) * 1_000)).toBeUndefined();
  });

  test('says so when the decision would be another one now', async () => {
    const { objects } = await live(4, () => false);
    const entries = [...objects.values()]
      .flatMap((body) => body.trimEnd().split('\n'))
      .map((line) => JSON.parse(line) as JournalEntry);
    const changed = entries.map((entry, index) =>
      index === 2 ? { ...entry, decided: entry.decided + 1 } : entry,
    );
    const explained = explainObject(changed);
    expect(explained.map(({ replay }) => replay === 'same')).toEqual([true, true, false, true]);
    expect(explained.map(renderExplanation)[2]).toContain('made again, this differs: ');
  });

  test('is a sentence with what was done below it', async () => {
    const { s3 } = await live(3, (run) => run === 2);
    const [last] = await explainLast(s3, 'ops', 1);
    expect(last && renderExplanation(last)).toMatch(
      /^2026-01-05 08:00:20 {2}0 -> \d+: 80 waiting, .*\n {4}launch slot 1$/,
    );
  });
});
