import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Register, Version } from '../aws/register.ts';
import type { Clock } from '../clock.ts';
import { type CloudTime, createCloudTime } from './cloud-time.ts';

/**
 * Who may act on the fleet: one scaler at a time, and what it remembers, in one object. Every write replaces exactly the version
 * that was read, so whoever has been replaced meanwhile cannot write any more, and launches only what was written before.
 */
export interface Lease {
  /** Takes the lease, or finds out who has it. @throws CloudError */
  take(): Promise<Taken>;
  /**
   * Writes what is to be remembered, and renews the lease by it.
   * @returns undefined when another has the lease, or its holder's orders were changed meanwhile: take it again, then decide anew.
   * @throws CloudError
   */
  write(memory: unknown): Promise<Held | undefined>;
  /** What is stored now, without taking anything. @throws CloudError */
  peek(): Promise<LockContent>;
  /** Writes what is still to be remembered and lets others in at once. @throws CloudError */
  release(last: (memory: unknown) => unknown): Promise<void>;
  readonly time: CloudTime;
}

export type Taken =
  | { readonly kind: 'mine'; readonly content: LockContent }
  | { readonly kind: 'taken'; readonly owner: string; readonly forMs: number };

export interface Held {
  /** Whether this renewal still holds; to be asked before each act, since a process may be stopped at any point. */
  mayAct(): boolean;
  /** Aborts when it does not. */
  readonly signal: AbortSignal;
}

/** What an operator told the scaler, which holds until `resume`; and what an update told it, which ends by itself. */
const orders = z.object({
  paused: z.boolean().default(false),
  set: z.number().int().nonnegative().optional(),
  /** Nothing is launched or ended until then, on S3's clock, or until its owner takes it away. */
  hold: z.object({ by: z.string(), untilMs: z.number() }).optional(),
});
export type Orders = z.infer<typeof orders>;

/** For how many milliseconds more an update keeps the scaler from acting; 0 when none does. Pure. */
export const heldFor = ({ hold }: Orders, nowMs: number): number => Math.max(0, (hold?.untilMs ?? 0) - nowMs);

const lockContent = z.object({
  v: z.literal(1),
  /** Rises with each change of owner. */
  epoch: z.number().int().nonnegative(),
  owner: z.string(),
  /** From the moment that S3 wrote it; 0 once it was given back. */
  leaseSeconds: z.number().nonnegative(),
  /** Of this write: tells a conflict with oneself, when the answer to a write was lost. */
  revision: z.string(),
  orders: orders.default({ paused: false }),
  memory: z.unknown().optional(),
});
export type LockContent = z.infer<typeof lockContent>;

export const leaseSeconds = 30;
/** Monotonic, from the start of the last write that succeeded: ten seconds before anybody else may take the lease. */
export const actSeconds = 20;

const nobody: LockContent = {
  v: 1,
  epoch: 0,
  owner: '',
  leaseSeconds: 0,
  revision: '',
  orders: { paused: false },
  memory: undefined,
};

/** An object that cannot be understood is nobody's, and nothing is remembered but that it was damaged. */
export const damaged = 'damaged';

export const readLock = (version: Version | undefined): LockContent => {
  if (version === undefined) return nobody;
  try {
    const parsed = lockContent.safeParse(JSON.parse(version.body));
    return parsed.success ? parsed.data : { ...nobody, memory: damaged };
  } catch {
    return { ...nobody, memory: damaged };
  }
};

const randomId = (): string => randomBytes(8).toString('hex');

/** An abort that comes by itself once the time is over, and is never left waiting. */
const expiring = (ms: number, clock: Clock, replaced: AbortSignal): AbortSignal => {
  const over = new AbortController();
  void clock.sleep(ms, replaced).then(() => over.abort());
  return over.signal;
};

export const openLease = (options: {
  readonly register: Register;
  readonly clock: Clock;
  /** Takes the lease at the first attempt, whoever has it, and takes back an operator's orders. */
  readonly takeOver?: boolean;
}): Lease => {
  const { register, clock } = options;
  const owner = randomId();
  let takeOver = options.takeOver ?? false;
  const time = createCloudTime(clock);
  let mine: { readonly content: LockContent; readonly etag: string; readonly untilMs: number } | undefined;
  let renewed = new AbortController();

  const read = async () => {
    const { nowMs, version } = await register.read();
    time.heard(nowMs);
    return { content: readLock(version), version };
  };

  const put = async (content: LockContent, over: string | undefined): Promise<string | undefined> => {
    const body = JSON.stringify(content);
    const result = await register.write(body, over);
    if (result.kind === 'written') {
      time.heard(result.nowMs);
      return result.etag;
    }
    // A write whose answer was lost meets itself when it is repeated.
    const { version } = await read();
    return version?.body === body ? version.etag : undefined;
  };

  const hold = async (content: LockContent, over: string | undefined): Promise<Held | undefined> => {
    const startedMs = clock.monotonicMs();
    const etag = await put(content, over);
    renewed.abort();
    renewed = new AbortController();
    const untilMs = startedMs + actSeconds * 1_000;
    mine = etag === undefined ? undefined : { content, etag, untilMs };
    if (etag === undefined) return undefined;
    const { signal } = renewed;
    return {
      mayAct: () => !signal.aborted && clock.monotonicMs() < untilMs,
      signal: expiring(untilMs - clock.monotonicMs(), clock, signal),
    };
  };

  const written = (base: LockContent, memory: unknown, seconds: number): LockContent => ({
    ...base,
    owner,
    leaseSeconds: seconds,
    revision: randomId(),
    memory,
  });

  return {
    time,
    take: async () => {
      if (mine !== undefined && clock.monotonicMs() < mine.untilMs)
        return { kind: 'mine', content: mine.content };
      const { content, version } = await read();
      const others = !takeOver && content.owner !== owner && content.leaseSeconds > 0;
      if (others && version !== undefined) {
        const forMs = version.modifiedMs + content.leaseSeconds * 1_000 - time.nowMs();
        if (forMs > 0) return { kind: 'taken', owner: content.owner, forMs };
      }
      const epoch = content.owner === owner ? content.epoch : content.epoch + 1;
      const orders = takeOver ? { paused: false } : content.orders;
      takeOver = false;
      const taken = written({ ...content, epoch, orders }, content.memory, leaseSeconds);
      if ((await hold(taken, version?.etag)) !== undefined) return { kind: 'mine', content: taken };
      const winner = readLock((await register.read()).version);
      return { kind: 'taken', owner: winner.owner, forMs: leaseSeconds * 1_000 };
    },
    write: async (memory) =>
      mine === undefined ? undefined : hold(written(mine.content, memory, leaseSeconds), mine.etag),
    peek: async () => (await read()).content,
    release: async (last) => {
      const held = mine;
      mine = undefined;
      renewed.abort();
      if (held !== undefined) await put(written(held.content, last(held.content.memory), 0), held.etag);
    },
  };
};

/** Attempts to change the orders between two writes of a scaler that is at work. */
const orderAttempts = 20;

/**
 * Changes an operator's orders, whoever has the lease: its holder meets the change at its next write.
 * The lease's length is kept, so that the write does not make a dead owner's lease any longer than a renewal would have.
 * @returns the lock as it was written, or undefined when every attempt met another write
 * @throws CloudError
 */
export const giveOrders = async (
  register: Register,
  change: (given: Orders, nowMs: number) => Orders,
): Promise<LockContent | undefined> => {
  for (let attempt = 0; attempt < orderAttempts; attempt++) {
    const { nowMs, version } = await register.read();
    const content = readLock(version);
    const next = { ...content, revision: randomId(), orders: change(content.orders, nowMs) };
    const { kind } = await register.write(JSON.stringify(next), version?.etag);
    if (kind === 'written') return next;
  }
  return undefined;
};
