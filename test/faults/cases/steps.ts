import { setTimeout as delay } from 'node:timers/promises';
import { type Lab, urlOf } from '../lab.ts';
import { startLoad } from '../load.ts';
import { type Answered, type Call, openTap, type Tap } from '../tap.ts';
import { atMost, conclude, deadLetters, equals, type FaultTest } from '../trial.ts';

/** A moment in a job at which its worker dies. */
interface Step {
  readonly name: string;
  /** Whether this answer of the cloud is the moment; the worker never sees it. */
  readonly at: (call: Call, answered: Answered) => boolean;
  /** The worker sees the answer and dies this much later. */
  readonly laterMs?: number;
  /** Only redelivered messages have this step, so another worker dies first. */
  readonly redelivered?: boolean;
}

const hasMessages = ({ body }: Answered): boolean => body.includes('"ReceiptHandle"');
const isRead = ({ operation, key }: Call, prefix: string): boolean =>
  operation === 's3:GetObject' && key.startsWith(prefix);

const received: Step = {
  name: 'received',
  at: ({ operation }, answered) => operation === 'sqs:ReceiveMessage' && hasMessages(answered),
};

const steps: readonly Step[] = [
  received,
  { name: 'looked for a result', at: (call) => isRead(call, 'results/'), redelivered: true },
  { name: 'fetched', at: (call, { status }) => isRead(call, 'images/') && status === 200 },
  { name: 'classifying', at: (call, { status }) => isRead(call, 'images/') && status === 200, laterMs: 6 },
  {
    name: 'stored',
    at: ({ operation, key }) => operation === 's3:PutObject' && key.startsWith('results/'),
  },
  { name: 'replied', at: ({ operation }) => operation.startsWith('sqs:SendMessage') },
  { name: 'deleted', at: ({ operation }) => operation.startsWith('sqs:DeleteMessage') },
];

/** Starts a worker that dies at the `nth` time that it comes to a step. Resolves when it is dead. */
const dieAt = async (lab: Lab, tap: Tap, step: Step, nth: number): Promise<void> => {
  let seen = 0;
  const worker = lab.launchWorker({ via: tap });
  tap.hook({
    onAnswer: async (call, answered) => {
      if (!step.at(call, answered) || ++seen !== nth) return undefined;
      if (step.laterMs === undefined) {
        worker.signal('SIGKILL');
        return 'drop';
      }
      void delay(step.laterMs).then(() => worker.signal('SIGKILL'));
      return undefined;
    },
  });
  await Promise.race([
    worker.ended,
    delay(60_000).then(() => {
      throw new Error(`the worker did not come to "${step.name}"`);
    }),
  ]);
};

const crashAtEachStep: FaultTest = {
  name: 'F2',
  title: 'SIGKILL of the worker at each of its 7 steps',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 3 });
    const tap = await openTap(lab.endpoint);
    trial.atEnd(tap.close);
    const url = await urlOf(await lab.startWeb());
    const jobs = trial.pick(6, 100);
    let startedAt = 0;
    const load = startLoad({
      urls: () => [url],
      photos: trial.photos,
      count: jobs * steps.length,
      // One step's jobs at a time.
      concurrency: jobs,
    });
    let lastDeathAtMs = 0;
    for (const step of steps) {
      if (step.redelivered) await dieAt(lab, tap, received, 1);
      // Jobs before the fatal one may be done by then, not all of them.
      await dieAt(lab, tap, step, 1 + trial.random.below(step.redelivered ? 1 : trial.pick(1, 4)));
      lastDeathAtMs = performance.now();
      tap.hook({});
      const worker = await lab.startWorker({ via: tap });
      startedAt += jobs;
      await load.reaches(startedAt);
      worker.signal('SIGTERM');
      await worker.ended;
    }
    // What was begun after the last step was counted.
    await lab.startWorker({ via: tap });
    await load.done;
    const most = (counts: ReadonlyMap<string, number>, prefix: string) =>
      Math.max(0, ...[...counts].filter(([key]) => key.startsWith(prefix)).map(([, count]) => count));
    return conclude(lab, load.operations, lastDeathAtMs, async ({ acked }) => [
      equals('acked', acked, jobs * steps.length),
      atMost('writes of one result', most(tap.writes, 'results/'), 1),
      atMost('reads of one image', most(tap.reads, 'images/'), 2),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

export const stepTests: readonly FaultTest[] = [crashAtEachStep];
