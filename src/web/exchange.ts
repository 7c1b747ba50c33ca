import type { JobResult } from '../jobs/contract.ts';
import type { Answer } from './answers.ts';
import type { Upload } from './upload.ts';

/** What an image is submitted as. */
export interface Order {
  /** Reaches the client with every answer. */
  readonly id: string;
  /** Its client gave it a key: the same image may come again under this id, and is classified once. */
  readonly idempotent: boolean;
}

/** How a web process has an image classified, by whichever messages. */
export interface Exchange {
  /** @param idempotencyKey as the client sent it; undefined for a job that is like no other */
  order(idempotencyKey: string | undefined): Order;
  /**
   * Takes one image through the cluster, and answers when its reply arrives. `over` ends the waiting when the caller aborts it,
   * and is aborted in any case at the end.
   * A 503 means that it was not accepted; a 504, that it was and that its result can be fetched later by its id.
   */
  submit(order: Order, upload: Upload, waitMs: number, over: AbortController): Promise<Answer>;
  /** The result of a job; undefined when there is none (yet). Throws CloudError. */
  result(id: string): Promise<JobResult | undefined>;
  /** Clients that wait. */
  waiting(): number;
  close(): Promise<void>;
}
