import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import { invalidParameter } from './errors.ts';
import type { NamedQueue, Queues } from './queues.ts';

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html */
type Status = 'RUNNING' | 'COMPLETED' | 'CANCELLED' | 'FAILED';

interface MoveTask {
  readonly handle: string;
  readonly source: NamedQueue;
  readonly destination: NamedQueue | undefined;
  readonly perSecond: number | undefined;
  /** Wall clock, milliseconds. */
  readonly startedMs: number;
  readonly toMove: number;
  readonly stop: AbortController;
  moved: number;
  status: Status;
  failure: string | undefined;
}

/** What one step of an unthrottled task moves, so that other requests come in between. */
const burst = 100;
const stepMs = 20;
/** AWS shows at most ten of them. */
const remembered = 10;

const notFound = (): Refusal =>
  new Refusal('ResourceNotFoundException', 'The resource that you specified does not exist.', 404);

/**
 * Redrive of dead-letter queues: messages go back to the queue that each came from, or all to one destination, as new
 * messages. Tasks are not written down: a restart of the cloud ends them, and what they had not moved stays.
 */
export const createMoveTasks = ({ queues, clock }: { readonly queues: Queues; readonly clock: Clock }) => {
  const tasks: MoveTask[] = [];

  const queueOf = (arn: string): NamedQueue => {
    const named = queues.find(arn.split(':').at(-1) ?? '');
    if (named?.arn !== arn) throw notFound();
    return named;
  };

  /** Moves one message. @returns false when there is none */
  const moveOne = (task: MoveTask): boolean => {
    const message = task.source.queue.peekReady();
    if (!message) return false;
    const target =
      task.destination ?? (message.movedFrom === undefined ? undefined : queues.find(message.movedFrom));
    if (!target) {
      task.status = 'FAILED';
      task.failure = 'CouldNotDetermineMessageSource';
      return false;
    }
    task.source.queue.redrive(message.id, target.queue, target.name);
    task.moved++;
    return true;
  };

  const carryOut = async (task: MoveTask): Promise<void> => {
    const { signal } = task.stop;
    for (let next = 0; task.moved < task.toMove && !signal.aborted; next++) {
      if (task.perSecond !== undefined && next > 0) await clock.sleep(1000 / task.perSecond, signal);
      else if (next % burst === burst - 1) await clock.sleep(stepMs, signal);
      if (signal.aborted || !moveOne(task)) break;
    }
    if (task.status === 'RUNNING' && !signal.aborted) task.status = 'COMPLETED';
  };

  return {
    start: (sourceArn: string, destinationArn: string | undefined, perSecond: number | undefined) => {
      const source = queueOf(sourceArn);
      const destination = destinationArn === undefined ? undefined : queueOf(destinationArn);
      if (queues.sourcesOf(source).length === 0)
        throw invalidParameter('Source queue must be configured as a Dead Letter Queue.');
      if (destination === source) throw invalidParameter('Source and destination must be different queues.');
      if (tasks.some((task) => task.source === source && task.status === 'RUNNING'))
        throw invalidParameter(
          'There is already a task running. Only one active task is allowed for a source queue arn at a given time.',
        );
      const taskId = randomUUID();
      const task: MoveTask = {
        handle: Buffer.from(JSON.stringify({ taskId, sourceArn })).toString('base64'),
        source,
        destination,
        perSecond,
        startedMs: clock.wallMs(),
        toMove: source.queue.counts().visible,
        stop: new AbortController(),
        moved: 0,
        status: 'RUNNING',
        failure: undefined,
      };
      tasks.unshift(task);
      const old = tasks.filter((each) => each.source === source).slice(remembered);
      for (const each of old) tasks.splice(tasks.indexOf(each), 1);
      carryOut(task).catch((error: unknown) => {
        task.status = 'FAILED';
        task.failure = String(error);
      });
      return { TaskHandle: task.handle };
    },

    cancel: (handle: string) => {
      const task = tasks.find((each) => each.handle === handle);
      if (!task) throw notFound();
      if (task.status !== 'RUNNING')
        throw new Refusal('UnsupportedOperation', 'Only active tasks can be cancelled.');
      task.status = 'CANCELLED';
      task.stop.abort();
      return { ApproximateNumberOfMessagesMoved: task.moved };
    },

    list: (sourceArn: string, max: number) => {
      const source = queueOf(sourceArn);
      const results = tasks.filter((task) => task.source === source).slice(0, max);
      return {
        Results: results.map((task) => ({
          ...(task.status === 'RUNNING' && { TaskHandle: task.handle }),
          Status: task.status,
          SourceArn: task.source.arn,
          ...(task.destination && { DestinationArn: task.destination.arn }),
          ...(task.perSecond !== undefined && { MaxNumberOfMessagesPerSecond: task.perSecond }),
          ApproximateNumberOfMessagesMoved: task.moved,
          ...(task.status === 'RUNNING' && { ApproximateNumberOfMessagesToMove: task.toMove }),
          ...(task.failure !== undefined && { FailureReason: task.failure }),
          StartedTimestamp: task.startedMs,
        })),
      };
    },

    close: () => {
      for (const task of tasks) task.stop.abort();
    },
  };
};

export type MoveTasks = ReturnType<typeof createMoveTasks>;
