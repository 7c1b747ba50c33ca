import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeResult, imageKey, type JobResult } from '../../src/jobs/contract.ts';
import type { Answer, History, Operation, Stored } from './history.ts';
import type { Lab } from './lab.ts';
import { sha256Of } from './photos.ts';

const answerOf = (result: JobResult): Answer => {
  if (result.status === 'ok') return { kind: 'label', label: result.label ?? '' };
  if (result.status === 'expired') return { kind: 'expired' };
  return { kind: 'failed', why: JSON.stringify(result.error) };
};

/** A result that is not there this long after the load is lost. */
const lostAfterMs = 60_000;
/** A queue that stays empty for this long has nothing to give any more. */
const emptyForMs = 1_000;
const readsAtOnce = 16;

const inParallel = async <T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> => {
  const results: R[] = [];
  const queue = items.map((item, index) => ({ item, index }));
  const run = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      results[next.index] = await act(next.item);
  };
  await Promise.all(Array.from({ length: readsAtOnce }, run));
  return results;
};

/** Waits until the cluster has nothing left to do (or a minute has passed), and reads what it stored. */
export const settle = async (
  lab: Lab,
  operations: readonly Operation[],
  faultsEndedAtMs: number | undefined,
): Promise<History> => {
  const { s3, names } = lab.cluster;
  const storedAtMs = new Map<string, number>();
  const look = async () => {
    for (const { key, lastModifiedMs } of await s3.list(names.outputBucket, 'results/'))
      storedAtMs.set(path.basename(key, '.json'), lastModifiedMs - performance.timeOrigin);
  };
  const deadlineMs = performance.now() + lostAfterMs;
  for (let emptySinceMs: number | undefined; performance.now() < deadlineMs; await delay(100)) {
    const { visible, inFlight, delayed } = await lab.depth();
    if (visible + inFlight + delayed > 0) emptySinceMs = undefined;
    else emptySinceMs ??= performance.now();
    const waitsForLate = operations.some(({ end, id }) => end.kind === 'info' && id !== undefined);
    if (waitsForLate || emptySinceMs !== undefined) await look();
    if (emptySinceMs !== undefined && performance.now() - emptySinceMs > emptyForMs) break;
  }
  await look();
  const known = new Map(operations.flatMap(({ id, sha256 }) => (id === undefined ? [] : [[id, sha256]])));
  const stored = await inParallel([...storedAtMs], async ([id, atMs]): Promise<Stored[]> => {
    const decoded = decodeResult((await s3.get(names.outputBucket, `results/${id}.json`))?.toString() ?? '');
    if (decoded.kind !== 'ok')
      return [
        {
          id,
          sha256: undefined,
          answer: { kind: 'failed', why: 'no result that can be read' },
          storedAtMs: atMs,
        },
      ];
    // Of an operation whose answer never arrived only the image tells which it was.
    const image = known.has(id) ? undefined : await s3.get(names.inputBucket, imageKey(id));
    const sha256 = known.get(id) ?? (image && sha256Of(image));
    return [{ id, sha256, answer: answerOf(decoded.value), storedAtMs: atMs }];
  });
  return { operations, stored: stored.flat(), faultsEndedAtMs };
};
