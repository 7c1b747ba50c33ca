import type { Delivery, Sqs } from '../aws/sqs.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';

/** A message that this worker holds: nobody else gets it while its visibility is renewed in time. */
export interface Lease {
  readonly delivery: Delivery;
  /** Aborts when the lease is lost: the message may be somebody else's now, and its job must stop at the next step. */
  readonly lost: AbortSignal;
}

export interface Leases {
  hold(delivery: Delivery): Lease;
  /** Stops renewing, because the message is about to be deleted. */
  settle(lease: Lease): void;
  /** Stops renewing and hands the message back, visible again after `delaySeconds`. Never throws: visibility ends by itself. */
  release(lease: Lease, delaySeconds: number): Promise<void>;
  held(): number;
  close(): void;
}

export interface LeasesOptions {
  readonly sqs: Pick<Sqs, 'extend' | 'release'>;
  readonly queue: string;
  readonly visibilitySeconds: number;
  /** A job that holds its message for longer is given up, so that a hung one cannot keep it for ever. */
  readonly capMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface Held {
  readonly lease: Lease;
  readonly loss: AbortController;
  renewedAtMs: number;
}

/** Renews every third of the visibility timeout: one renewal may fail or be late without losing a lease. */
const renewalsPerTimeout = 3;

/** Keeps the leases of one queue's messages, of those that wait as well as of those that are being worked on. */
export const createLeases = (options: LeasesOptions): Leases => {
  const { sqs, queue, visibilitySeconds, capMs, clock, log } = options;
  const held = new Map<string, Held>();
  const closed = new AbortController();
  let renewal: Promise<void> = Promise.resolve();

  const lose = (handle: string, why: string) => {
    const entry = held.get(handle);
    if (entry === undefined) return;
    held.delete(handle);
    entry.loss.abort(why);
    log.warn({ messageId: entry.lease.delivery.messageId, why }, 'a lease was lost');
  };

  const renew = async () => {
    const startedAtMs = clock.monotonicMs();
    for (const [handle, { lease }] of [...held])
      if (startedAtMs - lease.delivery.receivedAtMs > capMs) lose(handle, 'held for too long');
    const handles = [...held.keys()];
    if (handles.length === 0) return;
    try {
      const lost = await sqs.extend(queue, handles, visibilitySeconds);
      for (const handle of handles) {
        const entry = held.get(handle);
        if (lost.has(handle)) lose(handle, 'the message is no longer in flight');
        else if (entry !== undefined) entry.renewedAtMs = startedAtMs;
      }
    } catch (error) {
      log.warn({ error: messageOf(error), messages: handles.length }, 'leases could not be renewed');
    }
    const overdue = clock.monotonicMs() - visibilitySeconds * 1_000;
    for (const [handle, entry] of [...held])
      if (entry.renewedAtMs < overdue) lose(handle, 'not renewed in time');
  };

  const keepRenewing = async () => {
    const intervalMs = (visibilitySeconds * 1_000) / renewalsPerTimeout;
    for (;;) {
      await clock.sleep(intervalMs, closed.signal);
      if (closed.signal.aborted) return;
      renewal = renew();
      await renewal;
    }
  };
  void keepRenewing();

  return {
    hold: (delivery) => {
      const loss = new AbortController();
      const lease = { delivery, lost: loss.signal };
      held.set(delivery.handle, { lease, loss, renewedAtMs: delivery.receivedAtMs });
      return lease;
    },
    settle: ({ delivery }) => {
      held.delete(delivery.handle);
    },
    release: async (lease, delaySeconds) => {
      if (!held.delete(lease.delivery.handle)) return;
      // A renewal that is under way would undo the shorter visibility if it arrived after it.
      await renewal;
      await sqs.release(queue, [lease.delivery.handle], delaySeconds).catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, 'a message could not be handed back; its visibility will end');
      });
    },
    held: () => held.size,
    close: () => closed.abort(),
  };
};
