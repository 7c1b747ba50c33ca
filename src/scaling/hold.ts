import { randomBytes } from 'node:crypto';
import type { Register } from '../aws/register.ts';
import type { Clock } from '../clock.ts';
import { ImgrecError, messageOf } from '../errors.ts';
import { giveOrders, heldFor, type Orders } from './lease.ts';

/** A hold that is not renewed ends after this time: whoever had it was killed, and the scaler goes on by itself. */
const holdSeconds = 30;
const renewEverySeconds = 8;
const pollMs = 1_000;

/** Keeps every scaler of a cluster from launching and ending workers, for as long as its owner is alive. */
export interface Hold {
  /** Aborts when it could not be renewed in time: scalers may act again. */
  readonly lost: AbortSignal;
  /** Lets the scaler go on at once. Throws CloudError. */
  release(): Promise<void>;
}

const without = ({ hold: _, ...orders }: Orders): Orders => orders;

/**
 * Takes the hold. One that is somebody else's is waited for as long as it holds, should that one have been killed.
 * @throws ImgrecError when another goes on to have it, or `signal` aborts meanwhile; CloudError
 */
export const holdScaler = async (
  register: Register,
  {
    clock,
    signal,
    say,
  }: { readonly clock: Clock; readonly signal: AbortSignal; readonly say: (line: string) => void },
): Promise<Hold> => {
  const by = randomBytes(8).toString('hex');

  /** @returns whether it is ours now; else what is known of the other */
  const take = async (): Promise<{ readonly isOurs: boolean; readonly other: Orders['hold'] }> => {
    let other: Orders['hold'];
    const lock = await giveOrders(register, (orders, nowMs) => {
      other = orders.hold?.by !== by && heldFor(orders, nowMs) > 0 ? orders.hold : undefined;
      return other === undefined ? { ...orders, hold: { by, untilMs: nowMs + holdSeconds * 1_000 } } : orders;
    });
    return { isOurs: lock !== undefined && other === undefined, other };
  };

  const first = await take();
  if (!first.isOurs) {
    say(`another update has the scaler stopped: waiting up to ${holdSeconds} s to see whether it goes on`);
    for (let now = first; !now.isOurs; now = await take()) {
      if (signal.aborted) throw new ImgrecError('interrupted while another update had the scaler stopped');
      if (now.other !== undefined && now.other.untilMs !== first.other?.untilMs)
        throw new ImgrecError('another update of this cluster is under way', {
          hint: 'wait until it has finished; should it have been killed, this ends by itself within half a minute',
        });
      await clock.sleep(pollMs, signal);
    }
  }

  const over = new AbortController();
  const lost = new AbortController();
  const renew = async (): Promise<void> => {
    let renewedMs = clock.monotonicMs();
    for (;;) {
      await clock.sleep(renewEverySeconds * 1_000, over.signal);
      if (over.signal.aborted) return;
      try {
        if ((await take()).isOurs) renewedMs = clock.monotonicMs();
      } catch (error) {
        say(`the scaler could not be told to stay stopped: ${messageOf(error)}`);
      }
      // One renewal before it would end for everybody else.
      if (clock.monotonicMs() - renewedMs > (holdSeconds - renewEverySeconds) * 1_000) {
        lost.abort();
        return;
      }
    }
  };
  const renewing = renew();

  return {
    lost: lost.signal,
    release: async () => {
      over.abort();
      await renewing;
      await giveOrders(register, (orders) => (orders.hold?.by === by ? without(orders) : orders));
    },
  };
};
