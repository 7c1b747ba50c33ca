/** Messages that are remembered; the oldest is forgotten first. */
const maxMessages = 100_000;

interface Seen {
  readonly MessageId?: unknown;
  readonly ReceiptHandle?: unknown;
}

const messagesOf = (answer: Buffer | string): readonly Seen[] => {
  try {
    const { Messages } = JSON.parse(answer.toString()) as { readonly Messages?: unknown };
    return Array.isArray(Messages) ? Messages : [];
  } catch {
    return [];
  }
};

/** Counts, from the answers of ReceiveMessage, how often each message was handed out: for endpoints whose handles do not tell. */
export const createDeliveries = () => {
  const counts = new Map<string, number>();
  const handles = new Map<string, number>();

  const put = (map: Map<string, number>, key: string, value: number): void => {
    map.delete(key);
    map.set(key, value);
    for (const oldest of map.keys()) {
      if (map.size <= maxMessages) break;
      map.delete(oldest);
    }
  };

  return {
    note: (answer: Buffer | string): void => {
      for (const { MessageId, ReceiptHandle } of messagesOf(answer)) {
        if (typeof MessageId !== 'string' || typeof ReceiptHandle !== 'string') continue;
        const count = (counts.get(MessageId) ?? 0) + 1;
        put(counts, MessageId, count);
        put(handles, ReceiptHandle, count);
      }
    },
    /** 0 for a handle that was not seen. */
    of: (receiptHandle: string): number => handles.get(receiptHandle) ?? 0,
  };
};
