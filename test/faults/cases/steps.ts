import { setTimeout as delay } from 'node:timers/promises';
import type { Answered } from '../../fixtures/forwarder.ts';
import type { Operation } from '../history.ts';
import { type Lab, urlOf } from '../lab.ts';
import { startLoad } from '../load.ts';
import type { Part } from '../parts.ts';
import { type Call, openTap, type Tap } from '../tap.ts';
import { atMost, conclude, deadLetters, equals, type FaultTest, type Trial } from '../trial.ts';

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

/** A worker that gets no message until it is let go. */
interface Successor {
  readonly worker: Part;
  readonly tap: Tap;
}

const nothingYet: Answered = {
  status: 200,
  headers: { 'content-type': 'application/x-amz-json-1.0' },
  body: Buffer.from('{}'),
};
const holdMs = 100;

/** The next worker is started while the one before is still at work: starting takes longer than all else in this test. */
const prepare = async (trial: Trial, lab: Lab): Promise<Successor> => {
  const tap = await openTap(lab.endpoint, {
    onCall: async ({ operation }) => {
      if (operation !== 'sqs:ReceiveMessage') return undefined;
      await delay(holdMs);
      return nothingYet;
    },
  });
  trial.atEnd(tap.close);
  return { worker: await lab.startWorker({ via: tap }), tap };
};

/** Lets a worker go until it comes to a step for the `nth` time. Resolves when it is dead. */
const dieAt = async ({ worker, tap }: Successor, step: Step, nth: number): Promise<void> => {
  let seen = 0;
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
  const over = new AbortController();
  await Promise.race([
    worker.ended,
    delay(60_000, undefined, { signal: over.signal }).then(() => {
      throw new Error(`the worker did not come to "${step.name}"`);
    }),
  ]).finally(() => over.abort());
};

const crashAtEachStep: FaultTest = {
  name: 'F2',
  title: 'SIGKILL of the worker at each of its 7 steps',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 3 });
    const taps: Tap[] = [];
    const next = async () => {
      const successor = await prepare(trial, lab);
      taps.push(successor.tap);
      return successor;
    };
    const web = await lab.startWeb();
    const url = await urlOf(web);
    const jobs = trial.pick(6, 100);
    const operations: Operation[] = [];
    let lastDeathAtMs = 0;
    let victim = await next();
    for (const step of steps) {
      const begin = () =>
        startLoad({ urls: () => [url], photos: trial.photos, count: jobs, concurrency: 16 });
      let load: ReturnType<typeof startLoad>;
      // Every worker is armed before there is work: one that was let go would do it all.
      if (step.redelivered) {
        const [first, second] = await Promise.all([next(), next()]);
        const dead = dieAt(victim, received, 1);
        load = begin();
        await dead;
        await dieAt(first, step, 1);
        victim = second;
      } else {
        // Jobs before the fatal one may be done by then, not all of them.
        const dead = dieAt(victim, step, 1 + trial.random.below(trial.pick(1, 4)));
        load = begin();
        const succeeding = next();
        await dead;
        victim = await succeeding;
      }
      lastDeathAtMs = performance.now();
      victim.tap.hook({});
      await load.done;
      operations.push(...load.operations);
    }
    const sum = new Map<string, number>();
    const add = (counts: ReadonlyMap<string, number>, prefix: string) => {
      for (const [key, count] of counts)
        if (key.startsWith(prefix)) sum.set(key, (sum.get(key) ?? 0) + count);
    };
    for (const { reads, writes } of taps) {
      add(reads, 'images/');
      add(writes, 'results/');
    }
    const most = (prefix: string) =>
      Math.max(0, ...[...sum].filter(([key]) => key.startsWith(prefix)).map(([, count]) => count));
    return conclude(lab, operations, lastDeathAtMs, async ({ acked }) => [
      equals('acked', acked, jobs * steps.length),
      atMost('writes of one result', most('results/'), 1),
      atMost('executions of one job', most('images/'), 2),
      equals('dead letters', await deadLetters(lab), 0),
    ]);
  },
};

export const stepTests: readonly FaultTest[] = [crashAtEachStep];
