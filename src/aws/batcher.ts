/** Collects single items into batches, because every SQS request costs money and about a millisecond of CPU. */
export interface Batcher<Item, Result> {
  add(item: Item): Promise<Result>;
  /** Sends what is waiting now and resolves when everything added so far has settled. */
  flush(): Promise<void>;
}

export interface BatcherOptions<Item, Result> {
  readonly maxItems: number;
  /** The sum of `bytesOf` over a batch stays below this. */
  readonly maxBytes?: number;
  readonly bytesOf?: (item: Item) => number;
  /** How long the first item of a batch waits for company; asked for each batch, since waiting pays only where much is under way. */
  readonly lingerMs: () => number;
  /** Carries out one batch; one result an item, in order. A rejection rejects every item of the batch. */
  readonly send: (items: readonly Item[]) => Promise<readonly (Result | Error)[]>;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export const createBatcher = <Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> => {
  let waiting: Waiting<Item, Result>[] = [];
  let waitingBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  const underWay = new Set<Promise<void>>();

  const sendBatch = async (batch: readonly Waiting<Item, Result>[]) => {
    try {
      const results = await options.send(batch.map(({ item }) => item));
      batch.forEach(({ resolve, reject }, index) => {
        const result = results[index];
        if (result instanceof Error) reject(result);
        else resolve(result as Result);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  const dispatch = () => {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting;
    waiting = [];
    waitingBytes = 0;
    if (batch.length === 0) return;
    const sending = sendBatch(batch).finally(() => underWay.delete(sending));
    underWay.add(sending);
  };

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        const size = options.bytesOf?.(item) ?? 0;
        if (waiting.length > 0 && waitingBytes + size > (options.maxBytes ?? Number.POSITIVE_INFINITY))
          dispatch();
        waiting.push({ item, resolve, reject });
        waitingBytes += size;
        if (waiting.length >= options.maxItems) dispatch();
        else timer ??= setTimeout(dispatch, options.lingerMs());
      }),
    flush: async () => {
      dispatch();
      await Promise.all(underWay);
    },
  };
};
