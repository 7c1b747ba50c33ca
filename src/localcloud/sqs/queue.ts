import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Content, Message, Received } from './message.ts';
import { createSchedule } from './schedule.ts';

export interface QueueSettings {
  readonly visibilitySeconds: number;
  readonly retentionSeconds: number;
  readonly redrive?: { readonly maxReceives: number; readonly queueName: string };
}

/** What is written down before it happens. Visibility is not: after a restart every message in flight is visible again. */
export type QueueEvent =
  | { readonly kind: 'send'; readonly message: Message }
  | { readonly kind: 'receive'; readonly ids: readonly string[]; readonly atMs: number }
  | { readonly kind: 'delete'; readonly id: string }
  | { readonly kind: 'move'; readonly id: string; readonly to: string }
  | { readonly kind: 'redrive'; readonly id: string; readonly to: string; readonly message: Message }
  | { readonly kind: 'purge' };

export interface QueueOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly settings: () => QueueSettings;
  /** Writes the event down; when it throws, nothing happened. */
  readonly record: (event: QueueEvent) => void;
  /** The dead-letter queue of that name, if it exists. */
  readonly queueNamed: (name: string) => Queue | undefined;
}

export interface ReceiveRequest {
  /** 1 to 10. */
  readonly max: number;
  readonly visibilitySeconds: number;
  /** 0 = short poll. */
  readonly waitSeconds: number;
  /** Aborted when the receiver's connection closes: its poll then takes no message any more. Asked for only if the poll waits. */
  readonly signal?: () => AbortSignal;
}

export type VisibilityOutcome = 'changed' | 'missing' | 'not-in-flight' | 'beyond-limit';

export interface Queue {
  send(content: Content): void;
  receive(request: ReceiveRequest): Promise<readonly Received[]>;
  /** Deletes the message if this receive is its latest one; else does nothing, as AWS documents for old handles. */
  remove(id: string, receiveCount: number): void;
  changeVisibility(id: string, receiveCount: number, seconds: number): VisibilityOutcome;
  counts(): { readonly visible: number; readonly inFlight: number; readonly delayed: number };
  /** Deletes every message, in flight or not. */
  purge(): void;
  /** The message that would be received next. */
  peekReady(): Message | undefined;
  /** Sends a message on to another queue as a new one, with an id, an age and counts of its own. */
  redrive(id: string, target: Queue, targetName: string): void;
  /** Puts in a message from the journal or from another queue; writes nothing down. */
  accept(message: Message): void;
  /** What a purge does; writes nothing down. */
  forgetAll(): void;
  /** Takes a message out; writes nothing down. */
  take(id: string): Message | undefined;
  /** Counts a receive that the journal tells of; the message stays visible. */
  countReceive(id: string, atMs: number): void;
  messages(): Iterable<Message>;
  /** Ends every waiting poll with no messages. */
  close(): void;
}

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html */
const maxVisibilityMs = 43_200_000;
const sweepEveryMs = 1_000;

const countReceive = (message: Message, atMs: number): void => {
  message.receiveCount++;
  message.receivesHere++;
  message.firstReceivedMs ??= atMs;
};

/** Field by field: every message goes through here, and copying an object of unknown shape costs several times as much. */
const newMessage = (content: Content, nowMs: number): Message => {
  const { id, body, bodyMd5, sentMs, delaySeconds, attributes } = content;
  const message: Message = {
    id,
    body,
    bodyMd5,
    sentMs,
    delaySeconds,
    receiveCount: 0,
    receivesHere: 0,
    firstReceivedMs: undefined,
    state: delaySeconds > 0 ? 'delayed' : 'ready',
    dueMs: nowMs + delaySeconds * 1000,
    receivedMs: 0,
    enqueuedMs: nowMs,
  };
  return attributes ? { ...message, attributes } : message;
};

interface Waiter {
  readonly request: ReceiveRequest;
  readonly deadlineMs: number;
  readonly resolve: (received: readonly Received[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One standard queue as a state machine: ready, delayed and in-flight messages and the polls that wait for one.
 * Visibility, delays and retention run on the monotonic clock, so a step of the wall clock neither loses nor doubles.
 */
export const createQueue = (options: QueueOptions): Queue => {
  const { clock, record } = options;
  const messages = new Map<string, Message>();
  const ready = new Set<Message>();
  const delayed = new Set<Message>();
  const hidden = createSchedule<Message>(
    (message, dueMs) =>
      message.state !== 'ready' && message.dueMs === dueMs && messages.get(message.id) === message,
  );
  const waiters = new Set<Waiter>();
  let alarm: { readonly dueMs: number; readonly cancel: AbortController } | undefined;
  let sweptMs = Number.NEGATIVE_INFINITY;

  const makeReady = (message: Message): void => {
    message.state = 'ready';
    delayed.delete(message);
    ready.add(message);
  };

  const hide = (message: Message, state: 'delayed' | 'in-flight', dueMs: number): void => {
    message.state = state;
    message.dueMs = dueMs;
    ready.delete(message);
    if (state === 'delayed') delayed.add(message);
    hidden.add(dueMs, message);
  };

  const forget = (message: Message): void => {
    messages.delete(message.id);
    ready.delete(message);
    delayed.delete(message);
  };

  /** Retention at a coarse grain: a full look at the queue, at most once a second, costs less than keeping an order. */
  const sweepExpired = (nowMs: number): void => {
    if (nowMs - sweptMs < sweepEveryMs) return;
    sweptMs = nowMs;
    const oldestMs = nowMs - options.settings().retentionSeconds * 1000;
    for (const message of messages.values()) if (message.enqueuedMs < oldestMs) forget(message);
  };

  const advance = (nowMs: number): void => {
    for (let next = hidden.peek(); next !== undefined && next.dueMs <= nowMs; next = hidden.peek()) {
      hidden.pop();
      makeReady(next.item);
    }
    sweepExpired(nowMs);
  };

  const moveTo = (target: Queue, queueName: string, message: Message): void => {
    record({ kind: 'move', id: message.id, to: queueName });
    forget(message);
    target.accept({ ...message, receivesHere: 0, state: 'ready', movedFrom: options.name });
  };

  const forgetAll = (): void => {
    messages.clear();
    ready.clear();
    delayed.clear();
  };

  /** At most `max` ready messages; those that were received too often go to the dead-letter queue instead. */
  const takeReady = (max: number, visibilitySeconds: number, nowMs: number): readonly Received[] => {
    const { redrive } = options.settings();
    const deadLetters = redrive && options.queueNamed(redrive.queueName);
    const picked: Message[] = [];
    const dead: Message[] = [];
    for (const message of ready) {
      if (redrive && deadLetters && message.receivesHere >= redrive.maxReceives) dead.push(message);
      else if (picked.push(message) === max) break;
    }
    if (redrive && deadLetters) for (const message of dead) moveTo(deadLetters, redrive.queueName, message);
    if (picked.length === 0) return [];
    const atMs = clock.wallMs();
    record({ kind: 'receive', ids: picked.map((message) => message.id), atMs });
    return picked.map((message) => {
      countReceive(message, atMs);
      message.receivedMs = nowMs;
      ready.delete(message);
      if (visibilitySeconds === 0) makeReady(message);
      else hide(message, 'in-flight', nowMs + visibilitySeconds * 1000);
      return { message, receiveCount: message.receiveCount };
    });
  };

  const arm = (nowMs: number): void => {
    if (waiters.size === 0) return;
    let dueMs = hidden.peek()?.dueMs ?? Number.POSITIVE_INFINITY;
    for (const waiter of waiters) dueMs = Math.min(dueMs, waiter.deadlineMs);
    if (alarm && alarm.dueMs <= dueMs) return;
    alarm?.cancel.abort();
    const mine = { dueMs, cancel: new AbortController() };
    alarm = mine;
    void clock.sleep(Math.max(0, dueMs - nowMs), mine.cancel.signal).then(() => {
      if (alarm !== mine) return;
      alarm = undefined;
      serveWaiters();
    });
  };

  const serveWaiters = (): void => {
    if (waiters.size === 0) return;
    const nowMs = clock.monotonicMs();
    advance(nowMs);
    for (const waiter of waiters) {
      if (ready.size === 0 && waiter.deadlineMs > nowMs) continue;
      let received: readonly Received[] = [];
      try {
        if (ready.size > 0) received = takeReady(waiter.request.max, waiter.request.visibilitySeconds, nowMs);
      } catch (error) {
        waiters.delete(waiter);
        waiter.reject(error);
        continue;
      }
      if (received.length === 0 && waiter.deadlineMs > nowMs) continue;
      waiters.delete(waiter);
      waiter.resolve(received);
    }
    arm(nowMs);
  };

  const wait = (request: ReceiveRequest, nowMs: number): Promise<readonly Received[]> =>
    new Promise((resolve, reject) => {
      const signal = request.signal?.();
      const drop = (): void => {
        if (waiters.delete(waiter)) resolve([]);
      };
      const settle = (received: readonly Received[]): void => {
        signal?.removeEventListener('abort', drop);
        resolve(received);
      };
      const waiter: Waiter = {
        request,
        deadlineMs: nowMs + request.waitSeconds * 1000,
        resolve: settle,
        reject,
      };
      if (signal?.aborted) return resolve([]);
      signal?.addEventListener('abort', drop, { once: true });
      waiters.add(waiter);
      arm(nowMs);
    });

  const accept = (message: Message): void => {
    messages.set(message.id, message);
    const nowMs = clock.monotonicMs();
    if (message.state === 'delayed' && message.dueMs > nowMs) {
      hide(message, 'delayed', message.dueMs);
      arm(nowMs);
    } else {
      makeReady(message);
      serveWaiters();
    }
  };

  return {
    send: (content) => {
      const message = newMessage(content, clock.monotonicMs());
      record({ kind: 'send', message });
      accept(message);
    },

    receive: async (request) => {
      const nowMs = clock.monotonicMs();
      advance(nowMs);
      const received = takeReady(request.max, request.visibilitySeconds, nowMs);
      return received.length > 0 || request.waitSeconds === 0 ? received : wait(request, nowMs);
    },

    remove: (id, receiveCount) => {
      const message = messages.get(id);
      if (!message || message.receiveCount !== receiveCount) return;
      record({ kind: 'delete', id });
      forget(message);
    },

    changeVisibility: (id, receiveCount, seconds) => {
      const nowMs = clock.monotonicMs();
      advance(nowMs);
      const message = messages.get(id);
      if (!message) return 'missing';
      if (message.state !== 'in-flight' || message.receiveCount !== receiveCount) return 'not-in-flight';
      const dueMs = nowMs + seconds * 1000;
      if (dueMs - message.receivedMs > maxVisibilityMs) return 'beyond-limit';
      if (seconds === 0) {
        makeReady(message);
        serveWaiters();
      } else {
        hide(message, 'in-flight', dueMs);
        arm(nowMs);
      }
      return 'changed';
    },

    counts: () => {
      advance(clock.monotonicMs());
      return {
        visible: ready.size,
        inFlight: messages.size - ready.size - delayed.size,
        delayed: delayed.size,
      };
    },

    purge: () => {
      record({ kind: 'purge' });
      forgetAll();
    },
    forgetAll,
    peekReady: () => {
      advance(clock.monotonicMs());
      for (const message of ready) return message;
      return undefined;
    },
    redrive: (id, target, to) => {
      const old = messages.get(id);
      if (!old) return;
      const message = newMessage(
        {
          id: randomUUID(),
          body: old.body,
          bodyMd5: old.bodyMd5,
          ...(old.attributes && { attributes: old.attributes }),
          sentMs: clock.wallMs(),
          delaySeconds: 0,
        },
        clock.monotonicMs(),
      );
      record({ kind: 'redrive', id, to, message });
      forget(old);
      target.accept(message);
    },

    accept,
    take: (id) => {
      const message = messages.get(id);
      if (message) forget(message);
      return message;
    },
    countReceive: (id, atMs) => {
      const message = messages.get(id);
      if (message) countReceive(message, atMs);
    },
    messages: () => messages.values(),
    close: () => {
      for (const waiter of waiters) waiter.resolve([]);
      waiters.clear();
      alarm?.cancel.abort();
      alarm = undefined;
    },
  };
};
