import { expect, test } from 'vitest';
import type { ProcessEvents } from './process.ts';
import type { ClassifierReply, ClassifierRequest } from './protocol.ts';
import { createSlot, type Job } from './slot.ts';

/** A classifier process that does only what the test says, and a clock that the test moves. */
const createStage = (jobTimeoutMs = 10_000) => {
  const processes: { events: ProcessEvents; requests: ClassifierRequest[]; killed: boolean }[] = [];
  const timers = new Set<{ ms: number; ring: () => void }>();
  const takenBack: string[][] = [];
  const names = new Map<Job, string>();
  const ends: string[] = [];
  const slot = createSlot(
    {
      jobTimeoutMs,
      clock: {
        monotonicMs: () => 0,
        wallMs: () => 0,
        sleep: (ms, signal) =>
          new Promise<void>((resolve) => {
            const timer = { ms, ring: resolve };
            timers.add(timer);
            signal?.addEventListener('abort', () => timers.delete(timer));
          }),
      },
      start: (events) => {
        const process = { events, requests: [] as ClassifierRequest[], killed: false };
        processes.push(process);
        return {
          pid: processes.length,
          send: (request) => void process.requests.push(request),
          kill: async () => {
            process.killed = true;
          },
        };
      },
    },
    {
      onReady: () => {},
      onUnusable: () => {},
      onRoom: () => {},
      onTakenBack: (jobs) => void takenBack.push(jobs.map((job) => names.get(job) ?? '?')),
      onGone: () => 0,
    },
  );
  const latest = () => {
    const process = processes.at(-1);
    if (process === undefined) throw new Error('nothing was started');
    return process;
  };
  return {
    slot,
    takenBack,
    ends,
    jobs: () => [...names.keys()],
    process: latest,
    reply: (reply: ClassifierReply) => latest().events.onReply(reply),
    job: (name: string, alone = false): Job => {
      const job: Job = {
        bytes: new Uint8Array(),
        header: { type: 'jpeg', mediaType: 'image/jpeg', width: 1, height: 1 },
        topK: 1,
        alone,
        settled: false,
        answer: () => void ends.push(`${name} answered`),
        reject: (error) => void ends.push(`${name} ${(error as { kind?: string }).kind}`),
      };
      names.set(job, name);
      return job;
    },
    /** Lets the one timer that runs ring. */
    ring: async () => {
      const [timer] = timers;
      timers.clear();
      timer?.ring();
      await Promise.resolve();
      await Promise.resolve();
      return timer?.ms;
    },
  };
};

const answered = (...ids: readonly number[]): ClassifierReply => ({
  kind: 'answers',
  answers: ids.map((id) => ({
    kind: 'classified',
    id,
    top: [],
    timings: { decodeMs: 1, resizeMs: 1, inferMs: 1 },
  })),
});

/** A ready slot whose process has the images a, b, c and d, as 0 to 3. */
const withFour = () => {
  const stage = createStage();
  stage.reply({ kind: 'ready', batch: 4 });
  for (const name of ['a', 'b', 'c', 'd']) stage.slot.send(stage.job(name));
  return stage;
};

test('takes twice as many as go through the model at once', () => {
  const { slot, job, reply } = createStage();
  expect(slot.takes(job('early'))).toBe(false);
  reply({ kind: 'ready', batch: 2 });
  for (const name of ['a', 'b', 'c', 'd']) {
    expect(slot.takes(job(name))).toBe(true);
    slot.send(job(name));
  }
  expect(slot.takes(job('e'))).toBe(false);
  reply({ kind: 'began', id: 0 });
  expect(slot.takes(job('e'))).toBe(false);
  reply(answered(0));
  expect(slot.takes(job('e'))).toBe(true);
});

test('takes one that must be alone only when it is idle, and then nothing else', () => {
  const { slot, job, reply } = createStage();
  reply({ kind: 'ready', batch: 4 });
  slot.send(job('a'));
  expect(slot.takes(job('suspect', true))).toBe(false);
  reply(answered(0));
  expect(slot.takes(job('suspect', true))).toBe(true);
  slot.send(job('suspect', true));
  expect(slot.takes(job('b'))).toBe(false);
});

test('blames the image that was begun last when the process dies, and takes all others back', () => {
  const { process, reply, takenBack, ends } = withFour();
  reply({ kind: 'began', id: 0 });
  reply({ kind: 'began', id: 1 });
  process().events.onGone('signal SIGSEGV');
  expect(ends).toEqual(['b crashed']);
  expect(takenBack).toEqual([['a', 'c', 'd']]);
});

test('gives those that were begun with it a classifier each', () => {
  const { process, reply, jobs } = withFour();
  reply({ kind: 'began', id: 0 });
  reply({ kind: 'began', id: 1 });
  process().events.onGone('signal SIGSEGV');
  expect(jobs().map(({ alone }) => alone)).toEqual([true, false, false, false]);
});

test('blames the next image when the process dies between two', () => {
  const { process, reply, takenBack, ends } = withFour();
  reply({ kind: 'began', id: 0 });
  reply(answered(0));
  process().events.onGone('signal SIGKILL');
  expect(ends).toEqual(['a answered', 'b crashed']);
  expect(takenBack).toEqual([['c', 'd']]);
});

test('takes back what was not begun as soon as an image is slow, and kills the process at the time-out', async () => {
  const { slot, process, reply, takenBack, ends, ring, job } = withFour();
  reply({ kind: 'began', id: 0 });
  reply({ kind: 'began', id: 1 });
  expect(await ring()).toBe(500);
  expect(takenBack).toEqual([['c', 'd']]);
  expect(process().requests.slice(-2)).toEqual([
    { kind: 'recall', id: 2 },
    { kind: 'recall', id: 3 },
  ]);
  expect(slot.takes(job('e'))).toBe(false);
  expect(await ring()).toBe(9_500);
  expect(process().killed).toBe(true);
  process().events.onGone('signal SIGKILL');
  expect(ends).toEqual(['b timed-out']);
  expect(takenBack).toEqual([['c', 'd'], ['a']]);
});

test('gives an image that is begun its own time', async () => {
  const { reply, ring, process } = withFour();
  reply({ kind: 'began', id: 0 });
  await ring();
  reply({ kind: 'began', id: 1 });
  expect(await ring()).toBe(500);
  expect(process().killed).toBe(false);
});

test('has no use for an answer about an image that was taken back', async () => {
  const { reply, ring, ends, slot } = withFour();
  reply({ kind: 'began', id: 0 });
  await ring();
  reply(answered(0, 1));
  expect(ends).toEqual(['a answered']);
  expect(slot.load).toBe(0);
});

test('starts another process when one goes, unless it is closed', async () => {
  const { slot, process, reply, ends, job } = withFour();
  process().events.onGone('exit code 1');
  expect(slot.pid).toBe(2);
  reply({ kind: 'ready', batch: 1 });
  slot.send(job('e'));
  const closing = slot.close(Object.assign(new Error('closed'), { kind: 'closed' }));
  process().events.onGone('signal SIGKILL');
  await closing;
  expect(ends).toEqual(['a crashed', 'e closed']);
  expect(slot.pid).toBeUndefined();
});
