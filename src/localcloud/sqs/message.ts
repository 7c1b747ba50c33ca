export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string;
  /** Base64. */
  readonly BinaryValue?: string;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** What a message is for as long as it lives; what the journal keeps. */
export interface Content {
  readonly id: string;
  readonly body: string;
  readonly bodyMd5: string;
  readonly attributes?: MessageAttributes;
  /** Wall clock, milliseconds. */
  readonly sentMs: number;
  readonly delaySeconds: number;
}

export interface Message extends Content {
  /** In all queues together: what receivers see and what makes receipt handles stale. */
  receiveCount: number;
  /** In the present queue: what its redrive policy counts. */
  receivesHere: number;
  /** Wall clock, milliseconds. */
  firstReceivedMs: number | undefined;
  state: 'ready' | 'delayed' | 'in-flight';
  /** Monotonic: when a delayed or in-flight message becomes ready. */
  dueMs: number;
  /** Monotonic: when its present receiver got it. */
  receivedMs: number;
  /** The queue that gave it up as a dead letter. */
  readonly movedFrom?: string;
  /** Monotonic, may be negative: retention counts from here. */
  enqueuedMs: number;
}

export interface Received {
  readonly message: Message;
  /** Part of the receipt handle: a later receive makes it stale. */
  readonly receiveCount: number;
}
