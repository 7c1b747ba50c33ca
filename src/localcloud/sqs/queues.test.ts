import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../clock.ts';
import { type Journal, openJournal } from '../journal.ts';
import { createMoveTasks } from './move-tasks.ts';
import { createQueues } from './queues.ts';

let folder = '';
let file = '';
const open: (() => void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'imgrec-queues-'));
  file = path.join(folder, 'journal.jsonl');
});
afterEach(() => {
  for (const close of open.splice(0)) close();
  rmSync(folder, { recursive: true, force: true });
});

/** The queues of the journal, as a start of the cloud finds them. */
const start = (compactBytes = 1_000_000) => {
  let journal: Journal | undefined;
  const queues = createQueues({
    clock: systemClock,
    journal: () => {
      if (!journal) throw new Error('not open');
      return journal;
    },
    region: 'us-east-1',
    account: '000000000000',
  });
  journal = openJournal({ file, replay: queues.replay, snapshot: queues.snapshot, compactBytes });
  open.push(queues.close, journal.close);
  return queues;
};

type Opened = ReturnType<typeof start>;

const send = (queues: Opened, name: string, body: string): void =>
  queues.get(name).queue.send({ id: body, body, bodyMd5: '', sentMs: Date.now(), delaySeconds: 0 });

const receive = async (queues: Opened, name: string, visibilitySeconds = 30) =>
  queues.get(name).queue.receive({ max: 10, visibilitySeconds, waitSeconds: 0 });

const bodies = async (queues: Opened, name: string) =>
  (await receive(queues, name)).map(({ message }) => message.body);

const withDeadLetters = async (): Promise<Opened> => {
  const queues = start();
  queues.create('dead', {}, {});
  const policy = { deadLetterTargetArn: queues.arnOf('dead'), maxReceiveCount: 1 };
  queues.create('main', { RedrivePolicy: JSON.stringify(policy) }, {});
  send(queues, 'main', 'x');
  await receive(queues, 'main', 0);
  expect(await receive(queues, 'main')).toEqual([]);
  return queues;
};

test('the journal of a queue through which thousands of messages go stays small, and keeps the one left', async () => {
  const queues = start(20_000);
  queues.create('q', {}, {});
  send(queues, 'q', 'left');
  let largest = 0;
  for (let n = 0; n < 2_000; n++) {
    send(queues, 'q', `message ${n}`);
    for (const { message, receiveCount } of await receive(queues, 'q', 0))
      if (message.body !== 'left') queues.get('q').queue.remove(message.id, receiveCount);
    // Compaction waits until the entry that made it due has been applied.
    if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    largest = Math.max(largest, statSync(file).size);
  }
  expect(largest).toBeLessThan(30_000);
  const [left] = await receive(start(), 'q');
  expect(left).toMatchObject({ message: { body: 'left' }, receiveCount: 2_001 });
});

test('a purge, tags taken away and the source of a dead letter survive a restart', async () => {
  const queues = await withDeadLetters();
  queues.create('purged', {}, { a: '1', b: '2' });
  send(queues, 'purged', 'gone');
  queues.purge('purged');
  send(queues, 'purged', 'new');
  queues.removeTags('purged', ['a']);
  const again = start();
  expect(await bodies(again, 'purged')).toEqual(['new']);
  expect(again.get('purged').tags).toEqual({ b: '2' });
  expect((await receive(again, 'dead'))[0]?.message.movedFrom).toBe('main');
  const compacted = start();
  expect((await receive(compacted, 'dead'))[0]?.message.movedFrom).toBe('main');
});

test('a redriven message is a new one, and after a restart it is in one queue only', async () => {
  const queues = await withDeadLetters();
  const tasks = createMoveTasks({ queues, clock: systemClock });
  tasks.start(queues.arnOf('dead'), undefined, undefined);
  expect(tasks.list(queues.arnOf('dead'), 1).Results).toMatchObject([
    { Status: 'COMPLETED', ApproximateNumberOfMessagesMoved: 1 },
  ]);
  const again = start();
  expect(await bodies(again, 'dead')).toEqual([]);
  const [back] = await receive(again, 'main');
  expect(back).toMatchObject({ message: { body: 'x' }, receiveCount: 1 });
  expect(back?.message.id).not.toBe('x');
});

test('a move task ends as failed at a message that nobody moved to the dead-letter queue', async () => {
  const queues = await withDeadLetters();
  await receive(queues, 'dead', 0);
  send(queues, 'dead', 'sent here');
  const tasks = createMoveTasks({ queues, clock: systemClock });
  tasks.start(queues.arnOf('dead'), undefined, undefined);
  expect(tasks.list(queues.arnOf('dead'), 1).Results).toMatchObject([
    { Status: 'FAILED', FailureReason: 'CouldNotDetermineMessageSource' },
  ]);
  expect(await bodies(queues, 'dead')).toEqual(['sent here']);
});
