import type { Clock } from '../clock.ts';
import type { ImageHeader } from '../image/inspect.ts';
import { ClassifierFailure } from './classification.ts';
import type { ClassifierProcess, ProcessEvents } from './process.ts';
import type { ClassifierAnswer, ClassifierReply } from './protocol.ts';

/** An image in the pool's hands. */
export interface Job {
  readonly bytes: Uint8Array;
  readonly header: ImageHeader;
  readonly topK: number;
  /** No other image is in a classifier with it. */
  alone: boolean;
  /** Nobody waits for the answer any more. */
  readonly settled: boolean;
  answer(answer: ClassifierAnswer): void;
  reject(error: unknown): void;
}

/** One place for a classifier process; a process that goes is replaced by another in the same slot. */
export interface Slot {
  readonly pid: number | undefined;
  readonly isReady: boolean;
  /** Images that its process has and has not answered. */
  readonly load: number;
  /** Whether it may be sent this job now. */
  takes(job: Job): boolean;
  send(job: Job): void;
  /** Rejects what is not answered and kills the process; resolves when it has gone. */
  close(error: unknown): Promise<void>;
}

export interface SlotEvents {
  onReady(): void;
  onUnusable(message: string): void;
  /** Jobs that its process had and has not begun, in their order: others may have them. */
  onTakenBack(jobs: readonly Job[]): void;
  /** It may take more. */
  onRoom(): void;
  /**
   * Its process has gone.
   * @param wasReady false when it never had its model open
   * @returns milliseconds until the next is started, undefined for none
   */
  onGone(how: string, wasReady: boolean): number | undefined;
}

interface SlotOptions {
  readonly start: (events: ProcessEvents) => ClassifierProcess;
  readonly jobTimeoutMs: number;
  readonly clock: Clock;
}

interface Sent {
  readonly id: number;
  readonly job: Job;
}

/** From here on an image counts as slow, and what waits behind it goes to another classifier. */
const slowMs = 500;
/** Opening the default model takes 0.3 s on an idle core; a small loaded machine may need many times that. */
const startTimeoutMs = 60_000;

/** Starts a classifier process, and another whenever it goes, until it is closed. */
export const createSlot = ({ start, jobTimeoutMs, clock }: SlotOptions, events: SlotEvents): Slot => {
  let process: ClassifierProcess | undefined;
  let isReady = false;
  let closed = false;
  /** It was killed for taking too long. */
  let overdue = false;
  /** What runs takes so long that nothing is sent ahead. */
  let slow = false;
  /** As many as go through the model at once, and as many again, so that the process never waits for this one. */
  let most = 2;
  let sent: readonly Sent[] = [];
  let sequence = 0;
  let lastBegun = -1;
  let stopTimer = () => {};

  /** Calls `act` after `ms` unless the timer is set or stopped before. */
  const after = (ms: number, act: () => void): void => {
    stopTimer();
    const cancelled = new AbortController();
    void clock.sleep(ms, cancelled.signal).then(() => {
      if (!cancelled.signal.aborted) act();
    });
    stopTimer = () => cancelled.abort();
  };

  const kill = (): void => {
    overdue = true;
    void process?.kill();
  };

  /** The image that is worked on: the last that was begun, or the next to be. */
  const current = (): Sent | undefined => sent.findLast(({ id }) => id <= lastBegun) ?? sent[0];

  /** Takes back what was not begun. Should it have been, an answer of this process is nobody's. */
  const takeBack = (): void => {
    const kept = current();
    const back = sent.filter((each) => each !== kept && each.id > lastBegun);
    if (back.length === 0) return;
    sent = sent.filter((each) => !back.includes(each));
    for (const { id } of back) process?.send({ kind: 'recall', id });
    events.onTakenBack(back.map(({ job }) => job));
  };

  /** The time of what is worked on starts now. */
  const watch = (): void => {
    slow = false;
    stopTimer();
    if (sent.length === 0) return;
    const firstMs = Math.min(slowMs, jobTimeoutMs);
    after(firstMs, () => {
      slow = true;
      after(jobTimeoutMs - firstMs, kill);
      takeBack();
    });
  };

  const onReply = (reply: ClassifierReply): void => {
    if (reply.kind === 'ready') {
      isReady = true;
      most = 2 * reply.batch;
      stopTimer();
      events.onReady();
    } else if (reply.kind === 'unusable') {
      events.onUnusable(reply.message);
    } else if (reply.kind === 'began') {
      lastBegun = reply.id;
      watch();
    } else {
      for (const answer of reply.answers) {
        const answered = sent.find(({ id }) => id === answer.id);
        sent = sent.filter((each) => each !== answered);
        answered?.job.answer(answer);
      }
      watch();
      events.onRoom();
    }
  };

  const failure = (how: string) =>
    overdue
      ? new ClassifierFailure('timed-out', `the image took more than ${jobTimeoutMs} ms to classify`)
      : new ClassifierFailure('crashed', `the classifier died while it worked on the image (${how})`);

  const onGone = (how: string): void => {
    const wasReady = isReady;
    const culprit = current();
    // What was begun before it waited to be inferred, and is hardly to blame. Alone the next time, it would take the blame itself:
    // otherwise an image that kills the model could go on killing batches at the cost of the last in each.
    const innocent = sent.filter((each) => each !== culprit);
    for (const { id, job } of innocent) if (id <= lastBegun) job.alone = true;
    const reason = failure(how);
    stopTimer();
    isReady = false;
    process = undefined;
    sent = [];
    culprit?.job.reject(reason);
    events.onTakenBack(innocent.map(({ job }) => job));
    if (closed) return;
    const pauseMs = events.onGone(how, wasReady);
    if (pauseMs === 0) begin();
    else if (pauseMs !== undefined) after(pauseMs, begin);
    events.onRoom();
  };

  const begin = (): void => {
    if (closed) return;
    overdue = false;
    lastBegun = -1;
    process = start({ onReply, onGone });
    after(startTimeoutMs, kill);
  };
  begin();

  return {
    get pid() {
      return process?.pid;
    },
    get isReady() {
      return isReady;
    },
    get load() {
      return sent.length;
    },
    takes: (job) => {
      if (!isReady || overdue || closed) return false;
      if (sent.length === 0) return true;
      return !job.alone && !slow && sent.length < most && !sent[0]?.job.alone;
    },
    send: (job) => {
      const { bytes, header, topK } = job;
      const id = sequence++;
      sent = [...sent, { id, job }];
      process?.send({ kind: 'classify', id, bytes, header, topK });
      if (sent.length === 1) watch();
    },
    close: async (error) => {
      closed = true;
      stopTimer();
      for (const { job } of sent) job.reject(error);
      sent = [];
      await process?.kill();
    },
  };
};
