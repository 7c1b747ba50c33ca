import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Answer, type History, judge, type Operation, percentile, type Stored } from './history.ts';

const labels = ['tabby', 'daisy', 'espresso'] as const;
const labelled = (label: string): Answer => ({ kind: 'label', label });

/** A run in which everything is as it should be: `count` images asked for, answered and stored, some late, some refused. */
const goodHistory = fc
  .array(
    fc.record({
      label: fc.constantFrom(...labels),
      end: fc.constantFrom('ok', 'late', 'refused', 'broken', 'recovered'),
      tookMs: fc.integer({ min: 1, max: 60_000 }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((rows): History => {
    const operations = rows.map(({ label, end, tookMs }, index): Operation => {
      const common = {
        sha256: `sha-${index}`,
        invokedAtMs: index * 10,
        expected: labelled(label),
      };
      const atMs = index * 10 + tookMs;
      if (end === 'ok')
        return { ...common, id: `id-${index}`, end: { kind: 'ok', atMs, answer: labelled(label) } };
      if (end === 'late')
        return { ...common, id: `id-${index}`, end: { kind: 'info', atMs, why: 'HTTP 504' } };
      if (end === 'refused')
        return { ...common, id: `id-${index}`, end: { kind: 'fail', atMs, why: 'HTTP 503' } };
      return { ...common, id: undefined, end: { kind: 'info', atMs, why: 'ECONNRESET' } };
    });
    const stored = rows.flatMap(({ label, end }, index): Stored[] =>
      end === 'refused' || end === 'broken'
        ? []
        : [
            {
              id: `id-${index}`,
              sha256: `sha-${index}`,
              answer: labelled(label),
              storedAtMs: 100_000 + index,
            },
          ],
    );
    return { operations, stored, faultsEndedAtMs: undefined };
  });

const withAnswered = goodHistory.filter(({ operations }) => operations.some(({ end }) => end.kind === 'ok'));
const firstAnswered = ({ operations }: History): Operation & { readonly id: string } => {
  const found = operations.find(({ end }) => end.kind === 'ok');
  if (found?.id === undefined) throw new Error('the filter should have seen to it');
  return { ...found, id: found.id };
};

const check = (history: fc.Arbitrary<History>, property: (history: History) => void) =>
  fc.assert(fc.property(history, property));

describe('the checker', () => {
  test('finds nothing wrong with a run in which everything is right', () => {
    check(goodHistory, (history) => {
      expect(judge(history)).toMatchObject({
        lost: [],
        unexpected: [],
        duplicated: [],
        wrong: [],
        expired: [],
      });
    });
  });

  test('counts every operation as acked, refused or unknown', () => {
    check(goodHistory, (history) => {
      const { ops, acked, refused } = judge(history);
      const unknown = history.operations.filter(
        ({ id, end }) => id === undefined && end.kind === 'info',
      ).length;
      expect(acked + refused + unknown).toBe(ops);
    });
  });

  test('sees that an accepted image has no result', () => {
    check(withAnswered, (history) => {
      const { id, sha256 } = firstAnswered(history);
      const late = history.operations.map(
        (operation): Operation =>
          operation.sha256 === sha256
            ? { ...operation, end: { kind: 'info', atMs: 0, why: 'HTTP 504' } }
            : operation,
      );
      const stored = history.stored.filter((result) => result.id !== id);
      expect(judge({ ...history, operations: late, stored }).lost).toEqual([id]);
    });
  });

  test('sees that an answered label was never stored', () => {
    check(withAnswered, (history) => {
      const { id } = firstAnswered(history);
      const stored = history.stored.filter((result) => result.id !== id);
      expect(judge({ ...history, stored }).lost).toEqual([id]);
    });
  });

  test('sees a result that nobody asked for', () => {
    check(goodHistory, (history) => {
      const stray: Stored = { id: 'stray', sha256: 'other', answer: labelled('tabby'), storedAtMs: 0 };
      expect(judge({ ...history, stored: [...history.stored, stray] }).unexpected).toEqual(['stray']);
    });
  });

  test('does not call unexpected what a broken connection left without an id', () => {
    check(goodHistory, (history) => {
      const operations = history.operations.map(
        (operation): Operation => ({
          ...operation,
          id: undefined,
          end: { kind: 'info', atMs: 0, why: 'ECONNRESET' },
        }),
      );
      expect(judge({ ...history, operations })).toMatchObject({
        unexpected: [],
        lost: [],
        acked: 0,
        recovered: history.stored.length,
      });
    });
  });

  test('sees an id that was answered to two clients', () => {
    check(withAnswered, (history) => {
      const first = firstAnswered(history);
      const again = { ...first, sha256: 'another' };
      expect(judge({ ...history, operations: [...history.operations, again] }).duplicated).toEqual([
        first.id,
      ]);
    });
  });

  test.each<[string, (operation: Operation, stored: Stored) => [Operation, Stored]]>([
    [
      'a wrong label was answered',
      (operation, stored) => [
        { ...operation, end: { kind: 'ok', atMs: 0, answer: labelled('mop') } },
        stored,
      ],
    ],
    ['a wrong label was stored', (operation, stored) => [operation, { ...stored, answer: labelled('mop') }]],
    [
      'a wrong label was stored and answered',
      (operation, stored) => [
        { ...operation, end: { kind: 'ok', atMs: 0, answer: labelled('mop') } },
        { ...stored, answer: labelled('mop') },
      ],
    ],
    [
      'a good image was answered as a bad one',
      (operation, stored) => [
        { ...operation, end: { kind: 'ok', atMs: 0, answer: { kind: 'failed' } } },
        { ...stored, answer: { kind: 'failed' } },
      ],
    ],
  ])('sees that %s', (_what, plant) => {
    check(withAnswered, (history) => {
      const target = firstAnswered(history);
      const result = history.stored.find(({ id }) => id === target.id);
      if (result === undefined) throw new Error('a good history stores what it answers');
      const [operation, stored] = plant(target, result);
      const planted = {
        ...history,
        operations: history.operations.map((each) => (each.sha256 === target.sha256 ? operation : each)),
        stored: history.stored.map((each) => (each.id === target.id ? stored : each)),
      };
      expect(judge(planted).wrong).toEqual([target.id]);
    });
  });

  test('says of each operation that is amiss what was expected, answered and stored', () => {
    const operations: Operation[] = [
      {
        sha256: 'sha-0',
        id: 'id-0',
        invokedAtMs: 0,
        expected: labelled('tabby'),
        end: { kind: 'ok', atMs: 1, answer: { kind: 'failed', why: 'HTTP 500' } },
      },
      {
        sha256: 'sha-1',
        id: 'id-1',
        invokedAtMs: 0,
        expected: labelled('daisy'),
        end: { kind: 'info', atMs: 1, why: 'HTTP 504' },
      },
    ];
    const stored: Stored[] = [
      { id: 'id-0', sha256: 'sha-0', answer: { kind: 'failed', why: 'image-gone' }, storedAtMs: 2 },
    ];
    expect(judge({ operations, stored, faultsEndedAtMs: undefined }).accounts).toEqual([
      'id-0: expected tabby, answered failed (HTTP 500), stored failed (image-gone)',
      'id-1: expected daisy, answered nothing (HTTP 504), stored nothing',
    ]);
    check(goodHistory, (history) => {
      expect(judge(history).accounts).toEqual([]);
    });
  });

  test('sees an image that expired', () => {
    check(withAnswered, (history) => {
      const { id } = firstAnswered(history);
      const stored = history.stored.map(
        (each): Stored => (each.id === id ? { ...each, answer: { kind: 'expired' } } : each),
      );
      expect(judge({ ...history, stored }).expired).toEqual([id]);
    });
  });

  test('measures recovery by what was asked before the last fault ended', () => {
    const asked = (index: number, invokedAtMs: number, atMs: number): Operation => ({
      sha256: `sha-${index}`,
      id: `id-${index}`,
      invokedAtMs,
      expected: { kind: 'failed' },
      end: { kind: 'ok', atMs, answer: { kind: 'failed' } },
    });
    const operations = [asked(0, 0, 500), asked(1, 900, 4_000), asked(2, 2_000, 9_000)];
    expect(judge({ operations, stored: [], faultsEndedAtMs: 1_000 }).recoverySeconds).toBe(3);
  });

  test('takes percentiles by nearest rank', () => {
    // NIST/Wikipedia's example of the nearest-rank method.
    expect([0.05, 0.3, 0.4, 0.5, 1].map((rank) => percentile([15, 20, 35, 40, 50], rank))).toEqual([
      15, 20, 20, 35, 50,
    ]);
    expect(percentile([], 0.5)).toBe(0);
  });
});
